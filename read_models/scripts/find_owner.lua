-- The user who owns a unique value.
-- KEYS: see above; the script reads the claims of the value
-- ARGV: 1 live pointer, 2 prefix of the users' records, then the positions
local found, refused = positions(3)
if refused then
  return refused
end
local owner = owner_of(KEYS[2])
return {'listed', found, '', owner and {redis.call('GET', ARGV[2] .. owner)} or {}}
