-- Note that doomed events have their tombstones.
-- KEYS: live, hash of doomed events, hash of buried events
-- ARGV: pointer identity, then pairs (event id, offset)
local pointer = redis.call('GET', KEYS[1])
if not pointer or string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
for i = 2, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('HDEL', KEYS[2], ARGV[i])
end
return {'buried'}
