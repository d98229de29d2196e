-- Members of an index, in order.
-- KEYS: see above; the script reads the index
-- ARGV: 1 live pointer, 2 and 3 between which boundaries (empty: no boundary), 4 most members, then the positions
local found, refused = positions(5)
if refused then
  return refused
end
local low, high = ARGV[2] == '' and '-' or '[' .. ARGV[2], ARGV[3] == '' and '+' or '(' .. ARGV[3]
return {'members', found, redis.call('ZRANGE', KEYS[2], low, high, 'BYLEX', 'LIMIT', 0, ARGV[4])}
