-- The user who owns a unique value, if anybody does: of several who claim it the earlier by broker timestamp, then by
-- event id.
local function owner_of(claims_key)
  local claims = redis.call('HGETALL', claims_key)
  local owner, owner_time, owner_event
  for i = 1, #claims, 2 do
    local time, event = string.match(claims[i + 1], '^(%d+) (%S+)$')
    time = tonumber(time)
    if not owner or time < owner_time or (time == owner_time and event < owner_event) then
      owner, owner_time, owner_event = claims[i], time, event
    end
  end
  return owner
end
