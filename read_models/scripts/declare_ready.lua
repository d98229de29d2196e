-- Declare the guard ready once its epoch's records are projected in all partitions and the newest in each.
-- KEYS: live, guard, then the progress of each partition of the live generation
-- ARGV: pointer identity, epoch, then the offset of the epoch's record in each partition
local pointer = redis.call('GET', KEYS[1])
if not pointer or string.match(pointer, '^(%d+ %S+) ') ~= ARGV[1] then
  return {'other_generation'}
end
local epoch, run_id, replid, ready = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'run_id', 'replid', 'ready'))
local run, repl = server()
if epoch ~= ARGV[2] or run_id ~= run or replid ~= repl then
  return {'superseded'}
end
if ready == '1' then
  return {'ready'}
end
local newest = true
for i = 3, #KEYS do
  local position, _, current = progress(KEYS[i])
  if not position or tonumber(position) <= tonumber(ARGV[i]) then
    return {'waiting'}
  end
  newest = newest and current == epoch
end
if not newest then
  redis.call('DEL', KEYS[2])
  return {'superseded'}
end
redis.call('HSET', KEYS[2], 'ready', '1')
redis.call('SET', KEYS[1], ARGV[1] .. ' 1')
return {'ready'}
