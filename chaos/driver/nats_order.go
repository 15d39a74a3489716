package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// CanDeleteOrder reports whether DeleteOrder can work.
func (t *Tidings) CanDeleteOrder() bool { return t.broker != "" }

// DeleteOrder deletes the stream of the hubs, as an administrator of NATS does by mistake.
func (t *Tidings) DeleteOrder(ctx context.Context) error {
	if !t.CanDeleteOrder() {
		return errors.ErrUnsupported
	}
	nc, err := nats.Connect(t.broker)
	if err != nil {
		return err
	}
	defer nc.Close()
	answer, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.DELETE.tidings", nil)
	if err == nil && !strings.Contains(string(answer.Data), `"success":true`) {
		err = fmt.Errorf("the stream was not deleted: %s", answer.Data)
	}
	return err
}
