-- What users are filtered by, read from the arguments from `at` on: status letter, first instant of creation, the one that
-- is too late, first instant of the last change, number of words, the words; empty: whatever it is.
-- Returns the function that says whether a user's record meets it, and where the arguments go on.
local function condition(at)
  local status, words = ARGV[at], {}
  local created, until_created, updated = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local count = tonumber(ARGV[at + 4])
  for i = 1, count do
    words[i] = ' ' .. ARGV[at + 4 + i]
  end
  local behind = at + 5 + count
  if status == '' and not created and not until_created and not updated and count == 0 then
    return function(record)
      return record and string.find(record, '^%S+ %S+ %S+ [Aa] ')
    end, behind
  end
  local times = created or until_created or updated
  return function(record)
    local letter, first = string.match(record or '', '^%S+ %S+ %S+ [Aa] %S+ (%l)()')
    if not letter or (status ~= '' and letter ~= status) then
      return false
    end
    if times then
      local at_creation, age = string.match(record, '^(%d+) (%-?%d+)', first)
      at_creation = tonumber(at_creation)
      if (created and at_creation < created) or (until_created and at_creation >= until_created)
        or (updated and at_creation + tonumber(age) < updated) then
        return false
      end
    end
    if count > 0 then
      local _, before_words = string.find(record, '^%d+ %-?%d+', first)
      local document = string.find(record, '\n', 1, true)
      for i = 1, count do
        local at_word = string.find(record, words[i], before_words + 1, true)
        if not at_word or at_word > document then
          return false
        end
      end
    end
    return true
  end, behind
end
