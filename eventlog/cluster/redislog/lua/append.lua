-- Appends a message. ARGV: its identifier, its data, the identity of the order that it is for or '', the bytes to keep, '1' if WAIT follows.
local id, data, to, keep = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

if redis.call('SISMEMBER', KEYS[3], id) == 1 or redis.call('SISMEMBER', KEYS[4], id) == 1 then
  if ARGV[5] == '1' then
    -- WAIT waits for the replication of what this connection has written. So a repeated message writes, too.
    redis.call('HSET', meta, 'repeated', id)
  end
  return { 'ok', identity }
end

-- Another master may have lost messages. The sender has to find out first, or its message would take the number of one of them. And another log
-- does not know the identifiers of the one before.
if to ~= '' and to ~= identity then
  return { 'replaced', identity }
end

local now = redis.call('TIME')
local ms = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)

-- XADD is the first command that writes. It refuses a number that is not above all earlier ones, so no number is given twice in one history.
local n, bytes = last + 1, tonumber(state.bytes) + #data + 150
redis.call('XADD', log, text(n) .. '-0', 'p', state.id, 'i', id, 't', text(ms), 'b', text(bytes), 'd', data)

-- Two sets hold the identifiers of the last minutes. The older one is emptied when the newer one is two minutes old. A clock that goes
-- back, as at a failover, makes that later.
local ids, since = tonumber(state.ids), tonumber(state.since)
if ms - since >= 120000 then
  ids, since = 1 - ids, ms
  redis.call('UNLINK', KEYS[3 + ids])
elseif ms < since then
  since = ms
end
redis.call('SADD', KEYS[3 + ids], id)

redis.call('HSET', meta, 'last', text(n), 'id', id, 'bytes', text(bytes), 'ids', text(ids), 'since', text(since))

-- Each entry has the sum of bytes up to itself. So a search by halves finds where the bytes to keep begin, and one XTRIM in a while is
-- enough. It removes whole nodes of the stream only, which leaves up to a hundred small entries more.
if bytes - tonumber(state.cut) > keep + keep / 16 then
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  local low, high = number(first[1]) or 0, n -- the cut is above low, and at or below high
  while high - low > 1 do
    local middle = math.floor((low + high) / 2)
    local entry = redis.call('XRANGE', log, text(middle) .. '-0', '+', 'COUNT', 1)[1]
    if (tonumber(entry[2][8]) or 0) < bytes - keep then
      low = middle
    else
      high = middle
    end
  end
  redis.call('XTRIM', log, 'MINID', '~', text(high) .. '-0')
  redis.call('HSET', meta, 'cut', text(bytes - keep))
end
return { 'ok', identity }
