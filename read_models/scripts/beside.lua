-- The generation beside the live one, `<generation> <log id> <stage>`: while it follows, and while it is kept, each batch
-- is applied to both in one step.
local function followed(beside)
  local pointer = redis.call('GET', beside)
  local stage = pointer and string.match(pointer, '%S+$')
  return (stage == 'following' or stage == 'kept') and pointer or ''
end
