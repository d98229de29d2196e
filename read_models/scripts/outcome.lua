-- Say what became of each of several events: the answer is a function of the log, so it survives the loss of Redis.
-- The reply is a list with one reply for each event.
-- KEYS: live, guard, then for each event: user record, history, partition progress
-- ARGV: pointer identity, number of events, then for each event: event id, sequence, deadline, epoch, event
--       id as histories have it
local pointer = redis.call('GET', KEYS[1])
if not pointer then
  return {'not_ready'}
end
if string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end

local function outcome(user, history, partition, event, sequence, deadline, its_epoch, in_history)
  -- After an erasure the history begins with the erasing event, whatever its sequence.
  for _, index in ipairs({sequence - 1, 0}) do
    local found, offset = string.match(redis.call('LINDEX', history, index) or '', '^(%S+) (%d+)')
    if found == in_history then
      return {'accepted', offset}
    end
  end
  local record = redis.call('GET', user)
  if record then
    local void_ids = string.match(record, '^%S+ %S+ %S+ %S+ (%S+)')
    if string.find(void_ids, event, 1, true) or version_of(record) >= tonumber(sequence) then
      return {'void'}
    end
  end
  local _, watermark, epoch = progress(partition)
  if watermark and tonumber(watermark) > tonumber(deadline) then
    return {'never_written'}
  end
  -- An epoch's id is a UUIDv7, so one that was opened later compares greater. A Redis that is being refilled, or that
  -- was deposed and still thinks itself ready, stands in an older epoch than the event and can tell nothing from that.
  if epoch and epoch > its_epoch and string.sub(pointer, -1) == '1' and ready_epoch(KEYS[2]) then
    return {'never_written'}
  end
  return {'pending'}
end

local replies = {}
for i = 0, ARGV[2] - 1 do
  local user, history, partition = unpack(KEYS, 3 * i + 3, 3 * i + 5)
  replies[#replies + 1] = outcome(user, history, partition, unpack(ARGV, 5 * i + 3, 5 * i + 7))
end
return replies
