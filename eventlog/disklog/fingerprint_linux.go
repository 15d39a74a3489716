package disklog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// fingerprint tells a file in a directory from copies of both: by inode and time of birth, which stay when a volume is
// mounted elsewhere and are new in a copy, and by the machine, for a copy of the whole volume. A copy by hard links has the
// same file, in another directory. Empty: nothing is known.
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

// statMark returns inode and time of birth. A file system without times of birth has its device instead.
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
