-- Every script begins with this part. It checks the keys, and notices that another server or process answers.
local log, meta = KEYS[1], KEYS[2]

local state = {}
do
  local fields = redis.call('HGETALL', meta)
  for i = 1, #fields, 2 do
    state[fields[i]] = fields[i + 1]
  end
end
if not state.created then
  -- The keys are not a log of Tidings, or no log is there. create.lua can tell them apart.
  if redis.call('EXISTS', meta) == 1 or redis.call('EXISTS', log) == 1 then
    return { 'foreign' }
  end
  if not creating then
    return { 'missing' }
  end
elseif state.format ~= '1' then
  return { 'format', state.format or '' }
end

-- An integer below 2^53 as text. Lua's own conversion changes to 1e+15.
local function text(n)
  return string.format('%.0f', n)
end

-- The number of a message, from the identifier of its stream entry: "12-0" is 12. nil for an entry that Tidings did not write.
local function number(entry)
  return tonumber(string.match(entry, '^(%d+)-0$'))
end

-- run_id is new in every process. master_replid is new after a promotion, which leaves the old one in master_replid2. It is new, too, when
-- a first replica or a backup connects to a server, and when the last one has left for an hour; then master_replid2 is zero.
local info = redis.call('INFO', 'server', 'replication')
local run, replid = string.match(info, 'run_id:(%x+)'), string.match(info, 'master_replid:(%x+)')
local promoted = not string.find(info, 'master_replid2:0+%s')
if not run or not replid then
  return { 'unknown' }
end

-- A term is the time in which one process was the master, without a break. It is part of the order's identity.
local function begin()
  state.term, state.run, state.replid = text(tonumber(state.term or '0') + 1), run, replid
  redis.call('HSET', meta, 'term', state.term, 'run', run, 'replid', replid)
end

local last, identity
local function describe()
  last = tonumber(state.last)
  identity = state.created .. '-' .. state.term .. '-' .. string.sub(state.run, 1, 12)
end
if state.created then
  if state.run ~= run or (state.replid ~= replid and promoted) then
    begin()
  elseif state.replid ~= replid then
    redis.call('HSET', meta, 'replid', replid)
  end
  describe()
end
