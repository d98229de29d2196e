-- Say what became of an event: the answer is a function of the log, so it survives the loss of Redis.
-- KEYS: live, guard, user record, history, partition progress
-- ARGV: pointer identity, event id, sequence, deadline, epoch, event id as histories have it
local pointer = redis.call('GET', KEYS[1])
if not pointer then
  return {'not_ready'}
end
if string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
-- After an erasure the history begins with the erasing event, whatever its sequence.
for _, index in ipairs({ARGV[3] - 1, 0}) do
  local event, offset = string.match(redis.call('LINDEX', KEYS[4], index) or '', '^(%S+) (%d+)')
  if event == ARGV[6] then
    return {'accepted', offset}
  end
end
local record = redis.call('GET', KEYS[3])
if record then
  local void_ids = string.match(record, '^%S+ %S+ %S+ %S+ (%S+)')
  if string.find(void_ids, ARGV[2], 1, true) or version_of(record) >= tonumber(ARGV[3]) then
    return {'void'}
  end
end
local _, watermark, epoch = progress(KEYS[5])
if watermark and tonumber(watermark) > tonumber(ARGV[4]) then
  return {'never_written'}
end
-- An epoch's id is a UUIDv7, so one that was opened later compares greater. A Redis that is being refilled, or that was
-- deposed and still thinks itself ready, stands in an older epoch than the event and can tell nothing from that.
if epoch and epoch > ARGV[5] and string.sub(pointer, -1) == '1' and ready_epoch(KEYS[2]) then
  return {'never_written'}
end
return {'pending'}
