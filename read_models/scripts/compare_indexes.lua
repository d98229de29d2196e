-- Compare a stretch of an index of the live generation with that of the one beside it, in one moment.
-- KEYS: live, beside, the index in both
-- ARGV: 1 live pointer, 2 pointer of the generation beside, 3 where the stretch begins (as ZRANGE BYLEX has it), 4 members
-- The reply has whether it is equal and the last member, false at the end.
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return {'other_generation'}
end
local found, others = unpack({
  redis.call('ZRANGE', KEYS[3], ARGV[3], '+', 'BYLEX', 'LIMIT', 0, ARGV[4]),
  redis.call('ZRANGE', KEYS[4], ARGV[3], '+', 'BYLEX', 'LIMIT', 0, ARGV[4]),
})
local equal = #found == #others
for i = 1, #found do
  equal = equal and found[i] == others[i]
end
local longer = #found >= #others and found or others
return {'compared', equal and 1 or 0, #longer == tonumber(ARGV[4]) and longer[#longer] or false}
