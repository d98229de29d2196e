-- Make the generation beside the live one the live one, and the other way round: in one step, if both are equally far
-- and equally large.
-- KEYS: live, beside, then for each partition the progress in the live generation and in the one beside, then for each
--       index its key in both
-- ARGV: 1 live pointer, 2 pointer of the generation beside, 3 live pointer to be, 4 pointer beside to be, 5 number of
--       partitions, 6 whether sizes may differ: 1
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return {'other_generation'}
end
local behind = 3 + 2 * ARGV[5]
local watermarks = {}
for i = 3, behind - 1, 2 do
  local position, watermark, epoch = progress(KEYS[i])
  local its_position, its_watermark, its_epoch = progress(KEYS[i + 1])
  if not position or position ~= its_position or epoch ~= its_epoch then
    return {'apart'}
  end
  -- Of the two the later one: nothing that was settled may look unsettled again.
  local later = tonumber(watermark) > tonumber(its_watermark) and watermark or its_watermark
  watermarks[KEYS[i + 1]] = position .. ' ' .. later .. ' ' .. epoch
end
if ARGV[6] ~= '1' then
  for i = behind, #KEYS, 2 do
    if redis.call('ZCARD', KEYS[i]) ~= redis.call('ZCARD', KEYS[i + 1]) then
      return {'unequal', KEYS[i]}
    end
  end
end
for key, value in pairs(watermarks) do
  redis.call('SET', key, value)
end
redis.call('SET', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[4])
return {'flipped'}
