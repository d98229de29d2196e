-- Apply one batch of one partition: all of it or, if the batch does not start at the checkpoint, nothing.
-- Everything is read and computed before the first write, and doing it twice changes nothing.
-- KEYS: live, guard, partition progress, reservations of the partition, conflicts
-- ARGV: 1 pointer identity, 2 position of the batch, 3 new progress, 4 new watermark, 5 reservation prefix, 6 wake prefix,
--       7 number of epochs in the batch, 8 number of event ids in the batch, the epochs, the event ids,
--       then the changes: name, number of arguments, arguments
local pointer = redis.call('GET', KEYS[1])
if not pointer or string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
local position = progress(KEYS[3])
if position ~= ARGV[2] then
  return {'refused', position}
end
local at = 9
local function take(count)
  local taken = {unpack(ARGV, at, at + count - 1)}
  at = at + count
  return taken
end
local epochs = take(tonumber(ARGV[7]))
local events = take(tonumber(ARGV[8]))
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[4], 'LIMIT', 0, 200)) do
  events[#events + 1] = expired
end
local settle = settlement(events, ARGV[5], KEYS[4])
local guard_epoch, guard_ready = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'ready'))
local clear_guard = false
for _, epoch in ipairs(epochs) do
  clear_guard = clear_guard or (guard_ready == '1' and epoch ~= guard_epoch)
end

local change = {}
-- key, sequence of the first entry, entries
function change.history(arguments)
  local key, first = arguments[1], tonumber(arguments[2])
  local present = redis.call('LLEN', key) - (first - 1)
  if present < #arguments - 2 then
    redis.call('RPUSH', key, unpack(arguments, 3 + math.max(present, 0)))
  end
end
-- hash of doomed events, history of a user who is erased, offset of the erasing event
function change.doom_history(arguments)
  for _, entry in ipairs(redis.call('LRANGE', arguments[2], 0, -1)) do
    local event, offset = string.match(entry, '^(%S+) (%d+)')
    if tonumber(offset) < tonumber(arguments[3]) then
      redis.call('HSET', arguments[1], event, offset)
    end
  end
end
-- key, the one entry left
function change.forget_history(arguments)
  redis.call('DEL', arguments[1])
  redis.call('RPUSH', arguments[1], arguments[2])
end
-- Removes the claims of a user; returns how many others claim the value.
local function withdraw(key, value, user)
  local others = 0
  for _, claim in ipairs(claims_of(key, value)) do
    if string.sub(claim, -16) == user then
      redis.call('ZREM', key, claim)
    else
      others = others + 1
    end
  end
  return others
end
-- key, value, what follows it in the index, the value's name among the conflicts
function change.claim(arguments)
  local key, value, tail, name = unpack(arguments)
  if withdraw(key, value, string.sub(tail, -16)) > 0 then
    redis.call('SADD', KEYS[5], name)
  end
  redis.call('ZADD', key, 0, value .. '\0' .. tail)
end
-- key, value, user, the value's name among the conflicts
function change.unclaim(arguments)
  local key, value, user, name = unpack(arguments)
  if withdraw(key, value, user) < 2 then
    redis.call('SREM', KEYS[5], name)
  end
end
-- stream, string of where it begins, entries to keep, then pairs (offset, entry) in the order of the offsets
function change.feed(arguments)
  local stream = arguments[1]
  local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local last = newest and tonumber(string.match(newest[1], '^%d+')) or -1
  for i = 4, #arguments, 2 do
    if tonumber(arguments[i]) > last then
      redis.call('XADD', stream, arguments[i] .. '-1', 'e', arguments[i + 1])
    end
  end
  if redis.call('XTRIM', stream, 'MAXLEN', '~', arguments[3]) > 0 then
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    redis.call('SET', arguments[2], string.match(oldest[1], '^%d+'))
  end
end
-- stream, string of the newest erasure, history of the user to be forgotten, offset of the erasing event
function change.forget_feed(arguments)
  for _, entry in ipairs(redis.call('LRANGE', arguments[3], 0, -1)) do
    local offset = string.match(entry, '^%S+ (%d+)')
    if tonumber(offset) < tonumber(arguments[4]) then
      redis.call('XDEL', arguments[1], offset .. '-1')
    end
  end
  redis.call('SET', arguments[2], arguments[4])
end
while at <= #ARGV do
  local name, count = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
  local arguments = take(count)
  if change[name] then
    change[name](arguments)
  else
    redis.call(name, unpack(arguments))
  end
end
if clear_guard then
  redis.call('DEL', KEYS[2])
end
redis.call('SET', KEYS[3], ARGV[3])
settle(ARGV[6])
return {'applied'}
