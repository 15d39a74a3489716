package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestManualNamesEveryCommand(t *testing.T) {
	for _, node := range kong.Must(&commands{}, kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model.Children {
		if !node.Hidden && !strings.Contains(manual, "\n  tidings "+node.Name+" ") {
			t.Errorf("the manual does not name %s", node.Name)
		}
	}
}

func TestREADMEListsEveryCommand(t *testing.T) {
	var names []string
	for _, node := range kong.Must(&commands{}, kong.NoDefaultHelp(), kong.BindTo(t.Context(), (*context.Context)(nil))).Model.Children {
		if !node.Hidden {
			names = append(names, "`"+node.Name+"`")
		}
	}
	for page, comma := range map[string]string{"README.md": ", ", "README.zh.md": "、"} {
		text, err := os.ReadFile(filepath.Join(repository(t), page))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join(names, comma) + " |\n"; !strings.Contains(string(text), want) {
			t.Errorf("%s does not list the commands %s", page, want)
		}
	}
}

func TestHelpAndVersionGoToStandardOutput(t *testing.T) {
	for _, test := range []struct {
		line, want string
	}{
		{"--help", manual},
		{"-h", manual},
		{"help", manual},
		{"demo --help", "Usage: tidings demo"},
		{"help demo", "Usage: tidings demo"},
		{"sub --help", "Usage: tidings sub"},
		{"--version", "tidings " + version() + " ("},
		{"version", "tidings " + version() + " ("},
	} {
		code, out, complaint := say(t, strings.Fields(test.line)...)
		if code != 0 || complaint != "" || !strings.Contains(out, test.want) {
			t.Errorf("tidings %s: exit code %d, standard error %q, output\n%s", test.line, code, complaint, out)
		}
	}
}

func TestUsageErrorsGiveAHint(t *testing.T) {
	for _, test := range []struct {
		line, complaint, hint string
	}{
		{"dmo", `did you mean "demo"?`, "hint: tidings --help"},
		{"--nix", "unknown flag --nix", "hint: tidings --help"},
		{"demo --nix", "unknown flag --nix", "hint: tidings demo --help"},
		{"demo --addr", "--addr: the value is missing", "hint: tidings demo --help"},
		{"demo --port 3002", "the port is part of --addr", "tidings demo --addr :3002"},
		{"serve -p 3002", "unknown flag -p", "tidings serve --addr :3002"},
		{"serve --port=3002", "unknown flag --port", "tidings serve --addr :3002"},
		{"serve -c x.yaml", "unknown flag -c", "hint: tidings serve --config x.yaml"},
		{"pub -d hello", "unknown flag -d", "tidings pub TOPIC DATA"},
		{"pub news -5", "unknown flag -5", "tidings pub TOPIC -- -5"},
		{"token mint alice", "unexpected argument alice", "hint: tidings token mint --sub alice"},
		{"sub https://hub.internal --last 3 news", "unexpected argument news", "hint: write news beside the other arguments, without a flag between them"},
		{"token mint --expires 1h", "unknown flag --expires", "hint: --ttl says how long a token is valid"},
		{"revoke alice", "\"alice\" is not the URL of a hub", "hint: tidings revoke --sub alice"},
		{"sub -Q", "unknown flag -Q", "hint: tidings sub --help"},
		{"sub news --last ten", `--last: "ten" is not a whole number`, "hint: tidings sub --help"},
		{"sub news --timeout soon", `--timeout: "soon" is not a time such as 10s`, "hint: tidings sub --help"},
		{"serve --max-topics many", `--max-topics: "many" is not a whole number of at least 0`, "hint: tidings serve --help"},
		{"serve --max-topics 65536", `--max-topics: "65536" is too large; the maximum is 65535`, "hint: tidings serve --help"},
		{"serve --max-connections 5000000000", `--max-connections: "5000000000" is too large; the maximum is 4294967295`, "hint: tidings serve --help"},
		{"sub news --last 99999999999999999999", `--last: "99999999999999999999" is too large`, "hint: tidings sub --help"},
		{"sub news --last -5", `--last: "-5" looks like a flag; if it is the value, write --last="-5"`, "hint: tidings sub --help"},
		{"token mint --ttl -1h", `--ttl: "-1h" looks like a flag; if it is the value, write --ttl="-1h"`, "hint: tidings token mint --help"},
		{"serve --keep-bytes -5", `--keep-bytes: "-5" looks like a flag`, "hint: tidings serve --help"},
		{"serve --sync sometimes", `--sync: "sometimes" is not one of "always", "interval"`, "hint: tidings serve --help"},
		{"serve --h2c=perhaps", `--h2c: "perhaps" is neither true nor false`, "hint: tidings serve --help"},
		{"demo --addr nonsense", `--addr "nonsense" has no port`, "hint: --addr nonsense:3000"},
		{"sub", "say what to subscribe to", "hint: tidings sub --help"},
	} {
		code, out, complaint := say(t, strings.Fields(test.line)...)
		if code != exitUsage || out != "" {
			t.Errorf("tidings %s: exit code %d, output %q", test.line, code, out)
		}
		if !strings.HasPrefix(complaint, "tidings: ") || !strings.Contains(complaint, test.complaint) || !strings.HasSuffix(complaint, test.hint+"\n") {
			t.Errorf("tidings %s: %q", test.line, complaint)
		}
	}
}

func TestNoArgumentsPrintTheManualAndFail(t *testing.T) {
	if code, out, complaint := say(t); code != exitUsage || out != "" || complaint != manual {
		t.Errorf("exit code %d, output %q, standard error\n%s", code, out, complaint)
	}
}

// Commands choose their exit codes by the error that they return.
func TestExitErrorKeepsItsReason(t *testing.T) {
	reason := errors.New("why")
	err := &exitError{7, reason}
	if !errors.Is(err, reason) || err.Error() != "why" {
		t.Errorf("%v does not keep its reason", err)
	}
	if got := (&exitError{code: 7}).Error(); got != "exit code 7" {
		t.Errorf("an exit error without a reason says %q", got)
	}
}
