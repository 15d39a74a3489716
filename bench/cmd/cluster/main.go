// Command cluster measures three hubs that share one log, as three processes on one machine, beside bare JetStream with three replicas in the
// same run. It prints a table in Markdown.
//
//	cd bench && go run ./cmd/cluster
//
// All of it runs on one machine and one disk, so that only ratios mean something.
//
//	hubs.go       the processes
//	bare.go       the yardstick: JetStream without hubs, also as three processes
//	client.go     a publisher
//	publish.go    acknowledged records a second, single and in batches, beside JetStream
//	latency.go    from a publisher at one hub to a subscriber at another
//	failures.go   a hub is killed; subscribers move; all hubs are restarted in turn
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) == 3 && os.Args[1] == bareArgument {
		if err := serveBare(os.Args[2]); err != nil {
			log.Fatal(err)
		}
		return
	}
	program := flag.String("tidings", "", "path of the program tidings; by default it is built from this repository")
	seconds := flag.Duration("time", 5*time.Second, "duration of each measurement of throughput and latency")
	kills := flag.Int("kills", 5, "how often a hub that leads the shared log is killed")
	moved := flag.Int("subscribers", 5000, "subscribers of the hub that is killed")
	only := flag.String("only", "", "run only the measurements whose names contain this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *program, *only, &settings{time: *seconds, kills: *kills, moved: *moved}); err != nil {
		log.Fatal(err)
	}
}

type settings struct {
	time         time.Duration
	kills, moved int
}

// measurement is a line of the table, or some.
type measurement struct {
	name string
	run  func(ctx context.Context, c *cluster, s *settings) error
}

var measurements = []measurement{
	{"publish", measurePublish},
	{"latency", measureLatency},
	{"memory", measureMemory},
	{"move", measureMove},
	{"leader", measureLeader},
	{"rolling", measureRolling},
}

func run(ctx context.Context, program, only string, s *settings) error {
	dir, err := os.MkdirTemp("", "tidings-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if program == "" {
		program = filepath.Join(dir, "tidings")
		if err := build(ctx, program); err != nil {
			return fmt.Errorf("building tidings: %w", err)
		}
	}
	fmt.Println("| what | measured | yardstick | ratio |\n|---|---|---|---|")
	for _, m := range measurements {
		if !strings.Contains(m.name, only) {
			continue
		}
		c, err := startCluster(ctx, program, filepath.Join(dir, m.name))
		if err != nil {
			return err
		}
		err = m.run(ctx, c, s)
		c.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// row prints a line of the table.
func row(what, measured, yardstick, ratio string) {
	fmt.Printf("| %s | %s | %s | %s |\n", what, measured, yardstick, ratio)
}

// build builds the program from the module that this one replaces.
func build(ctx context.Context, program string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/tidings-sse/tidings").Output()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-C", strings.TrimSpace(string(root)), "-o", program, "./cmd/tidings")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}
