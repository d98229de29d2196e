-- Users who meet a condition, in the order of an index.
-- KEYS: see above; the script reads the index
-- ARGV: 1 live pointer, 2 and 3 between which boundaries (empty: no boundary), 4 '1': from the second to the first,
--       5 most members to look at, 6 most users, 7 prefix of the users' records, the condition, then the positions
local meets, behind = condition(8)
local found, refused = positions(behind)
if refused then
  return refused
end
local low, high = ARGV[2] == '' and '-' or '[' .. ARGV[2], ARGV[3] == '' and '+' or '(' .. ARGV[3]
local most, wanted = tonumber(ARGV[5]), tonumber(ARGV[6])
local looked, edge = 0, ''
local members, records = {}, {}
while looked < most and #records < wanted do
  local at_once = math.min(most - looked, math.max(wanted - #records, 100))
  local some
  if ARGV[4] == '1' then
    some = redis.call('ZRANGE', KEYS[2], high, low, 'BYLEX', 'REV', 'LIMIT', 0, at_once)
  else
    some = redis.call('ZRANGE', KEYS[2], low, high, 'BYLEX', 'LIMIT', 0, at_once)
  end
  if #some == 0 then
    return {'walked', found, looked, '', members, records}
  end
  local names = {}
  for i = 1, #some do
    names[i] = ARGV[7] .. string.sub(some[i], -16)
  end
  local their = redis.call('MGET', unpack(names))
  for i = 1, #some do
    looked, edge = looked + 1, some[i]
    if meets(their[i]) then
      members[#members + 1], records[#records + 1] = some[i], their[i]
      if #records == wanted then
        break
      end
    end
  end
  if #some < at_once and #records < wanted then
    edge = ''
    break
  end
  if ARGV[4] == '1' then
    high = '(' .. edge
  else
    low = '(' .. edge
  end
end
return {'walked', found, looked, edge, members, records}
