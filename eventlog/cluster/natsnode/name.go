package natsnode

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
)

const (
	nameFile = "cluster.json"
	storeDir = "jetstream"

	nameFormat = 1
	nameLength = 40 // of the part that the operator chooses

	suffixLength = 4 // of the random part, which follows it after a hyphen
)

// identity is the content of cluster.json.
type identity struct {
	Format int    `json:"format"`
	Name   string `json:"name"`
	Single bool   `json:"single,omitempty"` // this node has no peers: its JetStream cannot become part of a cluster, and the reverse

	Members []string `json:"members,omitempty"` // the servers of its cluster, this one included, as the leader last listed them
}

// Identify returns the name that Open will give the server, and this hub's entry in Peers, for a program that needs them earlier. It makes the name
// if there is none.
func Identify(ctx context.Context, options *Options) (name, self string, err error) {
	o := options.withDefaults()
	quiet := o
	quiet.Logger = slog.New(slog.DiscardHandler) // Open logs the same warnings about the list
	peers, self, err := quiet.findPeers(ctx)
	if err == nil {
		var id identity
		id, err = o.loadIdentity(self, len(peers))
		name = id.Name
	}
	if err != nil {
		return "", "", fmt.Errorf("natsnode: %w", err)
	}
	return name, self, nil
}

// loadIdentity returns the identity of the server. It makes a new one if there is none, or if the server's data is lost.
func (o *Options) loadIdentity(self string, peers int) (id identity, err error) {
	if o.Dir == "" {
		return id, errors.New("a data directory is needed")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return id, err
	}
	file, store := filepath.Join(o.Dir, nameFile), filepath.Join(o.Dir, storeDir)
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &id)
	}
	_, missing := os.Stat(store)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if missing == nil {
			return id, fmt.Errorf("%s is missing although %s has data: restore the file, or move the directory away, so that this hub joins as a new peer", file, store)
		}
		return o.newName(file, self, peers)
	case err != nil:
		return id, fmt.Errorf("%s cannot be read: %w: restore the file, or move %s away, so that this hub joins as a new peer", file, err, o.Dir)
	case id.Format > nameFormat:
		return id, fmt.Errorf("%s has format %d, and this version reads %d: a newer version has written it; start this hub with that version or a newer one", file, id.Format, nameFormat)
	case id.Format != nameFormat || id.Name == "" || id.Name != strings.Map(plain, id.Name):
		return id, fmt.Errorf("%s has format %d and the name %q, which no version writes: restore the file, or move %s away, so that this hub joins as a new peer", file, id.Format, id.Name, o.Dir)
	case missing != nil:
		o.Logger.Warn("the data of this hub's NATS server is lost: it joins as a new peer. Remove the old one from the cluster", "dir", store, "old", id.Name)
		return o.newName(file, self, peers)
	case id.Single && peers > 1:
		return id, fmt.Errorf("the directory %s was used without other hubs: its shared log cannot become part of a cluster. Move %s away: the hub's own log keeps the events, and the shared log continues after them", o.Dir, store)
	case !id.Single && peers == 1:
		return id, fmt.Errorf("the directory %s is of a hub in a cluster: its shared log cannot be used alone. List all hubs, or move %s away: the hub's own log keeps the events, and the shared log continues after them", o.Dir, store)
	}
	return id, nil
}

// Leave removes the membership of a node that is stopped from its data directory, so that it joins as a new peer. It reports whether there was one. A call
// that was interrupted can be repeated.
func Leave(dir string) (left bool, err error) {
	for _, name := range []string{nameFile, storeDir} { // without its name, a node with data does not start
		path := filepath.Join(dir, name)
		_, missing := os.Lstat(path)
		left = left || missing == nil
		if err := os.RemoveAll(path); err != nil {
			return left, err
		}
	}
	return left, syncDir(dir)
}

// hasData reports whether the node was a member of a cluster before.
func (o *Options) hasData() bool {
	files, _ := os.ReadDir(filepath.Join(o.Dir, storeDir)) // without an answer there are none
	return len(files) > 0
}

// warnOfName logs that a node keeps its name although another one was chosen for it since.
func (o *Options) warnOfName(name string) {
	if o.Name == "" || strings.HasPrefix(name, plainName(o.Name)+"-") && len(name) == len(plainName(o.Name))+1+suffixLength {
		return
	}
	o.Logger.Warn("this hub keeps the name that its directory has, because it votes by this name; the chosen one is not used", "name", name, "chosen", o.Name)
}

// newName makes a name and stores it.
func (o *Options) newName(file, self string, peers int) (identity, error) {
	base := o.Name
	if base == "" {
		host, _, _ := net.SplitHostPort(self)
		if base = host; net.ParseIP(host) != nil {
			if name, err := os.Hostname(); err == nil {
				base = name
			}
		}
		base, _, _ = strings.Cut(base, ".")
	}
	id := identity{Format: nameFormat, Name: plainName(base) + "-" + strings.ToLower(rand.Text()[:suffixLength]), Single: peers == 1}
	if err := id.store(file); err != nil {
		return identity{}, err
	}
	// From now on, a directory that is missing means that the data is lost.
	return id, os.MkdirAll(filepath.Join(o.Dir, storeDir), 0o700)
}

// store writes the identity to a file.
func (id *identity) store(file string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return writeSynced(file, append(text, '\n'))
}

// plainName returns the part of a server's name that a text becomes.
func plainName(text string) string {
	text = strings.Map(plain, text)
	return text[:min(len(text), nameLength)]
}

// plain returns a letter that the names of servers may have, as it is, and a hyphen for another one.
func plain(r rune) rune {
	if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
		return r
	}
	return '-'
}

// writeSynced replaces a file so that a power failure leaves the old content or the new.
func writeSynced(file string, text []byte) error {
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return err
	}
	return syncDir(filepath.Dir(file))
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
