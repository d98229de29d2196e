-- Load what a decision needs: the user's record and what an idempotency key led to, under the guard.
-- KEYS: live, guard, user record [, idempotency outcome, idempotency reservation]
-- ARGV: pointer identity, reservation prefix, partition prefix, process id
local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return refused
end
if not ready_epoch(KEYS[2]) then
  return {'not_ready'}
end
if KEYS[4] then
  local outcome = redis.call('GET', KEYS[4])
  if outcome then
    return {'outcome', outcome}
  end
  local holder = unsettled_holder(KEYS[5], ARGV[2], ARGV[3])
  if holder then
    redis.call('HSET', ARGV[2] .. holder[7], 'waiter:' .. ARGV[4], '1')
    return {'idempotent_pending', holder}
  end
end
return {'loaded', redis.call('GET', KEYS[3])}
