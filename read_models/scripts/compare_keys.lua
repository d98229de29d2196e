-- Compare keys of the live generation with those of the one beside it, in one moment. Both get each batch in one step, so
-- while they are equally far they are equal at every moment.
-- KEYS: live, beside, then for each thing its key in both
-- ARGV: 1 live pointer, 2 pointer of the generation beside, 3 first entry of lists to compare, 4 last one
-- The reply has for each pair `equal`, `longer` (equal so far: a list that goes on), `different` or `missing` (in one).
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
  return {'other_generation'}
end

local function same_lists(one, other)
  local entries, others = redis.call('LRANGE', one, ARGV[3], ARGV[4]), redis.call('LRANGE', other, ARGV[3], ARGV[4])
  if #entries ~= #others then
    return 'different'
  end
  for i = 1, #entries do
    if entries[i] ~= others[i] then
      return 'different'
    end
  end
  return redis.call('LLEN', one) > ARGV[4] + 1 and 'longer' or 'equal'
end

local function same_streams(one, other)
  -- They are cut at the nodes of the stream, which need not be the same: the newest ones count.
  local entries, others = redis.call('XREVRANGE', one, '+', '-', 'COUNT', 200),
    redis.call('XREVRANGE', other, '+', '-', 'COUNT', 200)
  local equal = #entries == #others
  for i = 1, math.min(#entries, #others) do
    equal = equal and entries[i][1] == others[i][1] and entries[i][2][2] == others[i][2][2]
  end
  return equal
end

local function same_sets(one, other)
  return redis.call('SCARD', one) == redis.call('SCARD', other) and #redis.call('SDIFF', one, other) == 0
end

local function same_hashes(one, other)
  local equal, fields = redis.call('HLEN', one) == redis.call('HLEN', other), redis.call('HGETALL', one)
  for i = 1, #fields, 2 do
    equal = equal and redis.call('HGET', other, fields[i]) == fields[i + 1]
  end
  return equal
end

local replies = {}
for i = 3, #KEYS, 2 do
  local kind, its_kind = redis.call('TYPE', KEYS[i]).ok, redis.call('TYPE', KEYS[i + 1]).ok
  local reply
  if kind ~= its_kind then
    reply = 'missing'
  elseif kind == 'none' then
    reply = 'equal'
  elseif kind == 'list' then
    reply = same_lists(KEYS[i], KEYS[i + 1])
  else
    local same
    if kind == 'set' then
      same = same_sets(KEYS[i], KEYS[i + 1])
    elseif kind == 'stream' then
      same = same_streams(KEYS[i], KEYS[i + 1])
    elseif kind == 'hash' then
      same = same_hashes(KEYS[i], KEYS[i + 1])
    else
      same = redis.call('GET', KEYS[i]) == redis.call('GET', KEYS[i + 1])
    end
    reply = same and 'equal' or 'different'
  end
  replies[#replies + 1] = reply
end
return {'compared', replies}
