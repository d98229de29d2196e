-- Move the generation beside the live one to another stage, or forget it.
-- KEYS: beside, lease
-- ARGV: 1 its pointer, 2 the new one (empty: none), 3 holder of the lease (empty: nobody may hold it)
local holder = redis.call('GET', KEYS[2])
if (holder or '') ~= ARGV[3] then
  return {'lease_lost'}
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'other_generation'}
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return {'moved'}
