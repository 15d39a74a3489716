package world

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Clock sets the clocks of nodes apart. Their program is built with another package time: Now adds an offset that it reads from a file, which
// the environment names and the process maps into its memory.
type Clock struct{ dir string }

// offsetFile names the file in the environment of a node.
const offsetFile = "CHAOS_CLOCK"

const offsetCode = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// clockOffset is in seconds; nil: none.
var clockOffset = func() *int64 {
	name, ok := syscall.Getenv("` + offsetFile + `")
	if !ok {
		return nil
	}
	f, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		panic("open the offset of the clock: " + err.Error())
	}
	b, err := syscall.Mmap(f, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map the offset of the clock: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&b[0]))
}()

func offset() int64 {
	if clockOffset == nil {
		return 0
	}
	return atomic.LoadInt64(clockOffset)
}
`

// NewClock returns the clocks of nodes whose program [BuildWithClock] has built. The offsets are in a folder.
func NewClock(dir string) *Clock { return &Clock{dir} }

// reading is the line of time.Now that reads the clock.
const reading = "sec, nsec, mono := runtimeNow()"

// BuildWithClock builds a package of Go in a module's folder, with clocks that can be set.
func BuildWithClock(module, pkg, dir, binary string) (*Clock, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("build with another clock: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("build with another clock: %w", err)
	}
	changed := strings.Replace(string(text), reading, reading+"\n\tsec += offset()", 1)
	if changed == string(text) {
		return nil, fmt.Errorf("build with another clock: %s does not have the line %q", source, reading)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		source: filepath.Join(dir, "time.go"), filepath.Join(filepath.Dir(source), "offset.go"): filepath.Join(dir, "offset.go"),
	}})
	if err != nil {
		return nil, err
	}
	for name, content := range map[string]string{"time.go": changed, "offset.go": offsetCode, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, pkg)
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build with another clock: %w: %s", err, out)
	}
	return NewClock(dir), nil
}

func (c *Clock) file(node string) string { return filepath.Join(c.dir, node+".offset") }

// Set sets the clock of a node apart from ours.
func (c *Clock) Set(node string, offset time.Duration) error {
	f, err := os.OpenFile(c.file(node), os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	b := binary.NativeEndian.AppendUint64(nil, uint64(offset/time.Second))
	_, err = f.WriteAt(b, 0) // the size stays, so a process that has mapped the file sees the new value
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// place gives a command the clock of its node.
func (c *Clock) place(node string, cmd *exec.Cmd) error {
	if _, err := os.Stat(c.file(node)); err != nil {
		if err := c.Set(node, 0); err != nil {
			return err
		}
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, offsetFile+"="+c.file(node))
	return nil
}
