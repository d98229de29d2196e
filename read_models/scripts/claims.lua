-- The claims of a unique value: members of an index, that which counts first. Behind the value stand a zero and 38 bytes,
-- the last 16 of which are the user's raw id.
local function claims_of(key, value)
  local found = {}
  for _, claim in ipairs(redis.call('ZRANGE', key, '[' .. value .. '\0', '(' .. value .. '\1', 'BYLEX')) do
    -- Else the claim of a longer value that goes on with a zero.
    if #claim == #value + 39 then
      found[#found + 1] = claim
    end
  end
  return found
end

-- The claim of the owner, or nil: the first, or for a reader who brings a token the last. More than one there is while
-- partitions are filled at different speeds, and a release is read after the next claim; then the last is the owner's.
local function owning_claim(key, value, seen)
  local found = claims_of(key, value)
  return found[seen and #found or 1]
end
