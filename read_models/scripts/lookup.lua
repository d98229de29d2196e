-- The records of users by id and of the owners of unique values, in the order asked for; false where there is none.
-- KEYS: see above; the script reads the users' records: the key is their prefix
-- ARGV: 1 live pointer, 2 key of the claims, 3 number of ids, 4 number of values, the raw ids, the values, then the
--       positions
local ids, values = tonumber(ARGV[3]), tonumber(ARGV[4])
local found, refused, seen = positions(5 + ids + values)
if refused then
  return refused
end
local names, places = {}, {}
local function want(user, place)
  names[#names + 1] = KEYS[2] .. user
  places[#places + 1] = place
end
for i = 1, ids do
  want(ARGV[4 + i], i)
end
local records = {}
for i = ids + 1, ids + values do
  local claim = owning_claim(ARGV[2], ARGV[4 + i], seen)
  if claim then
    want(string.sub(claim, -16), i)
  end
  records[i] = false
end
for first = 1, #names, 1000 do
  local some = redis.call('MGET', unpack(names, first, math.min(first + 999, #names)))
  for i = 1, #some do
    records[places[first + i - 1]] = some[i]
  end
end
return {'looked_up', found, records}
