package guard

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Manifest identifies the state of Pebble's manifest, the file that lists the tables of a store.
type Manifest struct {
	Name string
	Size int64
}

// ReadManifest returns the manifest of a store that is closed. Pass it to the next [Open], which then notices if the end of
// the manifest is missing.
func ReadManifest(fsys vfs.FS, dir string) (m Manifest, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return m, err
	}
	m.Name = ManifestName(names)
	info, err := fsys.Stat(fsys.PathJoin(dir, m.Name))
	if err != nil {
		return m, err
	}
	m.Size = info.Size()
	return m, nil
}

// MarkerPrefix begins the name of the file that names the manifest. A directory with such a file has a store. Where the marker
// is missing, Pebble would begin a new store and remove the files of the old one.
const MarkerPrefix = "marker.manifest."

// ManifestName returns the name of the manifest, given the names of all files in a directory; "" if there is no store. A
// crash may leave several markers; the one with the highest number counts.
func ManifestName(names []string) (manifest string) {
	newest := -1
	for _, name := range names {
		var number int
		var named string
		if n, _ := fmt.Sscanf(name, MarkerPrefix+"%d.%s", &number, &named); n == 2 && number > newest {
			newest, manifest = number, named
		}
	}
	return manifest
}

// SyncDir makes the entries of a directory durable.
func SyncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
