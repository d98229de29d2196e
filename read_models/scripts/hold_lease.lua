-- Say which generations there are, and keep the lease of a rebuild.
-- KEYS: live, beside, lease
-- ARGV: holder, milliseconds of the lease
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
  return {'lease_lost'}
end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return {'held', redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}
