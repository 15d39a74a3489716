package disklog

// SetMemTable lets Pebble write tables of about so many bytes, so that a test gets to see some.
func (o *Options) SetMemTable(bytes int) { o.memTable = uint64(bytes) }

// LookAtSpace looks now how much space the disk has left.
func (l *Log) LookAtSpace() error { return l.space.check(l) }
