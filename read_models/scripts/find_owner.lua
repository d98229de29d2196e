-- The user who owns a unique value. Of several who claim it that is the earlier by broker timestamp, then by event id.
-- KEYS: see above; the script reads the claims of the value
-- ARGV: 1 live pointer, 2 prefix of the users' records, then the positions
local found, refused = positions(3)
if refused then
  return refused
end
local claims = redis.call('HGETALL', KEYS[2])
local owner, owner_time, owner_event
for i = 1, #claims, 2 do
  local time, event = string.match(claims[i + 1], '^(%d+) (%S+)$')
  time = tonumber(time)
  if not owner or time < owner_time or (time == owner_time and event < owner_event) then
    owner, owner_time, owner_event = claims[i], time, event
  end
end
return {'listed', found, '', owner and {redis.call('GET', ARGV[2] .. owner)} or {}}
