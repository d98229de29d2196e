-- One page of the users in the order of their creation.
-- KEYS: see above; the script reads the index by creation
-- ARGV: 1 live pointer, 2 the member that the page follows or empty, 3 '1': newest first, 4 most users,
--       5 prefix of the users' records, then the positions
local found, refused = positions(6)
if refused then
  return refused
end
local after, limit = ARGV[2], tonumber(ARGV[4])
local members
if ARGV[3] == '1' then
  members = redis.call('ZRANGE', KEYS[2], after == '' and '+' or '(' .. after, '-', 'BYLEX', 'REV', 'LIMIT', 0, limit + 1)
else
  members = redis.call('ZRANGE', KEYS[2], after == '' and '-' or '(' .. after, '+', 'BYLEX', 'LIMIT', 0, limit + 1)
end
local last = #members > limit and members[limit] or ''
local names = {}
for i = 1, math.min(#members, limit) do
  names[i] = ARGV[5] .. string.sub(members[i], -36)
end
return {'listed', found, last, #names > 0 and redis.call('MGET', unpack(names)) or {}}
