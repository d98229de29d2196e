-- Release the reservation of an event that was never sent, and wake who waits for it.
-- KEYS: reservations of the partition
-- ARGV: reservation prefix, event id, wake prefix
local settle = settlement({ARGV[2]}, ARGV[1], KEYS[1])
settle(ARGV[3])
return {'released'}
