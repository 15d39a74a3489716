// Command chaos starts hubs, publishes and subscribes, makes faults, and checks afterwards that the hubs kept their promises.
//
//	go run . -for 1m                        one hub of Tidings, killed again and again
//	go run . -driver centrifugo -for 1m     another hub
//	go run . -check history.jsonl           only check
//
// It ends with code 1 if a promise was broken, and with code 2 if it could not run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tidings-sse/tidings/chaos/check"
	"github.com/tidings-sse/tidings/chaos/driver"
	"github.com/tidings-sse/tidings/chaos/fault"
	"github.com/tidings-sse/tidings/chaos/run"
	"github.com/tidings-sse/tidings/chaos/scenario"
	"github.com/tidings-sse/tidings/chaos/world"
)

// settings are the command line.
type settings struct {
	run.Options
	driver, binary, dir, network, groups, check, history, report string
	scenario                                                     string
	story                                                        scenario.Scenario // of that name
	hubs, runs                                                   int
	clocks, disks                                                bool
}

func flags() *settings {
	s := &settings{}
	flag.StringVar(&s.driver, "driver", "tidings", "which hubs to start")
	flag.StringVar(&s.binary, "binary", "", "the program of the hubs; that of Tidings is built if none is given")
	flag.IntVar(&s.hubs, "hubs", 1, "how many hubs to start")
	flag.StringVar(&s.dir, "dir", "", "where nodes store their data and logs; an empty folder; by default a temporary one, which is removed if no promise was broken")
	flag.StringVar(&s.network, "net", "auto", "what can be cut: none; proxy, the hubs from each other; netns, everything, as root; auto, as much as possible")
	flag.StringVar(&s.groups, "faults", strings.Join(fault.Groups(), ","), "which groups of faults to make, of those that are possible")
	flag.BoolVar(&s.clocks, "clocks", false, "set the clocks of hubs apart; builds the program, or takes one that was built so")
	flag.BoolVar(&s.disks, "disks", true, "with -net netns: give each hub a disk that can be full, and lose what was not synced")
	flag.StringVar(&s.history, "history", "", "where the history goes; by default history.jsonl in the folder of -dir")
	flag.StringVar(&s.report, "report", "", "where the report goes, as NAME.md and NAME.json, beside standard output")
	flag.StringVar(&s.scenario, "scenario", "", "play this scenario instead of random faults")
	flag.StringVar(&s.check, "check", "", "check this history, and run nothing")
	flag.IntVar(&s.runs, "runs", 1, "how many runs to make at the same time, with seeds that follow each other, and one report")
	flag.Uint64Var(&s.Seed, "seed", rand.Uint64N(1e9), "repeats the choice of faults")
	flag.DurationVar(&s.For, "for", time.Minute, "how long to make faults")
	flag.DurationVar(&s.Rest, "rest", 4*time.Second, "the longest time between two faults")
	flag.DurationVar(&s.Quiet, "quiet", 6*time.Second, "how long nothing is delivered in the end before the run counts as complete")
	flag.Float64Var(&s.Losses, "losses", 0.25, "the last part of the time, in which faults are made that may lose something")
	flag.IntVar(&s.Load.Publishers, "publishers", 20, "how many publishers there are")
	flag.Float64Var(&s.Load.Rate, "rate", 10, "events per second of each publisher")
	flag.IntVar(&s.Load.Batch, "batch", 10, "events per request of half of the publishers")
	flag.IntVar(&s.Load.Subscribers, "subscribers", 30, "how many subscribers there are")
	flag.DurationVar(&s.Load.Stay, "stay", 20*time.Second, "the longest time before a subscriber leaves for another hub")
	flag.Float64Var(&s.Load.Twice, "twice", 0.05, "the part of the requests that go to two hubs at once")
	flag.IntVar(&s.Load.Duels, "duels", 2, "how many topics at a time are contested by several publishers")
	flag.Parse()
	return s
}

