-- Reserve a user's next version, each unique value that changes and the idempotency key, or say why not.
-- KEYS: live, guard, user record, reserved version, reservations of the partition,
--       then a pair (claims, reserved) per unique value, then, if ARGV[11] is not empty, (outcome, reserved) of the idempotency key
-- ARGV: 1 pointer identity, 2 reservation prefix, 3 partition prefix, 4 process id, 5 event id, 6 user id, 7 partition,
--       8 the user's version, 9 milliseconds to the deadline, 10 number of unique values, 11 request hash,
--       12 raw user id, then the unique values
local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return refused
end
local epoch = ready_epoch(KEYS[2])
if not epoch then
  return {'not_ready'}
end
local values = tonumber(ARGV[10])
local idempotency = ARGV[11] ~= '' and 6 + 2 * values or nil
if idempotency then
  local outcome = redis.call('GET', KEYS[idempotency])
  if outcome then
    return {'outcome', outcome}
  end
end
if version_of(redis.call('GET', KEYS[3])) ~= tonumber(ARGV[8]) then
  return {'version_moved'}
end
for i = 1, values do
  for _, claim in ipairs(claims_of(KEYS[4 + 2 * i], ARGV[12 + i])) do
    if string.sub(claim, -16) ~= ARGV[12] then
      return {'taken', i - 1}
    end
  end
end
local held = {KEYS[4]}
for i = 1, values do
  held[#held + 1] = KEYS[5 + 2 * i]
end
if idempotency then
  held[#held + 1] = KEYS[idempotency + 1]
end
for i = #held, 1, -1 do
  local holder = unsettled_holder(held[i], ARGV[2], ARGV[3])
  if holder then
    redis.call('HSET', ARGV[2] .. holder[7], 'waiter:' .. ARGV[4], '1')
    return {idempotency and i == #held and 'idempotent_pending' or 'held', holder}
  end
end
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[9]
local deadline_text = string.format('%.0f', deadline)
redis.call('HSET', ARGV[2] .. ARGV[5], 'event', ARGV[5], 'partition', ARGV[7], 'deadline', deadline_text, 'user', ARGV[6],
  'sequence', string.format('%.0f', ARGV[8] + 1), 'epoch', epoch, 'hash', ARGV[11], 'keys', table.concat(held, '\n'),
  'waiter:' .. ARGV[4], '1')
redis.call('ZADD', KEYS[5], deadline_text, ARGV[5])
for _, key in ipairs(held) do
  redis.call('SET', key, ARGV[5])
end
return {'reserved', epoch, deadline_text}
