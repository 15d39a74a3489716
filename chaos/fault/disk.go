package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidings-sse/tidings/chaos/world"
)

var disks = []Fault{
	{Name: "disk full", Group: "disk", Often: 2, Can: disked, Do: func(ctx context.Context, p *Place) (string, error) {
		hub, n := p.hub()
		fill := p.Disks.Fill(n)
		err := Wait(ctx, p.between(2*time.Second, 15*time.Second))
		return hub.Name, ended(err, fill, p.Disks.Free(n), hub.Start())
	}},
	{Name: "power loss", Group: "disk", Often: 3, Can: disked, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, p.powerOff, p.some(1), p.between(0, 15*time.Second))
	}},
	{Name: "power loss of all", Group: "disk", Often: 1, Can: disked, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.down(ctx, p.powerOff, p.Hubs, p.between(0, 3*time.Second))
	}},
}

func disked(w *world.World) bool { return w.Disks != nil }

// powerOff kills a hub, and loses what it has not synced.
func (p *Place) powerOff(hub *world.Process) error {
	if err := hub.Kill(); err != nil {
		return err
	}
	return p.Disks.Lose(hub.Hub)
}

// The faults that remove or replace data of a stopped node.
var damages = []Fault{
	{Name: "one bit flipped", Group: "damage", Harm: true, Often: 2, Can: stored, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.damage(ctx, Flip)
	}},
	{Name: "a file truncated", Group: "damage", Harm: true, Often: 2, Can: stored, Do: func(ctx context.Context, p *Place) (string, error) {
		return p.damage(ctx, truncate)
	}},
	{Name: "directory lost", Group: "damage", Harm: true, Often: 1, Can: stored, Do: func(ctx context.Context, p *Place) (string, error) {
		node := p.keeper()
		return node.Name, errors.Join(node.Kill(), p.Lose(ctx, node), node.Start())
	}},
	{Name: "directory restored from an older copy", Group: "damage", Harm: true, Often: 2, Can: stored, Do: func(ctx context.Context, p *Place) (string, error) {
		node := p.keeper()
		return node.Name, p.Later(ctx, []*world.Process{node}, node.Dirs[:1], p.between(2*time.Second, 15*time.Second))
	}},
	{Name: "directories swapped", Group: "damage", Harm: true, Often: 1, Can: swappable, Do: func(_ context.Context, p *Place) (string, error) {
		a, b := p.two()
		first, second := p.Hubs[a-1], p.Hubs[b-1]
		aside := first.Dirs[0] + ".swapped"
		err := errors.Join(first.Kill(), second.Kill(), move(first.Dirs[0], aside), move(second.Dirs[0], first.Dirs[0]), move(aside, second.Dirs[0]))
		return names([]*world.Process{first, second}), errors.Join(err, first.Start(), second.Start())
	}},
	{Name: "the order goes back", Group: "damage", Loss: true, Often: 1, Can: ordered, Do: func(ctx context.Context, p *Place) (string, error) {
		var dirs []string
		for _, hub := range p.Hubs {
			dirs = append(dirs, hub.Dirs[1:]...)
		}
		return "all hubs", p.Later(ctx, p.Nodes, dirs, p.between(2*time.Second, 15*time.Second))
	}},
}

// Lose removes the directory of a stopped node for good.
func (p *Place) Lose(ctx context.Context, node *world.Process) (err error) {
	if node.Hub > 0 {
		err = p.Driver.Replace(ctx, node.Hub)
	}
	return errors.Join(err, os.RemoveAll(node.Dirs[0]))
}

// keepers returns the nodes that store data.
func keepers(w *world.World) (nodes []*world.Process) {
	for _, n := range w.Nodes {
		if len(n.Dirs) > 0 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func stored(w *world.World) bool    { return len(keepers(w)) > 0 }
func swappable(w *world.World) bool { return several(w) && len(w.Hubs[0].Dirs) > 0 }

// keeper returns a random node that stores data.
func (p *Place) keeper() *world.Process {
	all := keepers(p.World)
	return all[p.Rand.IntN(len(all))]
}

func ordered(w *world.World) bool { return w.Driver.Features().Order }

// Later copies directories of stopped processes, lets the processes run for a while, and then replaces the directories by the copies.
func (p *Place) Later(ctx context.Context, processes []*world.Process, dirs []string, d time.Duration) error {
	stopped := func(each func(dir, copied string) error) error {
		err := world.Each(processes, (*world.Process).Term)
		for _, dir := range dirs {
			err = errors.Join(err, each(dir, dir+".copy"))
		}
		return errors.Join(err, world.Begin(ctx, processes))
	}
	err := stopped(copyDir)
	if err == nil {
		err = p.Settle(ctx)
	}
	return errors.Join(err, Wait(ctx, d), stopped(func(dir, copied string) error {
		return errors.Join(os.RemoveAll(dir), move(copied, dir))
	}))
}

// move renames a directory, also onto another file system.
func move(from, to string) error {
	if err := os.Rename(from, to); err == nil {
		return nil
	}
	return errors.Join(copyDir(from, to), os.RemoveAll(from))
}

// copyDir copies a directory so that a power loss does not take the copy away again: that would be a fault of this program.
func copyDir(from, to string) error {
	if err := run("cp", "-a", from, to); err != nil {
		return err
	}
	return run("sync", "--file-system", to)
}

// damage kills a node, damages one of its files, and starts it. If the node refuses the file, the file is restored: the promise is that the
// node notices the damage.
func (p *Place) damage(ctx context.Context, harm func(*rand.Rand, string, int64) (string, error)) (string, error) {
	node := p.keeper()
	if err := node.Kill(); err != nil {
		return "", err
	}
	path, size, err := p.File(node.Dirs[0], "")
	if err != nil {
		return "", errors.Join(err, node.Start())
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", errors.Join(err, node.Start())
	}
	what, err := harm(p.Rand, path, size)
	what = fmt.Sprintf("%s: %s of %s", node.Name, what, filepath.Base(path))
	if err = errors.Join(err, node.Start()); err != nil {
		return what, err
	}
	ready, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	if node.Await(ready) == nil {
		return what, nil
	}
	return what + ", which was refused", errors.Join(node.Kill(), os.WriteFile(path, whole, 0o644), node.Start())
}

// File returns a random file of a folder whose name ends in a way and that has content.
func (p *Place) File(dir, end string) (path string, size int64, err error) {
	seen := 0
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > 0 && strings.HasSuffix(name, end) {
			if seen++; p.Rand.IntN(seen) == 0 {
				path, size = name, info.Size()
			}
		}
		return err
	})
	if err == nil && path == "" {
		err = fmt.Errorf("%s has no files", dir)
	}
	return path, size, err
}

// Flip flips a random bit of a file.
func Flip(r *rand.Rand, path string, size int64) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	at, bit := r.Int64N(size), r.IntN(8)
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		return "", err
	}
	b[0] ^= 1 << bit
	_, err = f.WriteAt(b[:], at)
	return fmt.Sprintf("bit %d of byte %d", bit, at), err
}

func truncate(r *rand.Rand, path string, size int64) (string, error) {
	left := r.Int64N(size)
	return fmt.Sprintf("all but %d of %d bytes", left, size), os.Truncate(path, left)
}
