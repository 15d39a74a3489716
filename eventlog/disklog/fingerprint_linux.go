package disklog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fingerprint identifies a file in a directory, so that copies of it are recognised. Inode and birth time stay the same when the
// volume is mounted elsewhere, and differ in a copy. The inode of the directory reveals a copy by hard links, the machine ID a copy
// of the whole volume. The result is empty if nothing is known.
func fingerprint(path string) string {
	file, dir := statMark(path), statMark(filepath.Dir(path))
	if file == "" || dir == "" {
		return ""
	}
	machine, err := os.ReadFile("/etc/machine-id") // none in many containers
	if err != nil {
		machine = nil
	}
	return fmt.Sprintf("%s, in %s, machine %s", file, dir, strings.TrimSpace(string(machine)))
}

// statMark returns inode and birth time. On file systems without birth times it returns inode and device.
func statMark(path string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return ""
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		return fmt.Sprintf("inode %d of device %d:%d", st.Ino, st.Dev_major, st.Dev_minor)
	}
	return fmt.Sprintf("inode %d born %d.%09d", st.Ino, st.Btime.Sec, st.Btime.Nsec)
}
