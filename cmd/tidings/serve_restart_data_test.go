//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestRestartNeverOpensAnotherLog: with a data directory that was renamed in the configuration, moved or emptied, the new process opened an empty log
// without a warning. All events were missing, and no position of a client meant anything.
func TestRestartNeverOpensAnotherLog(t *testing.T) {
	const moved = `the data directory .*/data" of the running hub was moved, emptied or replaced; move it back, or stop`
	for name, test := range map[string]struct {
		before func(data string) error // what an operator does before the restart
		args   string                  // of the new process, beside its own
		want   string
	}{
		"another directory": {args: "--data $DATA.other", want: `the running hub has its events in .*/data", and this process would have them in .*/data.other"; a restart keeps the data directory`},
		"another log":       {before: func(data string) error { return copyOf(data, data+".other") }, args: "--data $DATA.other", want: `would have them in .*/data.other"`},
		"a file":            {args: "--data /dev/null/data", want: `would have them in "/dev/null/data"`},
		"memory":            {args: "--memory", want: `with --memory they would be missing`},
		"a cluster":         {args: "--data $DATA.other --cluster-peers=localhost:1", want: `would have them in .*/data.other"`},
		"moved":             {before: func(data string) error { return os.Rename(data, data+".moved") }, want: moved},
		"replaced":          {before: func(data string) error { return errors.Join(os.Rename(data, data+".moved"), os.Mkdir(data, 0o700)) }, want: moved},
		"replaced by a copy": {before: func(data string) error {
			return errors.Join(os.Rename(data, data+".moved"), copyOf(data+".moved", data))
		}, want: moved},
		"a link leads away": {before: func(data string) error {
			return errors.Join(os.Rename(data, data+".moved"), os.Symlink(t.TempDir(), data))
		}, want: moved},
		"emptied": {before: emptied, want: moved},
		"a file in the way": {before: func(data string) error {
			return errors.Join(os.Rename(data, data+".moved"), os.WriteFile(data, nil, 0o600))
		}, want: moved},
		"a loop of links there": {before: func(data string) error { return errors.Join(os.Rename(data, data+".moved"), os.Symlink(data, data)) }, want: `the data directory of the running hub: .*too many levels of symbolic links`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runServe(t, "tidings", nil)
			client := clientOf(t, nil)
			r.publish(t, client, "before")
			if test.before != nil {
				if err := test.before(r.data); err != nil {
					t.Fatal(err)
				}
			}
			args := `"$@"`
			if test.args != "" {
				args = "serve --addr localhost:0 " + strings.ReplaceAll(test.args, "$DATA", r.data)
			}
			r.installScript(t, "exec $BIN/tidings "+args)
			left := names(t, filepath.Dir(r.data))
			r.signal(t, syscall.SIGUSR2)
			r.log.await(t, `(?s)`+test.want+`.*the restart failed.*ended before it was prepared: exit status 1`)
			r.publish(t, client, "after")
			if got := r.stored(t, client); !slices.Equal(got, []string{"before", "after"}) {
				t.Errorf("stored are %q", got)
			}
			if now := names(t, filepath.Dir(r.data)); !slices.Equal(now, left) {
				t.Errorf("beside the data directory are %q, and were %q", now, left)
			}
			if text, _ := r.log.now(); strings.Contains(text, "msg=stopping") {
				t.Error("it has ended its streams")
			}
		})
	}
}

// TestRestartFindsItsLogUnderAnotherName: the directory counts, and not the path that leads to it.
func TestRestartFindsItsLogUnderAnotherName(t *testing.T) {
	r := runServe(t, "tidings", nil)
	client := clientOf(t, nil)
	r.publish(t, client, "1")
	if err := errors.Join(os.Rename(r.data, r.data+".moved"), os.Symlink(r.data+".moved", r.data)); err != nil {
		t.Fatal(err)
	}
	r.restart(t)
	r.publish(t, client, "2")
	r.installScript(t, `exec $BIN/tidings serve --addr localhost:0 --data `+r.data+".moved")
	r.restart(t)
	if got := r.stored(t, client); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("stored are %q", got)
	}
}

// emptied moves all files out of a directory.
func emptied(dir string) error {
	entries, err := os.ReadDir(dir)
	err = errors.Join(err, os.Mkdir(dir+".moved", 0o700))
	for _, e := range entries {
		err = errors.Join(err, os.Rename(filepath.Join(dir, e.Name()), filepath.Join(dir+".moved", e.Name())))
	}
	return err
}

func copyOf(from, to string) error { return os.CopyFS(to, os.DirFS(from)) }

// names returns the names of the files in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
