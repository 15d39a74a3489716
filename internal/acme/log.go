package acme

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// debugLogger returns a logger for certmagic, which writes to another one at level debug. Its errors are about single attempts, and
// [Manager.event] reports those.
func debugLogger(to *slog.Logger) *zap.Logger { return zap.New(debugCore{to: to}) }

// debugCore implements [zapcore.Core].
type debugCore struct {
	to     *slog.Logger
	fields []zapcore.Field
}

func (c debugCore) Enabled(zapcore.Level) bool {
	return c.to.Enabled(context.Background(), slog.LevelDebug)
}

func (c debugCore) With(fields []zapcore.Field) zapcore.Core {
	return debugCore{c.to, slices.Concat(c.fields, fields)}
}

func (c debugCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !c.Enabled(e.Level) {
		return checked
	}
	return checked.AddCore(e, c)
}

func (c debugCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(c.fields, fields) {
		f.AddTo(values)
	}
	attrs := make([]any, 0, 2*len(values.Fields))
	for _, key := range slices.Sorted(maps.Keys(values.Fields)) {
		attrs = append(attrs, key, values.Fields[key])
	}
	c.to.Debug("acme: "+e.Message, attrs...)
	return nil
}

func (debugCore) Sync() error { return nil }
