package disklog

// SetMemTable sets the size of Pebble's memtable in bytes. With a small one tables are written early.
func (o *Options) SetMemTable(bytes int) { o.memTable = uint64(bytes) }

// LookAtSpace checks the free space of the disk now.
func (l *Log) LookAtSpace() error { return l.space.check(l) }
