package acme

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/caddyserver/certmagic"
)

// prepare makes the folder, and checks that files can be made in it: it is better to fail now than when the CA has issued a certificate. It warns
// if other users can replace what is in the folder.
func prepare(folder string, logger *slog.Logger) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 && runtime.GOOS != "windows" {
		logger.Warn("other users can replace the keys and certificates in this folder; only the hub's user needs it: chmod go-w", "folder", folder, "mode", mode.String())
	}
	probe, err := os.CreateTemp(folder, ".probe-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// aside returns a name for files that cannot be used and are kept for people.
func aside(path string) string {
	return path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
}

// setAside renames the folder of a stored certificate that cannot be used, so that the CA is asked for another one: certmagic would neither use
// nor replace it.
func (m *Manager) setAside(domain string) error {
	wrong := m.damage(domain)
	if wrong == nil {
		return nil
	}
	folder := filepath.Dir(filepath.Join(m.opts.Folder, filepath.FromSlash(certmagic.StorageKeys.SiteCert(m.issuer.IssuerKey(), domain))))
	moved := aside(folder)
	if err := os.Rename(folder, moved); errors.Is(err, fs.ErrNotExist) {
		return nil // another server has done it
	} else if err != nil {
		return fmt.Errorf("the stored certificate of %q cannot be used: %w; remove %q, and the CA is asked for a new one: %w", domain, wrong, folder, err)
	}
	m.logger.Error("a stored certificate cannot be used, and the CA is asked for a new one", "domain", domain, "err", wrong, "moved", moved)
	return nil
}

// damage returns what is wrong with the stored certificate of a domain. nil: nothing, or one of its files is missing, and certmagic asks the CA.
func (m *Manager) damage(domain string) error {
	issuer, keys := m.issuer.IssuerKey(), certmagic.StorageKeys
	var files [3][]byte
	for i, key := range []string{keys.SiteCert(issuer, domain), keys.SitePrivateKey(issuer, domain), keys.SiteMeta(issuer, domain)} {
		var err error
		if files[i], err = m.magic.Storage.Load(m.ctx, key); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
	pair, err := tls.X509KeyPair(files[0], files[1])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(files[2], new(certmagic.CertificateResource)); err != nil {
		return fmt.Errorf("%s.json: %w", domain, err)
	}
	return pair.Leaf.VerifyHostname(domain)
}

// setAccountsAside renames the folders of stored accounts that cannot be used, so that certmagic makes new ones. Otherwise each renewal would fail.
// An account that cannot be renamed is only logged: the certificates are still good for weeks.
func (m *Manager) setAccountsAside() {
	// certmagic takes each folder in users for an address. So damaged ones are moved out of it.
	folders, _ := filepath.Glob(filepath.Join(m.opts.Folder, "acme", "*", "users", "*")) // the pattern is valid
	for _, folder := range folders {
		wrong := accountDamage(folder)
		if wrong == nil {
			continue
		}
		users := filepath.Dir(folder)
		moved := aside(filepath.Join(filepath.Dir(users), filepath.Base(folder)))
		switch err := os.Rename(folder, moved); {
		case err == nil:
			m.logger.Error("the stored account at the CA cannot be used, and the CA is asked for a new one", "err", wrong, "moved", moved)
		case !errors.Is(err, fs.ErrNotExist): // otherwise another server has done it
			m.logger.Error("the stored account at the CA cannot be used; remove its folder, and the CA is asked for a new one", "folder", folder, "err", errors.Join(wrong, err))
		}
	}
}

// accountDamage returns what is wrong with a stored account. A file that cannot be read is not damaged; certmagic reports it with its name.
func accountDamage(folder string) error {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		switch filepath.Ext(path) {
		case ".key":
			_, err = certmagic.PEMDecodePrivateKey(text)
		case ".json":
			err = json.Unmarshal(text, new(struct{ Status, Location string }))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
