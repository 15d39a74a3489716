package world

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Tmpfs gives each hub a small disk in memory, on the folder that has its name. It needs root, and [Inside].
type Tmpfs struct{ dirs []string }

// NewTmpfs mounts the disks of hubs.
func NewTmpfs(dir string, hubs int, size string) (*Tmpfs, error) {
	t := &Tmpfs{}
	for hub := 1; hub <= hubs; hub++ {
		place := filepath.Join(dir, fmt.Sprintf("hub%d", hub))
		if err := os.MkdirAll(place, 0o755); err != nil {
			return nil, err
		}
		if err := mountTmpfs(place, size); err != nil {
			return nil, err
		}
		t.dirs = append(t.dirs, place)
	}
	return t, nil
}

func (t *Tmpfs) ballast(hub int) string { return filepath.Join(t.dirs[hub-1], "ballast") }

// Fill implements [Disks].
func (t *Tmpfs) Fill(hub int) error {
	f, err := os.Create(t.ballast(hub))
	if err != nil {
		return err
	}
	defer f.Close()
	var size int64
	for step := int64(64 << 20); step >= 4<<10; step /= 2 {
		for {
			err := syscall.Fallocate(int(f.Fd()), 0, size, step)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil {
				break
			}
			size += step
		}
	}
	return nil
}

// Free implements [Disks].
func (t *Tmpfs) Free(hub int) error {
	if err := os.Remove(t.ballast(hub)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
