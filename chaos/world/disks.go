package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Loops gives each hub a disk of its own on the folder that has its name: an ext4 file system on a file in memory. It needs root, and
// [Inside].
type Loops struct {
	store        string // of the images
	dirs, images []string
}

// NewLoops mounts the disks of hubs, each with a size in MiB.
func NewLoops(dir string, hubs, size int) (*Loops, error) {
	l := &Loops{store: filepath.Join(dir, "disks")}
	if err := os.MkdirAll(l.store, 0o755); err != nil {
		return nil, err
	}
	if err := mountTmpfs(l.store, fmt.Sprintf("%dm", hubs*size)); err != nil {
		return nil, err
	}
	for hub := 1; hub <= hubs; hub++ {
		place, image := filepath.Join(dir, fmt.Sprintf("hub%d", hub)), filepath.Join(l.store, fmt.Sprintf("hub%d.ext4", hub))
		l.dirs, l.images = append(l.dirs, place), append(l.images, image)
		err := errors.Join(
			os.MkdirAll(place, 0o755), os.WriteFile(image, nil, 0o600), os.Truncate(image, int64(size)<<20),
			system("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1", image))
		if err == nil {
			err = l.mount(hub)
		}
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// mount mounts the disk of a hub. Freed blocks take no memory, because the file system discards them.
func (l *Loops) mount(hub int) error {
	return system("mount", "-o", "loop,discard", l.images[hub-1], l.dirs[hub-1])
}

// Lose implements [Disks]: it shuts the file system down without writing its journal or any page, and mounts it again.
func (l *Loops) Lose(hub int) error {
	root, err := os.Open(l.dirs[hub-1])
	if err != nil {
		return err
	}
	const ext4Shutdown, withoutJournal = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH
	err = unix.IoctlSetPointerInt(int(root.Fd()), ext4Shutdown, withoutJournal)
	if err = errors.Join(err, root.Close()); err != nil {
		return fmt.Errorf("shut down the file system of hub %d: %w", hub, err)
	}
	if err := unmount(l.dirs[hub-1]); err != nil {
		return err
	}
	return l.mount(hub)
}

// Close implements [Disks].
func (l *Loops) Close() (err error) {
	for _, dir := range l.dirs {
		err = errors.Join(err, unmount(dir))
	}
	return errors.Join(err, unmount(l.store))
}

// unmount waits while the kernel still closes the files of a process that was killed: it says "target is busy" then.
func unmount(dir string) error {
	for tries := 0; ; tries++ {
		err := system("umount", dir)
		if err == nil || tries == 50 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// system runs a program of the system, and returns its output with its error.
func system(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}

func (l *Loops) ballast(hub int) string { return filepath.Join(l.dirs[hub-1], "ballast") }

// Fill implements [Disks].
func (l *Loops) Fill(hub int) error {
	f, err := os.Create(l.ballast(hub))
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
func (l *Loops) Free(hub int) error {
	if err := os.Remove(l.ballast(hub)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
