-- Give the progress of partitions, and make the first generation and its partitions where Redis is empty.
-- KEYS: live, then the progress of each partition of the first generation
-- ARGV: log id, then the log's first position of each partition
local pointer = redis.call('GET', KEYS[1])
if not pointer then
  pointer = '1 ' .. ARGV[1] .. ' 0'
  redis.call('SET', KEYS[1], pointer)
end
local generation, log_id = string.match(pointer, '^(%d+) (%S+)')
if log_id ~= ARGV[1] then
  return {'other_log', log_id}
end
if generation == '1' then
  for i = 2, #KEYS do
    redis.call('SET', KEYS[i], ARGV[i] .. ' 0 -', 'NX')
  end
end
return {'begun', pointer}
