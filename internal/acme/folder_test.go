package acme

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// managerIn returns a manager of one domain with its certificates in a folder, and what it logs.
func managerIn(t *testing.T, folder string) (*Manager, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	m, err := New(Options{Domains: []string{"hub.example.com"}, Folder: folder, Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, log
}

// TestFolderThatOthersCanChangeIsReported: its files are for their owner only, but others could put different ones in their place.
func TestFolderThatOthersCanChangeIsReported(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has other permissions
	}
	for mode, warns := range map[os.FileMode]bool{0o700: false, 0o755: false, 0o770: true, 0o777: true, os.ModeSticky | 0o777: true} {
		folder := filepath.Join(t.TempDir(), "acme")
		if err := errors.Join(os.Mkdir(folder, 0o700), os.Chmod(folder, mode)); err != nil {
			t.Fatal(err)
		}
		if _, log := managerIn(t, folder); warns != strings.Contains(log.String(), "level=WARN") || warns && !strings.Contains(log.String(), folder) {
			t.Errorf("mode %v: %q", mode, log)
		}
	}
}

// TestDamagedAccountIsSetAsideWhenTheCAIsAsked: the error of certmagic named no file, at each renewal. A new account costs nothing.
func TestDamagedAccountIsSetAsideWhenTheCAIsAsked(t *testing.T) {
	for what, damaged := range map[string]string{"admin.key": "-----BEGIN EC PRIVATE KEY-----\nMHc", "admin.json": ""} {
		folder := t.TempDir()
		m, log := managerIn(t, folder)
		account := filepath.Join(folder, "acme", "ca.example-directory", "users", "admin@example.com")
		if err := errors.Join(os.MkdirAll(account, 0o700), os.WriteFile(filepath.Join(account, what), []byte(damaged), 0o600)); err != nil {
			t.Fatal(err)
		}
		m.failed("hub.example.com", true, errors.New("getting ACME account: no"))
		aside, err := filepath.Glob(filepath.Join(folder, "acme", "ca.example-directory", "admin@example.com.damaged-*", what))
		if err != nil || len(aside) != 1 || !strings.Contains(log.String(), "account at the CA cannot be used") || !strings.Contains(log.String(), filepath.Join(account, what)) {
			t.Errorf("%s: the damaged files are in %q, %v; the log is %s", what, aside, err, log)
		}
		if users, err := os.ReadDir(filepath.Dir(account)); err != nil || len(users) > 0 {
			t.Errorf("%s: certmagic takes %v for accounts, %v", what, users, err)
		}
	}
}
