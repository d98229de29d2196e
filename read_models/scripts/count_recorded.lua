-- How many entries of a user's history the broker had stamped by a time, and how many there are.
-- KEYS: see above; the script reads the user's history
-- ARGV: 1 live pointer, 2 the time in ms, then the positions
local found, refused = positions(3)
if refused then
  return refused
end
local length = redis.call('LLEN', KEYS[2])
-- The entries stand in the order of their timestamps: they are of one partition.
local time, first, stop = tonumber(ARGV[2]), 0, length
while first < stop do
  local middle = math.floor((first + stop) / 2)
  if tonumber(string.match(redis.call('LINDEX', KEYS[2], middle), '^%S+ %d+ (%d+)')) <= time then
    first = middle + 1
  else
    stop = middle
  end
end
return {'counted', found, first, length}
