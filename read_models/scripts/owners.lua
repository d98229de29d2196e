-- The one user, or none, who owns all of some unique values and meets a condition: the raw id and the record.
-- KEYS: see above; the script reads the users' records: the key is their prefix
-- ARGV: 1 live pointer, 2 number of values, the condition, for each value the key of its claims and the value, then the
--       positions
local meets, first = condition(3)
local values = tonumber(ARGV[2])
local found, refused, seen = positions(first + 2 * values)
if refused then
  return refused
end
local owner
for i = 0, values - 1 do
  local claim = owning_claim(ARGV[first + 2 * i], ARGV[first + 2 * i + 1], seen)
  local user = claim and string.sub(claim, -16)
  if not user or (owner and owner ~= user) then
    return {'picked', found, {}, {}}
  end
  owner = user
end
local record = redis.call('GET', KEYS[2] .. owner)
if not meets(record) then
  return {'picked', found, {}, {}}
end
return {'picked', found, {owner}, {record}}
