-- Of each word that begins so, the first users by creation: instants of creation with raw ids.
-- KEYS: see above; the script reads the index of words
-- ARGV: 1 live pointer, 2 the beginning, 3 and 4 between which boundaries by creation (empty: no boundary), 5 '1': from
--       the second to the first, 6 most users of a word, 7 most words, then the positions
local found, refused = positions(8)
if refused then
  return refused
end
local from, to = '[' .. ARGV[2], '(' .. ARGV[2] .. '\255'
local users = {}
for _ = 1, tonumber(ARGV[7]) do
  local member = redis.call('ZRANGE', KEYS[2], from, to, 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    return {'members', found, users}
  end
  local word = string.match(member, '^%Z+')
  local low = '[' .. word .. '\0' .. ARGV[3]
  local high = '(' .. word .. (ARGV[4] == '' and '\1' or '\0' .. ARGV[4])
  local some
  if ARGV[5] == '1' then
    some = redis.call('ZRANGE', KEYS[2], high, low, 'BYLEX', 'REV', 'LIMIT', 0, ARGV[6])
  else
    some = redis.call('ZRANGE', KEYS[2], low, high, 'BYLEX', 'LIMIT', 0, ARGV[6])
  end
  for i = 1, #some do
    users[#users + 1] = string.sub(some[i], -22)
  end
  from = '[' .. word .. '\1'
end
return {'members', found, redis.call('ZRANGE', KEYS[2], from, to, 'BYLEX', 'LIMIT', 0, 1)[1] and false or users}
