-- How many members several ranges have.
-- KEYS: see above; the script reads the indexes: the key is the prefix of the generation
-- ARGV: 1 live pointer, 2 number of ranges, for each the index and its boundaries (empty: no boundary), then the positions
local ranges = tonumber(ARGV[2])
local found, refused = positions(3 + 3 * ranges)
if refused then
  return refused
end
local counts = {}
for i = 1, ranges do
  local key, low, high = unpack(ARGV, 3 * i, 3 * i + 2)
  counts[i] = redis.call('ZLEXCOUNT', key, low == '' and '-' or '[' .. low, high == '' and '+' or '(' .. high)
end
return {'measured', found, counts}
