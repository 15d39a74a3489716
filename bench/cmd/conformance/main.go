// Command conformance runs the conformance cases against the clients of the field and writes docs/conformance.md:
//
//	cd bench && go run ./cmd/conformance
//
// It takes eight minutes, and needs the npm packages of folder e2e, Chromium, and Debian's node-eventsource and php-symfony-http-client. With names of clients as arguments it only prints their results.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/tidings-sse/tidings/internal/conform"
)

// contestant is a client and the command of its driver. Every case of a client in pages opens a page, so few run at the same time.
type contestant struct {
	name     string
	dir      string
	command  []string
	parallel int
}

func contestants() (all []contestant) {
	for _, name := range []string{"tidings", "tidings-zero", "tmaxmax", "launchdarkly", "donovanhide", "r3labs"} {
		all = append(all, contestant{name, ".", []string{"go", "run", "./cmd/driver", name}, 100})
	}
	for _, name := range []string{"eventsource", "eventsource-parser", "undici", "node-eventsource"} {
		all = append(all, contestant{name, "../e2e", []string{"node", "driver.js", name}, 100})
	}
	all = append(all, contestant{"symfony", "../e2e", []string{"php", "driver.php"}, 20})
	for _, name := range []string{"Chromium", "event-source-polyfill", "reconnecting-eventsource", "sse.js", "@microsoft/fetch-event-source"} {
		all = append(all, contestant{name, "../e2e", []string{"node", "driver.js", name}, 20})
	}
	return all
}

const page, begin, end = "../docs/conformance.md", "<!-- results: make conformance -->\n", "<!-- end of results -->\n"

func main() {
	var table strings.Builder
	table.WriteString("| client | whole streams | byte by byte | lifecycle | resuming |\n|---|---|---|---|---|\n")
	var details strings.Builder
	for _, c := range contestants() {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], c.name) {
			continue
		}
		client, results, err := c.run(context.Background())
		if err != nil {
			log.Fatalf("%s: %v", c.name, err)
		}
		name := strings.TrimSpace("`" + client.Name + "` " + client.Version)
		if len(os.Args) > 1 {
			if err := conform.Print(os.Stdout, name, results); err != nil {
				log.Fatal(err)
			}
			continue
		}
		log.Printf("%s: %v", name, conform.Scores(results))
		table.WriteString("| " + name)
		for _, suite := range conform.Suites {
			table.WriteString(" | " + cell(conform.Scores(results)[suite]))
		}
		table.WriteString(" |\n")
		detail(&details, name, results)
	}
	if len(os.Args) > 1 {
		return
	}
	if err := write(table.String() + "\n" + details.String()); err != nil {
		log.Fatal(err)
	}
}

func (c contestant) run(ctx context.Context) (conform.Client, []conform.Result, error) {
	var complaints bytes.Buffer
	url, stop, err := conform.Start(ctx, c.dir, c.command, &complaints)
	if err != nil {
		return conform.Client{}, nil, fmt.Errorf("%w\n%s", err, complaints.String())
	}
	defer stop()
	return conform.RunClient(ctx, url, conform.Options{Parallel: c.parallel})
}

func cell(s conform.Score) string {
	if s.Run == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d", s.Passed, s.Run)
}

// detail writes the sentences that a client breaks, each with the number of its cases and one of them.
func detail(w *strings.Builder, name string, results []conform.Result) {
	broken := conform.BrokenSentences(results)
	if len(broken) == 0 {
		return
	}
	fmt.Fprintf(w, "### %s\n\n", name)
	for _, b := range broken {
		cases := map[string]bool{}
		for _, r := range b.Cases {
			cases[r.Case] = true
		}
		first := b.Cases[0]
		count := fmt.Sprintf("%d cases, such as", len(cases))
		if len(cases) == 1 {
			count = "1 case,"
		}
		fmt.Fprintf(w, "- **%s** “%s” %s `%s`: %s\n", b.Section, b.Sentence, count, first.Case, first.Says)
	}
	fmt.Fprintln(w)
}

func write(results string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for results", page)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+results+end+after), 0o644)
}
