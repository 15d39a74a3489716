-- Makes an empty log, unless it exists. ARGV: a random text that identifies the log, the number of its first message.
if not state.created then
  state.last = text(tonumber(ARGV[2]) - 1)
  state.created = ARGV[1]
  redis.call('DEL', KEYS[3], KEYS[4])
  redis.call('HSET', meta, 'format', '1', 'created', state.created, 'last', state.last, 'id', '', 'bytes', '0', 'cut', '0',
    'ids', '0', 'since', '0')
  begin()
  describe()
end
return { 'ok', identity }
