package natsnode

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// await returns when the server is current and knows the leader of the cluster. Until then it says which peers do not answer, and why.
func (n *Node) await(ctx context.Context) error {
	pause := diagnose
	report := time.NewTimer(pause)
	defer report.Stop()
	check := time.NewTicker(checkTime)
	defer check.Stop()
	for {
		select {
		case <-n.broken:
			return n.failure()
		case <-ctx.Done():
			_, faults := n.missing(context.WithoutCancel(ctx))
			return fmt.Errorf("this hub is no member of the cluster yet: %w%s", ctx.Err(), faults)
		case <-report.C:
			answers := n.probeAll(ctx)
			if err := n.checkTwin(answers); err != nil {
				return err
			}
			missing, faults := n.unreached(answers)
			reason := n.waitsFor(ctx, answers, missing)
			n.o.Logger.Warn(reason + faults)
			if n.o.Waiting != nil {
				n.o.Waiting(reason + n.otherKeys(answers))
			}
			pause = min(2*pause, diagnoseMax)
			report.Reset(pause)
		case <-check.C:
			if n.server.ReadyForConnections(checkTime) && n.server.JetStreamEnabled() && n.server.JetStreamIsCurrent() && n.led() {
				return n.checkTwin(n.probeAll(ctx))
			}
		}
	}
}

// waitsFor says what this node waits for, which has no leader. missing are those of all peers that do not answer.
func (n *Node) waitsFor(ctx context.Context, answers []answer, missing []string) string {
	runs := n.running(answers)
	if g := n.counting(ctx); g != nil {
		return g.voters(runs, n.knownNames()).waitingFor(missing)
	}
	return waitingForAll(missing, len(n.peers))
}

// waitingForAll says what a node waits for at the first start of its cluster: servers without any entries elect a leader only if all of them vote.
func waitingForAll(missing []string, all int) string {
	if len(missing) == 0 {
		return waitingFor(nil, all)
	}
	which := fmt.Sprintf("all %d hubs", all)
	if all == 2 {
		which = "both hubs"
	}
	return "waiting for " + strings.Join(missing, ", ") + ": the first start of a cluster needs " + which
}

// led reports whether the cluster has a leader, as far as this node knows. JetStream calls a node that restarts current until it has heard of one.
func (n *Node) led() bool {
	if len(n.peers) == 1 {
		return true
	}
	info, err := n.server.Jsz(nil)
	return err == nil && info.Meta != nil && info.Meta.Leader != ""
}
