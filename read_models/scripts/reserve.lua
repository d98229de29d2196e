-- Reserve for each of several events, in their order, its user's next version, each unique value that changes and the
-- idempotency key; or say why not. The reply is a list with one reply for each event.
-- KEYS: live, guard, then for each event: user record, reserved version, reservations of the partition,
--       then a pair (claims, reserved) per unique value, then, if its hash is not empty, (outcome, reserved) of the
--       idempotency key
-- ARGV: 1 pointer identity, 2 reservation prefix, 3 partition prefix, 4 process id, 5 milliseconds to the deadline,
--       6 number of events, then for each event: event id, user id, partition, the user's version, number of unique
--       values, request hash, raw user id, then the unique values
local refused = refusal(KEYS[1], ARGV[1])
if refused then
  return refused
end
local epoch = ready_epoch(KEYS[2])
if not epoch then
  return {'not_ready'}
end
local time = redis.call('TIME')
local deadline_text = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[5])

-- `at` is how many keys, and `before` how many arguments, come before the event's own.
local function reserve(at, before, event, user, partition, version, values, hash, raw_user)
  local idempotency = hash ~= '' and at + 4 + 2 * values or nil
  if idempotency then
    local outcome = redis.call('GET', KEYS[idempotency])
    if outcome then
      return {'outcome', outcome}
    end
  end
  if version_of(redis.call('GET', KEYS[at + 1])) ~= tonumber(version) then
    return {'version_moved'}
  end
  for i = 1, values do
    -- An event in quarantine withholds what it claims, too.
    for _, index in ipairs({KEYS[at + 2 + 2 * i], KEYS[at + 2 + 2 * i] .. ':waiting'}) do
      for _, claim in ipairs(claims_of(index, ARGV[before + 7 + i])) do
        if string.sub(claim, -16) ~= raw_user then
          return {'taken', i - 1}
        end
      end
    end
  end
  local held = {KEYS[at + 2]}
  for i = 1, values do
    held[#held + 1] = KEYS[at + 3 + 2 * i]
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
  redis.call('HSET', ARGV[2] .. event, 'event', event, 'partition', partition, 'deadline', deadline_text, 'user', user,
    'sequence', string.format('%.0f', version + 1), 'epoch', epoch, 'hash', hash, 'keys', table.concat(held, '\n'),
    'waiter:' .. ARGV[4], '1')
  redis.call('ZADD', KEYS[at + 3], deadline_text, event)
  for _, key in ipairs(held) do
    redis.call('SET', key, event)
  end
  return {'reserved', epoch, deadline_text}
end

local replies, at, before = {}, 2, 6
for _ = 1, ARGV[6] do
  local event, user, partition, version, values, hash, raw_user = unpack(ARGV, before + 1, before + 7)
  replies[#replies + 1] = reserve(at, before, event, user, partition, version, tonumber(values), hash, raw_user)
  at = at + 3 + 2 * values + (hash ~= '' and 2 or 0)
  before = before + 7 + values
end
return replies
