package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/history"
)

// Markdown writes a result for people.
func Markdown(to io.Writer, r *Result) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "# chaos %s\n\nSeed %d", r.Run.Why, r.Run.Seed)
	if r.Runs > 1 {
		fmt.Fprintf(w, ", and the next %d in other runs", r.Runs-1)
	}
	fmt.Fprint(w, ".\n\n")
	row := func(name string, value any) { fmt.Fprintf(w, "| %s | %v |\n", name, value) }
	fmt.Fprint(w, "| | |\n|---|---|\n")
	row("deliveries", r.Deliveries)
	row("streams", r.Streams)
	row("events sent / stored", fmt.Sprintf("%d / %d", r.Events, r.Stored))
	for _, o := range []history.Outcome{history.OK, history.Duplicate, history.Refused, history.Busy, history.Unknown} {
		row("publish requests: "+string(o), r.Requests[o])
	}
	row("gaps told", r.Gaps)
	row("acknowledged events lost, and reported as a gap", r.Lost)
	row("acknowledged events that a damaged hub can no longer read", r.Unread)
	row("generations", fmt.Sprintf("%d: %.60s", len(r.Gens), strings.Join(r.Gens, ", ")))
	row("contested topics, operations, undecided", fmt.Sprintf("%d, %d, %d", r.Linear.Topics, r.Linear.Operations, r.Linear.Undecided))
	row("nodes that ended by themselves", r.Fell)
	count := 0
	for _, f := range r.Faults {
		count += len(f.Publish)
	}
	row("faults", count)
	row("violations", violations(r))
	fmt.Fprint(w, "\n| fault | times | longest without an acknowledgement: median | worst | longest without a delivery: median | worst |\n|---|---|---|---|---|---|\n")
	for _, f := range r.Faults {
		fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s |\n", f.Name, len(f.Publish),
			seconds(f.Publish.Median()), seconds(f.Publish.Worst()), seconds(f.Delivery.Median()), seconds(f.Delivery.Worst()))
	}
	if len(r.Violations) > 0 {
		fmt.Fprint(w, "\n| rule | violation | lines of the history |\n|---|---|---|\n")
	}
	for _, v := range r.Violations {
		fmt.Fprintf(w, "| %s | %s | %v |\n", v.Rule, v.What, v.Lines)
	}
	return w.Flush()
}

func violations(r *Result) string {
	if len(r.Broken) == 0 {
		return "none"
	}
	var parts []string
	for rule, n := range r.Broken {
		parts = append(parts, fmt.Sprintf("%s: %d", rule, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// Save writes a result to NAME.md and NAME.json.
func Save(name string, r *Result) error {
	md, err := os.Create(name + ".md")
	if err != nil {
		return err
	}
	err = errors.Join(Markdown(md, r), md.Close())
	text, jerr := json.MarshalIndent(r, "", "  ")
	return errors.Join(err, jerr, os.WriteFile(name+".json", append(text, '\n'), 0o644))
}

// Load reads a result that Save has written.
func Load(name string) (*Result, error) {
	text, err := os.ReadFile(name + ".json")
	if err != nil {
		return nil, err
	}
	r := &Result{}
	return r, json.Unmarshal(text, r)
}

// Merge returns the results of several runs as one. Violations name the lines of the history of their run.
func Merge(results []*Result) *Result {
	sum := *results[0]
	sum.Runs, sum.Requests, sum.Broken = 0, map[history.Outcome]int{}, map[string]int{}
	sum.Deliveries, sum.Streams, sum.Events, sum.Stored, sum.Lost, sum.Unread, sum.Gaps, sum.Fell = 0, 0, 0, 0, 0, 0, 0, 0
	sum.Gens, sum.Violations, sum.Linear = nil, nil, Linear{}
	faults := map[string]*FaultTimes{}
	for _, r := range results {
		sum.Runs += max(r.Runs, 1)
		for to, n := range map[*int]int{
			&sum.Deliveries: r.Deliveries, &sum.Streams: r.Streams, &sum.Events: r.Events, &sum.Stored: r.Stored, &sum.Lost: r.Lost, &sum.Unread: r.Unread,
			&sum.Gaps: r.Gaps, &sum.Fell: r.Fell, &sum.Linear.Topics: r.Linear.Topics, &sum.Linear.Operations: r.Linear.Operations,
			&sum.Linear.Undecided: r.Linear.Undecided,
		} {
			*to += n
		}
		for outcome, n := range r.Requests {
			sum.Requests[outcome] += n
		}
		for rule, n := range r.Broken {
			sum.Broken[rule] += n
		}
		for _, v := range r.Violations {
			v.What = fmt.Sprintf("seed %d: %s", r.Run.Seed, v.What)
			sum.Violations = append(sum.Violations, v)
		}
		for _, f := range r.Faults {
			merge(faults, f)
		}
		sum.Gens = append(sum.Gens, r.Gens...)
	}
	sum.Faults = sorted(faults)
	return &sum
}
