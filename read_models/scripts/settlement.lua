-- Read which keys the reservations of these events hold and which processes wait for them; return the function that
-- deletes the former and wakes the latter, one message per process.
local function settlement(events, reservation_prefix, reservations)
  local delete, remove, wake = {}, {}, {}
  if #events > 0 and redis.call('EXISTS', reservations) == 1 then
    for _, event in ipairs(events) do
      local fields = redis.call('HGETALL', reservation_prefix .. event)
      for i = 1, #fields, 2 do
        if fields[i] == 'keys' then
          for key in string.gmatch(fields[i + 1], '[^\n]+') do
            -- A later event may have taken over what this one could no longer use.
            if redis.call('GET', key) == event then
              delete[#delete + 1] = key
            end
          end
        elseif string.sub(fields[i], 1, 7) == 'waiter:' then
          local process = string.sub(fields[i], 8)
          wake[process] = wake[process] or {}
          table.insert(wake[process], event)
        end
      end
      if #fields > 0 then
        delete[#delete + 1] = reservation_prefix .. event
      end
      remove[#remove + 1] = event
    end
  end
  return function(wake_prefix)
    for i = 1, #delete, 1000 do
      redis.call('DEL', unpack(delete, i, math.min(i + 999, #delete)))
    end
    for i = 1, #remove, 1000 do
      redis.call('ZREM', reservations, unpack(remove, i, math.min(i + 999, #remove)))
    end
    for process, of_process in pairs(wake) do
      redis.call('PUBLISH', wake_prefix .. process, table.concat(of_process, ' '))
    end
  end
end
