-- Take the lease, and make a generation beside the live one where there is none; or go on with one that is being made.
-- KEYS: live, beside, lease, then the progress of each partition of the new generation
-- ARGV: 1 live pointer, 2 holder, 3 milliseconds of the lease, 4 pointer of the new generation, then the log's first
--       position of each partition
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'other_generation'}
end
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] then
  return {'held'}
end
local beside = redis.call('GET', KEYS[2])
if not beside then
  beside = ARGV[4]
  for i = 4, #KEYS do
    redis.call('SET', KEYS[i], ARGV[i + 1] .. ' 0 -')
  end
  redis.call('SET', KEYS[2], beside)
end
local stage = string.match(beside, '%S+$')
if stage == 'filling' or stage == 'following' then
  redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3])
end
return {'begun', beside}
