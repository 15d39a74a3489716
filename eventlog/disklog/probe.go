package disklog

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Probe returns the error of [Open] if it can be found without opening the log: the directory cannot be made or written, is no log, has another role
// or a newer format, or another process has it open. The process with the ID owner, or any if that is 0, may have it open. Probe makes the directory if it does not
// exist, and changes nothing in one that does. It does not find damage.
func Probe(dir string, o *Options, owner int) error {
	opts, err := o.withDefaults()
	if err != nil {
		return err
	}
	d := directory{fs: vfs.Default, name: dir, mirror: opts.Mirror}
	if d.name, err = filepath.Abs(dir); err != nil {
		return accessError(dir, err)
	}
	if err := makeDir(d.fs, d.name); err != nil {
		return accessError(d.name, err)
	}
	id, err := readIdentity(d.fs, d.name)
	if err == nil {
		err = d.checkRole(id)
	}
	if err == nil {
		err = d.probe(owner)
	}
	if err != nil {
		return accessError(d.name, err)
	}
	return nil
}

// probe makes and removes a file, and takes and returns the lock.
func (d *directory) probe(owner int) error {
	file, err := os.CreateTemp(d.name, ownerFile+".probe-*") // onlyIfEmpty knows the first word
	if err != nil {
		return err
	}
	if err := errors.Join(file.Close(), os.Remove(file.Name())); err != nil {
		return err
	}
	lock, err := lockDir(d.fs, d.name)
	switch {
	case err == nil:
		return lock.Close()
	case errors.Is(err, ErrInUse) && (owner == 0 || owner == readOwner(d.fs, d.name)):
		return nil
	}
	return err
}
