-- Make the changes of a batch to one generation, read from ARGV from `at` on: their number, then for each its name, number
-- of arguments, arguments. Returns where ARGV goes on. `conflicts` is the generation's key of the values claimed twice.
local function make_changes(at, conflicts)
  local change = {}
  -- key, sequence of the first entry, entries
  function change.history(arguments)
    local key, first = arguments[1], tonumber(arguments[2])
    local present = redis.call('LLEN', key) - (first - 1)
    if present < #arguments - 2 then
      redis.call('RPUSH', key, unpack(arguments, 3 + math.max(present, 0)))
    end
  end
  -- hash of doomed events, history of a user who is erased, offset of the erasing event
  function change.doom_history(arguments)
    for _, entry in ipairs(redis.call('LRANGE', arguments[2], 0, -1)) do
      local event, offset = string.match(entry, '^(%S+) (%d+)')
      if tonumber(offset) < tonumber(arguments[3]) then
        redis.call('HSET', arguments[1], event, offset)
      end
    end
  end
  -- key, the one entry left
  function change.forget_history(arguments)
    redis.call('DEL', arguments[1])
    redis.call('RPUSH', arguments[1], arguments[2])
  end
  -- Removes the claims of a user; returns how many others claim the value.
  local function withdraw(key, value, user)
    local others = 0
    for _, claim in ipairs(claims_of(key, value)) do
      if string.sub(claim, -16) == user then
        redis.call('ZREM', key, claim)
      else
        others = others + 1
      end
    end
    return others
  end
  -- key, value, what follows it in the index, the value's name among the conflicts
  function change.claim(arguments)
    local key, value, tail, name = unpack(arguments)
    if withdraw(key, value, string.sub(tail, -16)) > 0 then
      redis.call('SADD', conflicts, name)
    end
    redis.call('ZADD', key, 0, value .. '\0' .. tail)
  end
  -- key, value, user, the value's name among the conflicts
  function change.unclaim(arguments)
    local key, value, user, name = unpack(arguments)
    if withdraw(key, value, user) < 2 then
      redis.call('SREM', conflicts, name)
    end
  end
  -- stream, string of where it begins, entries to keep, then pairs (offset, entry) in the order of the offsets
  function change.feed(arguments)
    local stream = arguments[1]
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    local last = newest and tonumber(string.match(newest[1], '^%d+')) or -1
    for i = 4, #arguments, 2 do
      if tonumber(arguments[i]) > last then
        redis.call('XADD', stream, arguments[i] .. '-1', 'e', arguments[i + 1])
      end
    end
    if redis.call('XTRIM', stream, 'MAXLEN', '~', arguments[3]) > 0 then
      local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
      redis.call('SET', arguments[2], string.match(oldest[1], '^%d+'))
    end
  end
  -- stream, string of the newest erasure, history of the user to be forgotten, offset of the erasing event
  function change.forget_feed(arguments)
    for _, entry in ipairs(redis.call('LRANGE', arguments[3], 0, -1)) do
      local offset = string.match(entry, '^%S+ (%d+)')
      if tonumber(offset) < tonumber(arguments[4]) then
        redis.call('XDEL', arguments[1], offset .. '-1')
      end
    end
    redis.call('SET', arguments[2], arguments[4])
  end
  local changes = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, changes do
    local name, count = ARGV[at], tonumber(ARGV[at + 1])
    local arguments = {unpack(ARGV, at + 2, at + 1 + count)}
    at = at + 2 + count
    if change[name] then
      change[name](arguments)
    else
      redis.call(name, unpack(arguments))
    end
  end
  return at
end
