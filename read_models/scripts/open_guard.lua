-- Begin a new epoch on this server: nothing can be reserved until it is declared ready.
-- KEYS: guard
-- ARGV: epoch
local run, repl = server()
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1], 'run_id', run, 'replid', repl, 'ready', '0')
return {'opened'}
