package sse

import "strings"

// owned makes the strings of an [Event] from a Decoder's views with one allocation at most.
type owned struct {
	id    string            // of the last event: most streams have none or change it with every event
	stale bool              // an id field was read since; only then are the IDs compared, because they may be long
	typ   string            // of the last event
	types map[string]string // interned types; a stream has few
}

const (
	maxTypes  = 32   // distinct types kept per Decoder
	maxType   = 64   // bytes; longer types are not interned
	maxShared = 1024 // bytes of data that an ID may keep alive because both share one allocation
)

// Event returns a copy of the current event. It allocates at most once if the stream has few types, and if events with
// a new ID have at most 1 KiB of data.
func (d *Decoder) Event() Event {
	e := Event{Type: d.owned.intern(d.typ)}
	switch {
	case !d.owned.stale || string(d.id) == d.owned.id:
		e.Data, e.ID = string(d.view), d.owned.id
	case len(d.id) == 0 || len(d.view) > maxShared:
		e.Data, e.ID = string(d.view), string(d.id)
	default:
		var both strings.Builder
		both.Grow(len(d.view) + len(d.id))
		both.Write(d.view)
		both.Write(d.id)
		e.Data, e.ID = both.String()[:len(d.view)], both.String()[len(d.view):]
	}
	d.owned.id, d.owned.stale = e.ID, false
	return e
}

func (o *owned) intern(typ []byte) string {
	switch {
	case len(typ) == 0:
		return DefaultType
	case string(typ) == o.typ:
	case len(typ) > maxType:
		return string(typ)
	default:
		s, ok := o.types[string(typ)]
		if !ok {
			s = string(typ)
			if o.types == nil {
				o.types = make(map[string]string)
			}
			if len(o.types) < maxTypes {
				o.types[s] = s
			}
		}
		o.typ = s
	}
	return o.typ
}
