-- Apply one batch of one partition: all of it or, if the batch does not start at the checkpoint, nothing. A generation
-- that follows the live one is given its own batch of the same records in the same step.
-- Everything is read and computed before the first write, and doing it twice changes nothing.
-- KEYS: live, guard, beside, reservations of the partition, then of each generation: partition progress, conflicts
-- ARGV: 1 pointer identity, 2 pointer of the generation that follows (empty: none), 3 new watermark,
--       4 reservation prefix, 5 wake prefix, 6 number of epochs in the batch, 7 number of event ids in the batch, the
--       epochs, the event ids, then for each generation: position of the batch, new progress, number of changes, the
--       changes: name, number of arguments, arguments
local pointer = redis.call('GET', KEYS[1])
if not pointer or string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] or followed(KEYS[3]) ~= ARGV[2] then
  return {'other_generation'}
end
local at = 8
local function take(count)
  local taken = {unpack(ARGV, at, at + count - 1)}
  at = at + count
  return taken
end
local epochs = take(tonumber(ARGV[6]))
local events = take(tonumber(ARGV[7]))
for i = 5, #KEYS, 2 do
  local position = progress(KEYS[i])
  if position ~= ARGV[at] then
    return {'refused', position}
  end
end
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[3], 'LIMIT', 0, 200)) do
  events[#events + 1] = expired
end
local settle = settlement(events, ARGV[4], KEYS[4])
local guard_epoch, guard_ready = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'ready'))
local clear_guard = false
for _, epoch in ipairs(epochs) do
  clear_guard = clear_guard or (guard_ready == '1' and epoch ~= guard_epoch)
end

local moved = {}
for i = 5, #KEYS, 2 do
  moved[KEYS[i]] = ARGV[at + 1]
  at = make_changes(at + 2, KEYS[i + 1])
end
if clear_guard then
  redis.call('DEL', KEYS[2])
end
for key, value in pairs(moved) do
  redis.call('SET', key, value)
end
settle(ARGV[5])
return {'applied'}
