-- Say whether the guard is ready, being opened by the caller, or has to be opened.
-- KEYS: guard
-- ARGV: the epoch that the caller is opening, or empty
local epoch, run_id, replid, ready = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'run_id', 'replid', 'ready'))
local run, repl = server()
if not epoch or run_id ~= run or replid ~= repl then
  return {'missing'}
end
if ready == '1' then
  return {'ready', epoch}
end
return {epoch == ARGV[1] and 'opening' or 'missing'}
