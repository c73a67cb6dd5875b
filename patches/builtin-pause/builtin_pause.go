package containerd

import (
	"bytes"
	_ "embed"
	"os"
	"path/filepath"

	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// builtinPauseName is the name under which the built-in pause image is staged. It is reserved: a file
// of this name that the user put there is replaced.
const builtinPauseName = "k3s-builtin-pause.tar"

// builtinPause is an image archive that holds the default pause image of this k3s under its own name.
//
//go:embed k3s-builtin-pause.tar
var builtinPause []byte

// stageBuiltinPause puts the built-in pause image among the images that are about to be imported, so
// that pods start where no registry can be reached. A failure is reported and nothing more: the image
// may have been imported before, or may be pulled.
func stageBuiltinPause(cfg *config.Node) {
	if err := writeBuiltinPause(cfg.Images); err != nil {
		logrus.Errorf("Failed to stage the built-in pause image in %s: %v", cfg.Images, err)
	}
}

// writeBuiltinPause writes the image archive into a directory, unless it is there already. The archive
// appears by rename, because the directory is watched and a half-written archive would be imported; until
// then its name has a suffix that is none of an image archive's.
func writeBuiltinPause(directory string) error {
	path := filepath.Join(directory, builtinPauseName)
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, builtinPause) {
		return nil
	}
	if err := os.MkdirAll(directory, 0700); err != nil {
		return err
	}
	temporary := path + ".tmp"
	err := os.WriteFile(temporary, builtinPause, 0600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
	}
	return err
}