func main() {
	s := flags()
	if s.network == "auto" {
		s.network = "proxy"
		if os.Getuid() == 0 {
			s.network = "netns"
		}
	}
	if s.network == "netns" && s.check == "" && s.runs == 1 {
		if ran, code, err := world.Inside(); ran || err != nil {
			exit(code, err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(s.main(ctx))
}

func exit(code int, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		code = 2
	}
	os.Exit(code)
}

func (s *settings) main(ctx context.Context) (code int, err error) {
	if s.scenario != "" {
		if s.story, err = scenario.Named(s.scenario); err != nil {
			return 2, err
		}
	}
	if s.check != "" {
		s.history = s.check
		return s.judge()
	}
	if s.runs > 1 {
		return s.several(ctx)
	}
	s.Why, s.Status = strings.Join(os.Args[1:], " "), os.Stderr
	remove := s.dir == ""
	if s.dir, err = s.folder(); err != nil {
		return 2, err
	}
	if s.history == "" {
		s.history = filepath.Join(s.dir, "history.jsonl")
	}
	fmt.Fprintf(os.Stderr, "seed %d, data in %s\n", s.Seed, s.dir)
	if err := s.run(ctx); err != nil {
		return 2, err
	}
	code, err = s.judge()
	if remove && code == 0 && err == nil {
		err = os.RemoveAll(s.dir)
	}
	return code, err
}

func (s *settings) folder() (string, error) {
	if s.dir == "" {
		return os.MkdirTemp("", "chaos")
	}
	dir, err := filepath.Abs(s.dir)
	if err = errors.Join(err, os.MkdirAll(dir, 0o755)); err != nil {
		return "", err
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		return "", errors.Join(err, fmt.Errorf("-dir %q is not empty: the events of an earlier run would count as violations", s.dir))
	}
	return dir, nil
}

// run makes the world and runs in it.
func (s *settings) run(ctx context.Context) error {
	w, err := s.world()
	if err != nil {
		return err
	}
	if err := s.choose(w); err != nil {
		return err
	}
	out, err := os.Create(s.history)
	if err != nil {
		return err
	}
	err = errors.Join(run.Run(ctx, w, s.Options, out), out.Close())
	if w.Disks != nil && err == nil { // otherwise they may show what is wrong
		err = w.Disks.Close()
	}
	return err
}

// choose chooses the scenario, or the faults.
func (s *settings) choose(w *world.World) error {
	story := s.story
	if story.Name == "" {
		s.Faults = fault.Choose(w, strings.Split(s.groups, ","))
		fmt.Fprintf(os.Stderr, "faults: %s\n", run.Names(s.Faults))
		return nil
	}
	if story.Can != nil && !story.Can(w) {
		return fmt.Errorf("scenario %s cannot be played here: it may need -hubs 3, -net netns, -clocks, or another -driver", story.Name)
	}
	if story.Load != nil {
		story.Load(&s.Load)
	}
	s.Script = story.Script
	return nil
}

func (s *settings) world() (*world.World, error) {
	c := driver.Config{Hubs: s.hubs, Binary: s.binary, Dir: s.dir, Host: func(int) string { return "127.0.0.1" }}
	if s.story.Config != nil {
		s.story.Config(&c)
	}
	var clock *world.Clock
	if err := s.build(&c, &clock); err != nil {
		return nil, err
	}
	var place func(int, *exec.Cmd) error
	var network world.Net
	switch s.network {
	case "none":
	case "proxy":
		n := world.NewProxy(s.hubs)
		c.Link, network = n.Link, n
	case "netns":
		n, err := world.NewNamespaces(s.hubs, beside)
		if err != nil {
			return nil, err
		}
		c.Host, c.Port, c.Link, place, network = n.Host, 3000, n.Link, n.Place, n
	default:
		return nil, fmt.Errorf("-net is %q; it must be none, proxy or netns", s.network)
	}
	d, err := driver.New(s.driver, c)
	if err != nil {
		return nil, err
	}
	w := world.New(d, s.dir, place)
	w.Net, w.Clock = network, clock
	if s.disks && s.network == "netns" {
		disks, err := world.NewLoops(s.dir, s.hubs, diskSize)
		if err != nil {
			return nil, err
		}
		w.Disks = disks
	}
	return w, nil
}

// diskSize is that of the disk of a hub, in MiB.
const diskSize = 2048

// beside is how many nodes a driver may have beside its hubs.
const beside = 3

// build builds Tidings from this repository, unless the program is given.
func (s *settings) build(c *driver.Config, clock **world.Clock) (err error) {
	if c.Binary != "" && s.clocks {
		*clock = world.NewClock(s.dir)
	}
	if c.Binary != "" || !strings.HasPrefix(s.driver, "tidings") {
		return nil
	}
	c.Binary = filepath.Join(s.dir, "tidings")
	module := ".."
	if s.clocks {
		*clock, err = world.BuildWithClock(module, "./cmd/tidings", s.dir, c.Binary)
		return err
	}
	build := exec.Command("go", "build", "-o", c.Binary, "./cmd/tidings")
	build.Dir, build.Stdout, build.Stderr = module, os.Stderr, os.Stderr
	return build.Run()
}

// judge checks the history and reports.
func (s *settings) judge() (code int, err error) {
	open := func() (io.ReadCloser, error) { return os.Open(s.history) }
	result, err := check.Check(open)
	if err != nil {
		return 2, err
	}
	if s.story.Expect != nil {
		for _, what := range s.story.Expect(&scenario.Outcome{Result: result, Open: open}) {
			result.Violations = append(result.Violations, check.Violation{Rule: s.story.Name, What: what})
		}
	}
	if err := check.Markdown(os.Stdout, result); err != nil {
		return 2, err
	}
	if len(result.Violations) > 0 {
		code = 1
		fmt.Printf("\nThe history is in %s.\n", s.history)
	}
	if s.report == "" {
		return code, nil
	}
	return code, check.Save(s.report, result)
}
