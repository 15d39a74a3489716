package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

type logCheckCmd struct{ logDir }

// Run reports all problems in the directory.
func (c *logCheckCmd) Run(ctx context.Context, io stdio) error {
	return c.inspect(func(i *disklog.Inspector) error {
		out := bufio.NewWriter(io.out)
		checked, err := i.Check(ctx, func(p disklog.Problem) { fmt.Fprintln(out, oneProblem(p)) })
		if err := errors.Join(err, out.Flush()); err != nil {
			return err
		}
		fmt.Fprintf(io.err, "%s records, %s index entries of %s topics, %s keys, %s publisher's IDs: ",
			grouped(checked.Records), grouped(checked.Entries), grouped(checked.Topics), grouped(checked.Keys), grouped(checked.IDs))
		if checked.Problems == 0 {
			fmt.Fprintln(io.err, "no problem")
			return nil
		}
		what := "problems"
		if checked.Problems == 1 {
			what = "problem"
		}
		fmt.Fprintf(io.err, "%s %s\n%s\n", grouped(checked.Problems), what, c.remedy())
		return &exitError{exitFailure, nil}
	})
}

// oneProblem describes a problem in one line. What to do about all of them is said once, below them.
func oneProblem(p disklog.Problem) string {
	p.Why = strings.ReplaceAll(p.Why, "\n<corruption detail carrier>", "") // Pebble joins it to some errors, for programs
	p.Why = strings.TrimSuffix(p.Why, "; restore the directory from a copy")
	return p.String()
}
