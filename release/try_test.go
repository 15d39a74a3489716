//go:build try

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// These tests use a release as its users do. They need root, Debian's debootstrap, rpm and systemd, and its packages: make try-packages.
// Every hub runs in a network of its own, in a root directory of its own.

// dist returns the path of a file of the release below $DIST, and before that of the older release below $DIST_BEFORE. One * stands for the version.
func dist(t *testing.T, name string) string   { return only(t, os.Getenv("DIST"), name) }
func before(t *testing.T, name string) string { return only(t, os.Getenv("DIST_BEFORE"), name) }

func only(t *testing.T, dir, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, name))
	if err != nil || len(found) != 1 || dir == "" {
		t.Fatalf("%s in %q: %q, %v; call make try-packages", name, dir, found, err)
	}
	return found[0]
}

// sh runs a script of the shell and returns its output.
func sh(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("sh", "-euc", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return string(out)
}

// cleanDebian is where debian is, once it has been made.
var cleanDebian string

// debian makes a minimal Debian with what README's commands use, once.
var debian = sync.OnceValue(func() (err error) {
	if cleanDebian, err = os.MkdirTemp("", "tidings-debian-"); err != nil {
		return err
	}
	out, err := exec.Command("debootstrap", "--variant=minbase", "--include=curl,make,ca-certificates,procps", "bookworm", cleanDebian).CombinedOutput()
	if err != nil {
		return fmt.Errorf("debootstrap: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if cleanDebian != "" {
		_ = os.RemoveAll(cleanDebian)
	}
	os.Exit(code)
}

// machine is a root directory.
type machine struct {
	*testing.T
	dir string
}

// newMachine returns a copy of a minimal Debian, with the file systems that programs expect.
func newMachine(t *testing.T) *machine {
	t.Helper()
	if err := debian(); err != nil {
		t.Fatal(err)
	}
	m := &machine{t, t.TempDir()}
	m.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
	// debootstrap has made the devices. A mount of /dev here would be emptied with the directory if a test was killed.
	sh(t, "cp -a "+cleanDebian+"/. "+m.dir+"; chmod 755 "+m.dir+"; cp -L /etc/resolv.conf "+m.dir+"/etc/resolv.conf; mount -t proc proc "+m.dir+"/proc")
	t.Cleanup(func() { sh(t, "umount -l "+m.dir+"/proc") })
	return m
}

// run runs a script in the machine.
func (m *machine) run(script string) string {
	m.Helper()
	m.write("/tmp/script", script)
	return sh(m.T, "chroot "+m.dir+" sh -eu /tmp/script")
}

// serving runs a script in the machine while the service runs as its unit starts it, in a network of their own.
func (m *machine) serving(script string) string {
	m.Helper()
	unit, err := os.ReadFile(filepath.Join(m.dir, "usr/lib/systemd/system/tidings.service"))
	if err != nil {
		m.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(unit)
	if start == nil {
		m.Fatalf("the unit starts nothing:\n%s", unit)
	}
	// What systemd does for StateDirectory=, User=, UMask=, NoNewPrivileges= and CapabilityBoundingSet=.
	m.write("/tmp/script", `
mkdir -p /var/lib/tidings; chown tidings:tidings /var/lib/tidings; chmod 750 /var/lib/tidings
umask 027
setpriv --reuid tidings --regid tidings --init-groups --no-new-privs --bounding-set=-all --inh-caps=-all `+string(start[1])+` 2>/tmp/journal &
hub=$!
trap 'cat /tmp/journal; kill $hub 2>/dev/null || true' EXIT
for i in $(seq 300); do tidings health --ready 2>/dev/null && break; sleep 0.1; done
tidings health --ready
cd /root
`+script+`
trap - EXIT
kill $hub
wait $hub
`)
	return sh(m.T, "unshare --net sh -c 'ip link set lo up; exec chroot "+m.dir+" sh -eu /tmp/script'")
}

// write writes a file in the machine.
func (m *machine) write(path, text string) {
	m.Helper()
	if err := write(filepath.Join(m.dir, path), []byte(text)); err != nil {
		m.Fatal(err)
	}
}

// wantConfiguration checks the mode and the owners of the configuration.
func (m *machine) wantConfiguration(want string) {
	m.Helper()
	if got := strings.TrimSpace(m.run("stat -c '%a %U:%G' " + configuration)); got != want {
		m.Errorf("%s is %s, want %s", configuration, got, want)
	}
}

func (m *machine) has(path string) bool {
	_, err := os.Lstat(filepath.Join(m.dir, path))
	return err == nil
}

// firstMinute returns the commands of the README's section "Try it" for a running hub, as a script. Commands that follow a topic run until the end.
func firstMinute(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Try it\n")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	script, commands := "printf 'all:\\n\\t@echo one; echo two >&2\\n' > Makefile\nfollow() { timeout 20 sh -c \"$1\" >>/tmp/followed 2>&1 & }\n", 0
	for _, block := range blocks {
		if !strings.HasPrefix(block[1], "tidings sub") && !strings.HasPrefix(block[1], "curl -d") {
			continue // building, and starting a hub: the package has done both
		}
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
			line = strings.TrimSpace(line)
			commands++
			if strings.HasPrefix(line, "curl -N") || strings.HasPrefix(line, "tidings sub") && !strings.Contains(line, "earliest") {
				script += "follow " + quoted(line) + "\nsleep 1\n" // a stream says nothing until there is an event
			} else {
				script += line + "\n"
			}
		}
	}
	if commands < 8 {
		t.Fatalf("README has only %d commands:\n%s", commands, script)
	}
	return script + "sleep 1; cat /tmp/followed\n"
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// TestDebInstallsServesUpgradesAndPurges, in the order in which an administrator does it.
func TestDebInstallsServesUpgradesAndPurges(t *testing.T) {
	m := newMachine(t)
	install := func(deb string) {
		t.Helper()
		sh(t, "cp "+deb+" "+m.dir+"/tmp/tidings.deb")
		t.Log(m.run("apt-get install -y --no-install-recommends /tmp/tidings.deb; tidings --version; dpkg --verify tidings"))
	}
	install(before(t, "tidings_*_linux_amd64.deb"))
	for _, path := range []string{"usr/share/man/man1/tidings.1.gz", "usr/share/bash-completion/completions/tidings", "usr/share/doc/tidings/copyright", "usr/share/doc/tidings/changelog.gz"} {
		if !m.has(path) {
			t.Errorf("%s is missing", path)
		}
	}
	if !m.has("etc/systemd/system/multi-user.target.wants/tidings.service") {
		t.Error("the service is not enabled")
	}
	m.wantConfiguration("640 root:tidings")
	if got := m.serving(firstMinute(t)); !strings.Contains(got, "hello, world") || !strings.Contains(got, `{"c":21}`) {
		t.Errorf("README's first minute gives:\n%s", got)
	}

	// The administrator changes the configuration and who may read it, and disables the service. An upgrade keeps all of that, and the events.
	m.run("echo 'keep-bytes: 2GiB' >> /etc/tidings/hub.yaml; chown tidings:root /etc/tidings/hub.yaml; chmod 600 /etc/tidings/hub.yaml; deb-systemd-helper disable tidings.service || true; rm -f /etc/systemd/system/multi-user.target.wants/tidings.service")
	install(dist(t, "tidings_*_linux_amd64.deb"))
	if m.has("etc/systemd/system/multi-user.target.wants/tidings.service") {
		t.Error("the upgrade has enabled the service")
	}
	m.wantConfiguration("600 tidings:root")
	if got := m.serving("tidings sub builds/42 --since earliest; grep keep-bytes: /etc/tidings/hub.yaml"); !strings.Contains(got, "two") || !strings.Contains(got, "keep-bytes: 2GiB") {
		t.Errorf("after the upgrade:\n%s", got)
	}

	m.run("dpkg --remove tidings")
	if !m.has("var/lib/tidings") || !m.has("etc/tidings/hub.yaml") || m.has("usr/bin/tidings") {
		t.Error("removing has taken more or less than the program")
	}
	m.run("dpkg --purge tidings")
	for _, path := range []string{"var/lib/tidings", "etc/tidings", "usr/share/doc/tidings", "usr/lib/systemd/system/tidings.service", "usr/lib/systemd/system/tidings.socket"} {
		if m.has(path) {
			t.Errorf("purging has left %s", path)
		}
	}
	if left := m.run("dpkg-query -W -f '${Package}\n'; find / -xdev -path /proc -prune -o -path /tmp -prune -o -name '*tidings*' -print"); strings.Contains(left, "tidings") {
		t.Errorf("purging has left:\n%s", left)
	}
}

// TestDebPurgesAVolumeAndALink: an administrator has made the group, and keeps the events on a disk of their own. The purge failed then.
func TestDebPurgesAVolumeAndALink(t *testing.T) {
	m := newMachine(t)
	sh(t, "cp "+dist(t, "tidings_*_linux_amd64.deb")+" "+m.dir+"/tmp/tidings.deb")
	const purge = "dpkg --purge tidings 2>&1; if dpkg-query -W tidings 2>/dev/null; then exit 1; fi"
	m.run("groupadd tidings; dpkg --install /tmp/tidings.deb; mkdir /var/lib/tidings")
	sh(t, "mount -t tmpfs tmpfs "+m.dir+"/var/lib/tidings")
	t.Cleanup(func() { sh(t, "umount "+m.dir+"/var/lib/tidings 2>/dev/null || true") })
	m.write("/var/lib/tidings/events/1", "x")
	if got := m.run(purge); m.has("var/lib/tidings/events") || m.has("etc/tidings") || !strings.Contains(got, "tidings: the files in /var/lib/tidings are deleted; the directory itself cannot be") {
		t.Errorf("purging a volume:\n%s", got)
	}
	sh(t, "umount "+m.dir+"/var/lib/tidings; rmdir "+m.dir+"/var/lib/tidings")

	m.write("/srv/tidings/events/1", "x")
	m.write("/srv/keys/key", "x")
	m.run("ln -s /srv/tidings /var/lib/tidings; dpkg --install /tmp/tidings.deb; ln -s /srv/keys /etc/tidings/keys")
	if got := m.run(purge); !m.has("srv/tidings/events/1") || !m.has("srv/keys/key") || m.has("var/lib/tidings") || m.has("etc/tidings") || !strings.Contains(got, "tidings: /var/lib/tidings is a link; the files in /srv/tidings stay") {
		t.Errorf("purging a link:\n%s", got)
	}
}

func TestDebForArmHasTheSameFiles(t *testing.T) {
	if intel, arm := sh(t, "dpkg-deb -c "+dist(t, "tidings_*_linux_amd64.deb")+" | awk '{print $1, $2, $6}'"), sh(t, "dpkg-deb -c "+dist(t, "tidings_*_linux_arm64.deb")+" | awk '{print $1, $2, $6}'"); intel != arm {
		t.Errorf("amd64:\n%s\narm64:\n%s", intel, arm)
	}
}

// TestUnitIsHardened: systemd knows every key, and judges the exposure of the service as low. 0 is the best value, 10 the worst.
func TestUnitIsHardened(t *testing.T) {
	m := newMachine(t)
	sh(t, "dpkg-deb --fsys-tarfile "+dist(t, "tidings_*_linux_amd64.deb")+" | tar -x --keep-directory-symlink -C "+m.dir)
	unit := filepath.Join(m.dir, "usr/lib/systemd/system/tidings.service")
	// verify warns about unknown keys, and succeeds. The targets of the unit are those of the machine that runs the test.
	if out := sh(t, "systemd-analyze verify --man=no --recursive-errors=no --root="+m.dir+" tidings.service tidings.socket 2>&1"); strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
	t.Log(sh(t, "systemd-analyze security --no-pager --offline=true --threshold=15 "+unit+" | tail -n 2"))
}

// TestSocketUnitIsServed: systemd is not at hand, but its tool for socket activation does what the unit says.
func TestSocketUnitIsServed(t *testing.T) {
	m := newMachine(t)
	sh(t, "dpkg-deb --fsys-tarfile "+dist(t, "tidings_*_linux_amd64.deb")+" | tar -x --keep-directory-symlink -C "+m.dir)
	unit, err := os.ReadFile(filepath.Join(m.dir, "usr/lib/systemd/system/tidings.socket"))
	if err != nil {
		t.Fatal(err)
	}
	flags := ""
	for _, setting := range regexp.MustCompile(`(?m)^(ListenStream|FileDescriptorName)=(.*)$`).FindAllStringSubmatch(string(unit), -1) {
		flags += map[string]string{"ListenStream": " --listen=", "FileDescriptorName": " --fdname="}[setting[1]] + setting[2]
	}
	out := sh(t, "unshare --net sh -eu -c '"+`ip link set lo up
tidings=`+m.dir+`/usr/bin/tidings
systemd-socket-activate`+flags+` $tidings serve --memory 2>/tmp/journal &
trap "cat /tmp/journal; kill $! 2>/dev/null || true" EXIT
for i in $(seq 300); do $tidings health --ready 2>/dev/null && break; sleep 0.1; done
$tidings pub news hello`+"'")
	if !strings.Contains(out, "-1") {
		t.Errorf("publishing says %s", out)
	}
}

// TestRpmInstallsServesUpgradesAndErases: into a Debian, because no other system is at hand. Its scripts run there.
func TestRpmInstallsServesUpgradesAndErases(t *testing.T) {
	m := newMachine(t)
	install := func(rpm string) {
		t.Helper()
		t.Log(sh(t, "rpm --root "+m.dir+" --upgrade --nodeps --ignoreos --verbose "+rpm+" 2>&1; rpm --root "+m.dir+" --query --info tidings; rpm --root "+m.dir+" --verify --nodeps tidings"))
	}
	install(before(t, "tidings_*_linux_amd64.rpm"))
	m.wantConfiguration("640 root:tidings")
	if got := m.serving(firstMinute(t)); !strings.Contains(got, "hello, world") {
		t.Errorf("README's first minute gives:\n%s", got)
	}
	m.run("echo 'keep-bytes: 2GiB' >> /etc/tidings/hub.yaml; chown tidings:root /etc/tidings/hub.yaml; chmod 600 /etc/tidings/hub.yaml")
	// The configuration is changed, so rpm --verify would fail from here on.
	t.Log(sh(t, "rpm --root "+m.dir+" --upgrade --nodeps --ignoreos --verbose "+dist(t, "tidings_*_linux_amd64.rpm")+" 2>&1"))
	m.wantConfiguration("600 tidings:root")
	if got := m.serving("tidings sub builds/42 --since earliest; grep keep-bytes: /etc/tidings/hub.yaml"); !strings.Contains(got, "two") || !strings.Contains(got, "keep-bytes: 2GiB") {
		t.Errorf("after the upgrade:\n%s", got)
	}
	sh(t, "rpm --root "+m.dir+" --erase --nodeps tidings 2>&1")
	if m.has("usr/bin/tidings") || !m.has("var/lib/tidings") {
		t.Error("erasing has taken more or less than the program")
	}
}

// TestImageServesAsItsUser: the files of the image are a root directory, in which the entry point runs as a container would run it.
func TestImageServesAsItsUser(t *testing.T) {
	work, root := t.TempDir(), t.TempDir()
	sh(t, "tar -xf "+dist(t, "tidings_*_oci.tar")+" -C "+work)
	img := imagesIn(t, work)["amd64"]
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	files := mutate.Extract(img)
	defer files.Close()
	unpack := exec.Command("tar", "-xpf", "-", "-C", root)
	unpack.Stdin = files
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := config.Config
	env := "env -i PATH=$PATH " + strings.Join(c.Env, " ") + " TIDINGS_ADDR=0.0.0.0:4000" // another port, which the health check follows
	in := "chroot --userspec=" + c.User + " " + root + " " + strings.Join(c.Entrypoint, " ")
	health := env + " " + in + " " + strings.Join(c.Healthcheck.Test[2:], " ")
	out := sh(t, "unshare --net sh -euc "+quoted(`
ip link set lo up
`+env+` `+in+` serve 2>&1 && exit 1 # without a key
`+in+` token key `+c.WorkingDir+`/tidings.key
`+env+` TIDINGS_KEY_FILE=`+c.WorkingDir+`/tidings.key TIDINGS_PUBLIC='**' `+in+` `+strings.Join(c.Cmd, " ")+` &
hub=$!
trap "kill $hub" EXIT
for i in $(seq 300); do `+health+` 2>/dev/null && break; sleep 0.1; done
`+health+`
token=$(`+in+` token mint --key-file `+c.WorkingDir+`/tidings.key --publish '**')
`+in+` pub --token $token localhost:4000 news hello
trap - EXIT
kill $hub
wait $hub
`))
	if !strings.Contains(out, "--insecure") || !strings.Contains(out, "listens on") {
		t.Errorf("%s", out)
	}
	if names, err := os.ReadDir(filepath.Join(root, "data", "events")); err != nil || len(names) == 0 {
		t.Errorf("the volume is empty: %v", err)
	}
}

// TestProgramsAreForTheirSystems: file names what each is. Only that of this machine can run.
func TestProgramsAreForTheirSystems(t *testing.T) {
	for system, want := range map[string]string{
		"linux_amd64.tar.gz": "ELF 64-bit LSB executable, x86-64.* statically linked", "linux_arm64.tar.gz": "ELF 64-bit LSB executable, ARM aarch64.* statically linked",
		"darwin_amd64.tar.gz": "Mach-O 64-bit x86_64 executable", "darwin_arm64.tar.gz": "Mach-O 64-bit arm64 executable", "windows_amd64.zip": `PE32\+ executable .*x86-64`,
	} {
		dir := t.TempDir()
		archive := dist(t, "tidings_*_"+system)
		unpack := "tar -xf " + archive + " -C " + dir
		if strings.HasSuffix(system, ".zip") {
			unpack = "python3 -m zipfile -e " + archive + " " + dir
		}
		sh(t, unpack)
		programs, err := filepath.Glob(filepath.Join(dir, "*", "tidings*"))
		if err != nil || len(programs) != 1 {
			t.Fatalf("%s: %q, %v", system, programs, err)
		}
		if got := sh(t, "file -b "+programs[0]); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %s", system, got)
		}
		if system == "linux_amd64.tar.gz" {
			t.Log(sh(t, programs[0]+" --version; man -l "+filepath.Dir(programs[0])+"/man/tidings.1 | head -n 5"))
		}
	}
}

func TestChecksumsOfTheReleaseAreRight(t *testing.T) {
	sh(t, "cd "+os.Getenv("DIST")+" && sha256sum --check --quiet "+checksums)
	if out := sh(t, "ruby -c "+dist(t, "tidings.rb")); !strings.Contains(out, "Syntax OK") {
		t.Error(out)
	}
}

// TestReleaseHasTheSameBytesTwice: $DIST_AGAIN was built from another clone, with an empty cache.
func TestReleaseHasTheSameBytesTwice(t *testing.T) {
	again := os.Getenv("DIST_AGAIN")
	once, err := os.ReadFile(filepath.Join(os.Getenv("DIST"), checksums))
	if err != nil {
		t.Fatal(err)
	}
	twice, err := os.ReadFile(filepath.Join(again, checksums))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(once, twice) {
		t.Errorf("once:\n%s\ntwice:\n%s", once, twice)
	}
}
