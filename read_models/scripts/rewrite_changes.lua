-- Copy a part of a stream and, after the last part, put the copy in its place: Redis only marks what XDEL takes out of the
-- middle of a stream, and keeps its bytes.
-- KEYS: live, stream, its copy, string of the newest erasure that took something out
-- ARGV: pointer identity, that erasure, where the part begins ('-' or an exclusive id), most entries of it
local pointer = redis.call('GET', KEYS[1])
if not pointer or string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
if redis.call('GET', KEYS[4]) ~= ARGV[2] then
  return {'again'}
end
if ARGV[3] == '-' then
  redis.call('DEL', KEYS[3])
end
local part = redis.call('XRANGE', KEYS[2], ARGV[3], '+', 'COUNT', ARGV[4])
for _, entry in ipairs(part) do
  redis.call('XADD', KEYS[3], entry[1], unpack(entry[2]))
end
if #part == tonumber(ARGV[4]) then
  return {'more', part[#part][1]}
end
redis.call('DEL', KEYS[2], KEYS[4])
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('RENAME', KEYS[3], KEYS[2])
end
return {'done'}
