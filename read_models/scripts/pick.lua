-- Those of some users who meet a condition: their raw ids and their records, or only the heads of these.
-- KEYS: see above; the script reads the users' records: the key is their prefix
-- ARGV: 1 live pointer, 2 '1': whole records, 3 number of users, the condition, the users' raw ids, then the positions
local meets, first = condition(4)
local count = tonumber(ARGV[3])
local found, refused = positions(first + count)
if refused then
  return refused
end
local names = {}
for i = 1, count do
  names[i] = KEYS[2] .. ARGV[first + i - 1]
end
local users, picked = {}, {}
local records = count > 0 and redis.call('MGET', unpack(names)) or {}
for i = 1, count do
  if meets(records[i]) then
    users[#users + 1] = ARGV[first + i - 1]
    picked[#picked + 1] = ARGV[2] == '1' and records[i] or string.sub(records[i], 1, string.find(records[i], '\n', 1, true) - 1)
  end
end
return {'picked', found, users, picked}
