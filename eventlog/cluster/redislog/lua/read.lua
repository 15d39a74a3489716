-- Returns messages and the bounds of the log. ARGV: the number of the first message, how many messages and how many bytes at most, one
-- message at least, and '1' if WAIT follows. Returns 'ok', the identity, the last number, the identifier of the message before the first one or '', and the entries:
-- name, identifier of the message before, identifier, time, data. Entries begin later if messages are missing. From number 0 on they have no
-- data, which is for finding the oldest one.
local from, count, budget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local before = ''
if from > 1 then
  local entry = redis.call('XRANGE', log, text(from - 1) .. '-0', text(from - 1) .. '-0')[1]
  before = entry and entry[2][4] or ''
end
local entries, start = {}, text(from) .. '-0'
while #entries < count and budget > 0 do
  local entry = redis.call('XRANGE', log, start, '+', 'COUNT', 1)[1]
  if not entry then
    break
  end
  local field = entry[2]
  entries[#entries + 1] = { entry[1], field[2] or '', field[4] or '', field[6] or '', from > 0 and field[10] or '' }
  budget = budget - #(field[10] or '')
  start = '(' .. entry[1]
end
if ARGV[4] == '1' and #entries > 0 then
  -- WAIT waits for the replication of what this connection has written, and of all that was written before.
  redis.call('HSET', meta, 'waited', entries[#entries][1])
end
return { 'ok', identity, last, before, entries }
