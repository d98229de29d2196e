-- Of all words that begin so, the first users by creation: instants of creation with raw ids; and for each word that has
-- more users than were read the last one that was.
-- KEYS: see above; the script reads the index of words
-- ARGV: 1 live pointer, 2 the beginning, 3 and 4 between which boundaries by creation (empty: no boundary), 5 '1': from
--       the second to the first, 6 most users of a word, 7 about how many users of all words, 8 most words, then the
--       positions
local found, refused = positions(9)
if refused then
  return refused
end
local from, to = '[' .. ARGV[2], '(' .. ARGV[2] .. '\255'
local words = {}
while true do
  local member = redis.call('ZRANGE', KEYS[2], from, to, 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then
    break
  end
  if #words == tonumber(ARGV[8]) then
    return {'members', found, false, {}}
  end
  local word = string.match(member, '^%Z+')
  words[#words + 1] = word
  from = '[' .. word .. '\1'
end
local each = math.min(tonumber(ARGV[6]), math.ceil(ARGV[7] / #words))
local users, last = {}, {}
for _, word in ipairs(words) do
  local low = '[' .. word .. '\0' .. ARGV[3]
  local high = '(' .. word .. (ARGV[4] == '' and '\1' or '\0' .. ARGV[4])
  local some
  if ARGV[5] == '1' then
    some = redis.call('ZRANGE', KEYS[2], high, low, 'BYLEX', 'REV', 'LIMIT', 0, each)
  else
    some = redis.call('ZRANGE', KEYS[2], low, high, 'BYLEX', 'LIMIT', 0, each)
  end
  for i = 1, #some do
    users[#users + 1] = string.sub(some[i], -22)
  end
  if #some == each then
    last[#last + 1] = users[#users]
  end
end
return {'members', found, users, last}
