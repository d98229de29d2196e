#!lua
-- Every script begins with this. A script with this first line and no flags counts as one that writes, so a primary
-- that lacks its replicas (min-replicas-to-write) refuses it, even where it only reads.

-- The server's identity: a restart changes the first, a fail-over the second.
local function server()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'),
    string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- The guard's epoch, if it is ready and was opened on this very server.
local function ready_epoch(guard)
  local epoch, run_id, replid, ready = unpack(redis.call('HMGET', guard, 'epoch', 'run_id', 'replid', 'ready'))
  if ready ~= '1' then
    return nil
  end
  local run, repl = server()
  if run_id ~= run or replid ~= repl then
    return nil
  end
  return epoch
end

-- Nil if the pointer names this generation of this log and it is complete; otherwise the refusal to return.
local function refusal(live, identity)
  local pointer = redis.call('GET', live)
  if not pointer then
    return {'not_ready'}
  end
  if string.match(pointer, '^(%d+ %S+) ') ~= identity then
    return {'other_generation'}
  end
  if string.sub(pointer, -1) ~= '1' then
    return {'not_ready'}
  end
  return nil
end

-- Position, watermark and epoch of a partition.
local function progress(key)
  local value = redis.call('GET', key)
  if not value then
    return nil
  end
  return string.match(value, '^(%d+) (%-?%d+) (%S+)$')
end

local function version_of(record)
  return record and tonumber(string.match(record, '^(%d+)')) or 0
end

local RESERVATION = {'partition', 'deadline', 'user', 'sequence', 'epoch', 'hash', 'event'}

-- The fields of the reservation that holds a key, if its event can still be accepted.
local function unsettled_holder(key, reservation_prefix, partition_prefix, but)
  local event = redis.call('GET', key)
  if not event or event == but then
    return nil
  end
  local fields = redis.call('HMGET', reservation_prefix .. event, unpack(RESERVATION))
  if not fields[1] then
    return nil
  end
  local _, watermark = progress(partition_prefix .. fields[1])
  if watermark and tonumber(watermark) > tonumber(fields[2]) then
    return nil
  end
  return fields
end
