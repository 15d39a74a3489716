package disklog_test

import (
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tidings-sse/tidings/eventlog/disklog"
)

// TestPowerLossAtAnyStep: the power fails before a file system operation, at any place from Open to Close.
func TestPowerLossAtAnyStep(t *testing.T) {
	t.Parallel()
	seed := repeatable(t)
	for _, how := range []death{crashed, lossy} {
		r := newRun(t, seed)
		for range 3 {
			l := r.stepping(how, func(l *life) {
				for client := range 3 {
					for range 6 {
						l.step(client, r.rand)
					}
				}
				if err := l.log.Trim(t.Context()); err != nil {
					t.Error(err)
				}
			})
			r.rand.Shuffle(len(l.copies), func(i, j int) { l.copies[i], l.copies[j] = l.copies[j], l.copies[i] })
			r.resumeAll(l)
			t.Logf("%d crashes", len(l.copies))
		}
	}
}

// TestPowerLossInSetGenerationLeavesTheOldOrTheNew: no part of the dropped records may be left.
func TestPowerLossInSetGenerationLeavesTheOldOrTheNew(t *testing.T) {
	t.Parallel()
	r := newRun(t, repeatable(t))
	r.resumeAll(r.stepping(crashed, func(l *life) {
		for range 40 {
			l.step(0, r.rand)
		}
	}))
	before := r.history.clone()
	const gen = "other"
	after := before.clone()
	after.gen = gen
	after.used = before.places[r.script.batch(0, 20).ids[0]].seq - 1
	after.drop(after.used)
	l := r.stepping(crashed, func(l *life) {
		l.mu.Lock()
		l.maybe = after
		l.mu.Unlock()
		if err := l.log.SetGeneration(t.Context(), gen, after.used); err != nil {
			t.Error(err)
		}
		l.mu.Lock()
		l.history, l.maybe = after, nil
		l.crash(0)
		l.mu.Unlock()
	})
	r.resumeAll(l)
	t.Logf("%d crashes", len(l.copies))
}

// stepping runs a log whose files are copied before some file system operations.
func (r *run) stepping(how death, use func(*life)) *life {
	r.t.Helper()
	l := &life{run: r, how: how, history: r.history.clone(), rand: rand.New(rand.NewPCG(r.rand.Uint64(), 4))}
	log, err := disklog.Open(crashDir, r.options(&stepFS{r.fs, l.copySometimes}, how))
	if err != nil {
		r.t.Fatal(err)
	}
	l.log = log
	l.mu.Lock()
	l.history.gen = log.Head().Gen
	l.mu.Unlock()
	use(l)
	if err := log.Close(); err != nil {
		r.t.Fatal(err)
	}
	l.crash(0)
	return l
}

// copySometimes makes a copy of the files before some of the operations.
func (l *life) copySometimes() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rand.IntN(crashSteps) == 0 {
		l.crash(50 * l.rand.IntN(3))
	}
}

// stepFS calls a function before each change, and is slow to sync.
type stepFS struct {
	vfs.FS
	step func()
}

func (s *stepFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &stepFile{f, s.step}, nil
}

func (s *stepFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	s.step()
	return s.file(s.FS.Create(name, category))
}

func (s *stepFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	s.step()
	return s.file(s.FS.OpenReadWrite(name, category, opts...))
}

func (s *stepFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	s.step()
	return s.file(s.FS.ReuseForWrite(oldname, newname, category))
}

func (s *stepFS) Unwrap() vfs.FS { return s.FS }

func (s *stepFS) OpenDir(name string) (vfs.File, error) { return s.file(s.FS.OpenDir(name)) }

func (s *stepFS) Link(oldname, newname string) error {
	s.step()
	return s.FS.Link(oldname, newname)
}

func (s *stepFS) Remove(name string) error {
	s.step()
	return s.FS.Remove(name)
}

func (s *stepFS) Rename(oldname, newname string) error {
	s.step()
	return s.FS.Rename(oldname, newname)
}

func (s *stepFS) MkdirAll(dir string, perm os.FileMode) error {
	s.step()
	return s.FS.MkdirAll(dir, perm)
}

type stepFile struct {
	vfs.File
	step func()
}

func (f *stepFile) Write(p []byte) (int, error) {
	f.step()
	return f.File.Write(p)
}

func (f *stepFile) WriteAt(p []byte, offset int64) (int, error) {
	f.step()
	return f.File.WriteAt(p, offset)
}

func (f *stepFile) Sync() error {
	letOthersRun()
	f.step()
	return f.File.Sync()
}

func (f *stepFile) SyncData() error {
	letOthersRun()
	f.step()
	return f.File.SyncData()
}

// letOthersRun lets other goroutines run. A real disk takes time to sync, so callers that do not wait for a sync must fail.
func letOthersRun() {
	for range 200 {
		runtime.Gosched()
	}
}
