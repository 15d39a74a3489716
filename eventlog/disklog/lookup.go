package disklog

import (
	"bytes"
	"context"
	"errors"

	"github.com/tidings-sse/tidings/eventlog"
)

// Lookup implements eventlog.Lookup.
func (l *Log) Lookup(ctx context.Context, id string) (eventlog.Position, bool, error) {
	s, err := l.use(ctx)
	if err != nil {
		return eventlog.Position{}, false, err
	}
	defer s.release()
	if err := l.begun(); err != nil {
		return eventlog.Position{}, false, err
	}
	v, err := s.view(l.Head().Seq)
	if err != nil {
		return eventlog.Position{}, false, err
	}
	prefix := appendName(nil, kindID, id)
	position, found := eventlog.Position{}, false
	if v.it.SeekLT(appendSeq(prefix[:len(prefix):len(prefix)], v.head+1)) && bytes.HasPrefix(v.it.Key(), prefix) {
		position, found = s.at(seqOf(v.it.Key())), true
	}
	return position, found, typed(errors.Join(v.it.Error(), v.close()))
}
