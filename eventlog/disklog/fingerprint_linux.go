package disklog

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// fingerprint tells a file from a copy of it: by inode and time of birth, which stay when a volume is mounted elsewhere
// and are new in a copy, and by the machine, for a copy of the whole volume. A file system without times of birth has its
// device instead. Empty: nothing is known.
func fingerprint(path string) string {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return ""
	}
	where := fmt.Sprintf("device %d:%d", st.Dev_major, st.Dev_minor)
	if st.Mask&unix.STATX_BTIME != 0 {
		where = fmt.Sprintf("born %d.%09d", st.Btime.Sec, st.Btime.Nsec)
	}
	machine, err := os.ReadFile("/etc/machine-id") // none in many containers
	if err != nil {
		machine = nil
	}
	return fmt.Sprintf("inode %d, %s, machine %s", st.Ino, where, strings.TrimSpace(string(machine)))
}
