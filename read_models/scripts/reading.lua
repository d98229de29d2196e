#!lua flags=no-writes
-- Every script of the query API begins with this instead of common.lua: the flag lets replicas run it, too.
-- KEYS: live, what the script reads, then the progress of each partition, from 0
-- ARGV: live pointer, what the script needs, then the least next position of each partition, from 0

-- The next position of each partition, nil, and whether the reader has seen any; or nil and the refusal to return.
-- `first` is where the positions begin in ARGV.
local function positions(first)
  if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return nil, {'other_generation'}
  end
  local found = redis.call('MGET', unpack(KEYS, 3))
  local visible, seen = true, false
  for i = 1, #found do
    found[i] = found[i] and string.match(found[i], '^%d+')
    if not found[i] then
      return nil, {'not_ready'}
    end
    local least = tonumber(ARGV[first + i - 1])
    visible, seen = visible and tonumber(found[i]) >= least, seen or least > 0
  end
  if not visible then
    return nil, {'not_yet_visible'}
  end
  return found, nil, seen
end
