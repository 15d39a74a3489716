package driver

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
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

// ResetOrder makes the order again from the log of hub 1, as an administrator decides who sees that it is gone.
func (t *Tidings) ResetOrder(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, t.Binary, "cluster", "reset", "--yes", "--hub", t.url(1, "", nil)).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("reset the cluster: %w: %s", err, out)
	}
	return err
}
