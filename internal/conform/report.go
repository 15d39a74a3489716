package conform

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Suites are the suites of clients, in the order of a report.
var Suites = []string{Parser, Bytewise, Lifecycle, Resume}

// Score counts the cases of a suite.
type Score struct {
	Passed  int `json:"passed"`
	Run     int `json:"run"`
	LeftOut int `json:"leftOut"`
}

// Scores counts the cases of each suite.
func Scores(results []Result) map[string]Score {
	scores := map[string]Score{}
	for _, r := range results {
		s := scores[r.Suite]
		switch {
		case r.LeftOut != "":
			s.LeftOut++
		case r.Fault == nil:
			s.Passed++
			s.Run++
		default:
			s.Run++
		}
		scores[r.Suite] = s
	}
	return scores
}

// Broken is a sentence of the standard, and the cases that show that a program breaks it.
type Broken struct {
	Section  string   `json:"section"`
	Sentence string   `json:"sentence"`
	Cases    []Result `json:"cases"`
}

// BrokenSentences groups the failed cases by the sentences that they break, most cases first.
func BrokenSentences(results []Result) (all []Broken) {
	for _, r := range results {
		if r.Fault == nil {
			continue
		}
		i := slices.IndexFunc(all, func(b Broken) bool { return b.Section == r.Section && b.Sentence == r.Sentence })
		if i < 0 {
			i = len(all)
			all = append(all, Broken{Section: r.Section, Sentence: r.Sentence})
		}
		all[i].Cases = append(all[i].Cases, r)
	}
	slices.SortStableFunc(all, func(a, b Broken) int { return cmp.Compare(len(b.Cases), len(a.Cases)) })
	return all
}

// Omitted are the cases that did not run, for one reason.
type Omitted struct {
	Reason string   `json:"reason"`
	Cases  []string `json:"cases"` // as "suite case"
}

// LeftOut groups the cases that did not run by their reasons.
func LeftOut(results []Result) (all []Omitted) {
	for _, r := range results {
		if r.LeftOut == "" {
			continue
		}
		i := slices.IndexFunc(all, func(o Omitted) bool { return o.Reason == r.LeftOut })
		if i < 0 {
			i = len(all)
			all = append(all, Omitted{Reason: r.LeftOut})
		}
		all[i].Cases = append(all[i].Cases, r.Suite+" "+r.Case)
	}
	return all
}

// MarshalJSON writes the fault as text.
func (r Result) MarshalJSON() ([]byte, error) {
	fault := ""
	if r.Fault != nil {
		fault = r.Fault.Error()
	}
	return json.Marshal(map[string]string{"suite": r.Suite, "case": r.Case, "says": r.Says, "fault": fault})
}

// Print writes a table of the suites, the cases that are left out with the reason, and each broken sentence with its cases.
func Print(w io.Writer, title string, results []Result) error {
	var suites []string
	for _, r := range results {
		if !slices.Contains(suites, r.Suite) {
			suites = append(suites, r.Suite)
		}
	}
	scores := Scores(results)
	fmt.Fprintf(w, "%s\n\n", title)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "suite\tpassed\tfailed\tleft out")
	for _, suite := range suites {
		s := scores[suite]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", suite, s.Passed, s.Run-s.Passed, s.LeftOut)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, o := range LeftOut(results) {
		fmt.Fprintf(w, "\nleft out, because %s:\n  %s\n", o.Reason, strings.Join(o.Cases, ", "))
	}
	for _, b := range BrokenSentences(results) {
		fmt.Fprintf(w, "\n%s \"%s\"\n", b.Section, b.Sentence)
		for _, r := range b.Cases {
			fmt.Fprintf(w, "  %s %s: %s\n      %s\n", r.Suite, r.Case, r.Says, strings.ReplaceAll(r.Fault.Error(), "\n", "; "))
		}
	}
	return nil
}
