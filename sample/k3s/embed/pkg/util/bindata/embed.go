// Package bindata gives an embedded directory the functions that go-bindata used to generate.
package bindata

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

// Bindata is an embedded directory.
type Bindata struct {
	FS     *embed.FS
	Prefix string
}

// Asset returns the content of one asset.
func (b Bindata) Asset(name string) ([]byte, error) {
	return b.FS.ReadFile(path.Join(b.Prefix, name))
}

// AssetNames returns the names of all assets, sorted. Hidden files are none: .empty is there only so
// that the directory can be embedded before anything was copied into it.
func (b Bindata) AssetNames() []string {
	var names []string
	// The walk is lexical, and the files are in memory: it cannot fail.
	_ = fs.WalkDir(b.FS, b.Prefix, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, strings.TrimPrefix(name, b.Prefix+"/"))
		}
		return err
	})
	return names
}
