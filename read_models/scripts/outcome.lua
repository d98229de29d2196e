-- Say what became of an event: the answer is a function of the log, so it survives the loss of Redis.
-- KEYS: live, guard, user record, history, partition progress
-- ARGV: pointer identity, event id, sequence, deadline, epoch
local pointer = redis.call('GET', KEYS[1])
if not pointer then
  return {'not_ready'}
end
if string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
-- After an erasure the history begins with the erasing event, whatever its sequence.
for _, index in ipairs({ARGV[3] - 1, 0}) do
  local entry = redis.call('LINDEX', KEYS[4], index)
  if entry and string.sub(entry, 1, 36) == ARGV[2] then
    return {'accepted', string.match(entry, '^%S+ (%d+)')}
  end
end
local record = redis.call('GET', KEYS[3])
if record then
  local head = string.match(record, '^[^\n]*')
  if string.find(head, ARGV[2], 1, true) or version_of(record) >= tonumber(ARGV[3]) then
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
