package conform

import (
	"context"
	"errors"
	"strings"
)

// carries publishes a text, which must arrive: in JSON as it is, and otherwise with LF as line ends.
func carries(text string) func(Server, context.Context) error {
	return func(s Server, ctx context.Context) error {
		f, err := s.follow(ctx, "")
		if err != nil {
			return err
		}
		defer f.close()
		want := text
		if s.Field == "" {
			want = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
		}
		return errors.Join(s.publish(ctx, text), f.expect(ctx, want))
	}
}
