package disklog

import "github.com/cockroachdb/pebble/v2/vfs"

// SetFS lets a log live in another file system, such as one that loses power.
func (o *Options) SetFS(fs vfs.FS) { o.fs = fs }
