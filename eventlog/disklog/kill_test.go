package disklog_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidings-sse/tidings/eventlog"
	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// These tests kill processes. Each process runs this binary, appends with many clients, and reports the answers. The next process, or the
// test, opens the log that it leaves. Clients of a killed process repeat the appends without an answer in the next process.
//
// TIDINGS_KILLS is the number of processes that each test kills; the default fits a quick run.

const (
	victimClients = 16
	killChain     = 250 // kills per log
)

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	kills(t, 30, plan{}, func(*killer) death { return crashed })
}

func TestKillWhileTrimming(t *testing.T) {
	t.Parallel()
	kills(t, 5, plan{Trims: true}, func(*killer) death { return crashed })
}

func TestKillBetweenSyncsIsAGap(t *testing.T) {
	t.Parallel()
	kills(t, 6, plan{}, func(k *killer) death { return []death{crashed, lossy}[k.rand.IntN(2)] })
}

// TestKillWhileOpeningAndClosing kills after file system operations; the other tests kill after answers.
func TestKillWhileOpeningAndClosing(t *testing.T) {
	t.Parallel()
	kills(t, 10, plan{Steps: 3}, func(k *killer) death { return []death{crashed, lossy}[k.rand.IntN(2)] })
}

// kills kills processes, total by default. next says how the next life ends.
func kills(t *testing.T, total int, p plan, next func(*killer) death) {
	if raced || testing.Short() {
		total = max(total/25, 3)
	}
	total = times("TIDINGS_KILLS", total)
	n, records, lost := 0, 0, 0
	for seed := repeatable(t); n < total; seed++ {
		p.Dir, p.Seed = t.TempDir(), seed
		k := newKiller(t, p)
		end := min(n+killChain, total)
		for ; n < end; n++ {
			k.kill(next(k), n == end-1)
		}
		records += len(k.history.places)
		lost += k.history.lost
	}
	t.Logf("%d kills; %d records were kept, and %d were lost with a gap", n, records, lost)
}

// killer starts processes and kills them.
type killer struct {
	t       *testing.T
	plan    plan
	rand    *rand.Rand
	history *history
	rules   eventlog.Retention

	unsure  []bool // per client: whether its first batch may have been stored in an earlier life
	checked uint64 // the head when the log was last checked
}

func newKiller(t *testing.T, p plan) *killer {
	rules, err := retention(0).WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return &killer{
		t: t, plan: p, rand: rand.New(rand.NewPCG(p.Seed, 5)), history: newHistory(p.script(), victimClients),
		rules: rules, unsure: make([]bool, victimClients),
	}
}

// kill runs a process and kills it. Mostly the test then checks the log; otherwise the next process finds it as it is.
func (k *killer) kill(how death, last bool) {
	k.t.Helper()
	k.live(how)
	if last || k.rand.IntN(20) == 0 {
		k.checked = 0
	}
	if last || how == lossy || k.rand.IntN(4) > 0 {
		k.check(how)
	}
}

// check opens the log and compares it with what the killed processes have reported.
func (k *killer) check(how death) {
	k.t.Helper()
	k.plan.Sync = disklog.Sync(k.rand.IntN(2))
	log, err := disklog.Open(k.plan.Dir, k.plan.options())
	if err != nil {
		k.t.Fatal(err)
	}
	c := &check{t: k.t, log: log, h: k.history, rand: k.rand, rules: &k.rules, now: time.Now(), after: k.checked}
	if k.plan.Trims {
		c.after = 0
	}
	c.resume(how)
	k.checked = k.history.used
	clear(k.unsure)
	if err := log.Close(); err != nil {
		k.t.Fatal(err)
	}
}

// live starts a process, reads its reports, and kills it meanwhile.
func (k *killer) live(how death) {
	k.t.Helper()
	k.history.settle()
	k.plan.Next = k.history.done
	k.plan.Sync = disklog.SyncAlways
	if how == lossy {
		k.plan.Sync = disklog.SyncInterval
	}
	text, err := json.Marshal(k.plan)
	if err != nil {
		k.t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		k.t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), victimPlan+"="+string(text))
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	err = k.listen(stdout, k.rand.IntN(1+k.rand.IntN(300)), func() { _ = cmd.Process.Kill() }) // it may have ended already
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed, so it returns an error
	if err != nil || stderr.Len() > 0 {
		k.t.Fatalf("%v\n%s", err, &stderr)
	}
	for client := range k.unsure {
		k.unsure[client] = true
	}
}

// listen reads the reports of a process to the end, and kills it after some lines.
func (k *killer) listen(r io.Reader, lines int, kill func()) error {
	var err error
	scanner := bufio.NewScanner(r)
	for ; scanner.Scan(); lines-- {
		if lines == 0 {
			kill()
		}
		if e := k.line(scanner.Text()); e != nil && err == nil {
			err = fmt.Errorf("%s: %w", scanner.Text(), e)
			kill()
		}
	}
	return err
}

// line handles one line of a report.
func (k *killer) line(text string) error {
	words := strings.Fields(text)
	switch words[0] {
	case "step":
		return nil
	case "open":
		return k.opened(words[1])
	case "stored", "refused":
	default:
		return fmt.Errorf("the process ended before it was killed")
	}
	var at [2]int
	for i := range at {
		at[i], _ = strconv.Atoi(words[1+i])
	}
	client, b := at[0], k.history.script.batch(at[0], at[1])
	if at[1] != k.history.done[client] {
		return fmt.Errorf("the next batch of the client is %d", k.history.done[client])
	}
	a, err := k.answer(words[0], words[3:])
	if err != nil {
		return err
	}
	unsure := k.unsure[client]
	k.unsure[client] = false
	return k.history.record(client, b, a, unsure)
}

// opened checks the head of a log that a process has opened.
func (k *killer) opened(text string) error {
	head, err := eventlog.ParsePosition(text)
	if k.history.gen == "" {
		k.history.gen = head.Gen
	}
	if err != nil || head.Gen != k.history.gen || head.Seq < k.history.used {
		return fmt.Errorf("the head was at %s-%d", k.history.gen, k.history.used)
	}
	return nil
}

// answer parses the answer that a client got.
func (k *killer) answer(kind string, words []string) (a answer, err error) {
	if kind == "refused" {
		index, err := strconv.Atoi(words[0])
		if err != nil {
			return a, err
		}
		p, err := eventlog.ParsePosition(words[2])
		if err != nil {
			return a, err
		}
		refused := &eventlog.RecordError{Index: index, Err: &eventlog.EndedError{End: p}}
		if words[1] == "reused" {
			refused.Err = &eventlog.KeyError{First: p}
		}
		a.err = refused
		return a, nil
	}
	for _, word := range words {
		var seq uint64
		var ms int64
		var duplicate bool
		if _, err := fmt.Sscanf(word, "%d,%d,%t", &seq, &ms, &duplicate); err != nil {
			return a, err
		}
		a.receipts = append(a.receipts, eventlog.Receipt{
			Position: eventlog.Position{Gen: k.history.gen, Seq: seq}, Time: time.UnixMilli(ms).UTC(), Duplicate: duplicate,
		})
	}
	return a, nil
}
