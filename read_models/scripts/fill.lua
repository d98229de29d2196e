-- Apply one batch of one partition to the generation beside the live one alone: it is being filled, or closes the gap
-- before it follows. It never gets ahead of the live one.
-- KEYS: beside, lease, progress of the partition in the live generation, progress and conflicts in the one beside
-- ARGV: 1 pointer of the generation beside, 2 holder of the lease (empty: whoever), 3 milliseconds of the lease, 4 next
--       position, 5 position of the batch, 6 new progress, 7 number of changes, then the changes as in apply.lua
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'other_generation'}
end
if ARGV[2] ~= '' then
  if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return {'lease_lost'}
  end
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
local position = progress(KEYS[4])
local live = progress(KEYS[3])
if position ~= ARGV[5] or not live or tonumber(ARGV[4]) > tonumber(live) then
  return {'refused'}
end
make_changes(7, KEYS[5])
redis.call('SET', KEYS[4], ARGV[6])
return {'applied'}
