package containerd

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// builtinPause is an image archive of the default pause image of this k3s, under its own name. It is
// empty if this k3s does not carry it.
//
//go:embed k3s-builtin-pause.tar
var builtinPause []byte

// builtinImages is an image archive of other default images, under the names that the manifests use. It
// is empty if this k3s carries none.
//
//go:embed k3s-builtin-images.tar.zst
var builtinImages []byte

const (
	// builtinPauseName is the name under which the pause image is staged. It is reserved: a file of this
	// name that the user put there is replaced.
	builtinPauseName = "k3s-builtin-pause.tar"

	// The name under which the other images are staged has the digest of the content between these two.
	// By it, the archive of another version of k3s is recognized and removed, and no file that the user
	// wrote.
	builtinImagesPrefix = "k3s-builtin-images-"
	builtinImagesSuffix = ".tar.zst"

	// builtinTemporarySuffix ends the name of a file that is not complete. It is none of an image archive's: k3s
	// does not import the file.
	builtinTemporarySuffix = ".tmp"
)

// stageBuiltinImages puts the built-in images among the images that are about to be imported, so that
// pods start where no registry can be reached, or where none has the image. It removes those that other
// versions of k3s have staged. A failure is reported and nothing more: the images may have been imported
// before, or may be pulled.
func stageBuiltinImages(cfg *config.Node) {
	if err := removeObsoleteBuiltinImages(cfg.Images, builtinImagesName()); err != nil {
		logrus.Errorf("Failed to remove obsolete built-in images from %s: %v", cfg.Images, err)
	}
	if len(builtinPause) > 0 {
		stageBuiltinArchive(filepath.Join(cfg.Images, builtinPauseName), builtinPause)
	}
	if len(builtinImages) > 0 {
		stageBuiltinArchive(filepath.Join(cfg.Images, builtinImagesName()), builtinImages)
	}
}

// builtinImagesName returns the name under which the images other than pause are staged.
func builtinImagesName() string {
	return builtinArchiveName(builtinDigest(builtinImages))
}

// builtinArchiveName returns the name of a staged archive whose content has this digest.
func builtinArchiveName(digest string) string {
	return builtinImagesPrefix + digest[:16] + builtinImagesSuffix
}

// builtinDigest returns the SHA-256 digest of a text.
func builtinDigest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// builtinDigestOfFile returns the SHA-256 digest of a file.
func builtinDigestOfFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return hex.EncodeToString(hash.Sum(nil)), err
}

// stageBuiltinArchive writes an archive, unless it is there already, and logs its size.
func stageBuiltinArchive(path string, content []byte) {
	if present, err := builtinDigestOfFile(path); err == nil && present == builtinDigest(content) {
		return
	}
	if err := writeBuiltinArchive(path, content); err != nil {
		logrus.Errorf("Failed to stage the built-in images in %s: %v", path, err)
		return
	}
	logrus.Infof("Staged built-in images in %s, which takes %d KiB of disk", path, (len(content)+1023)>>10)
}

// writeBuiltinArchive writes a file, which appears by rename, because the directory is watched and a half-written
// archive would be imported.
func writeBuiltinArchive(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+builtinTemporarySuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(path+builtinTemporarySuffix, path)
	}
	if err != nil {
		os.Remove(path + builtinTemporarySuffix)
	}
	return err
}

// removeObsoleteBuiltinImages removes what other versions of k3s have staged, and what they were writing when they
// were killed. A file that does not have the digest in its name is the user's, and stays.
func removeObsoleteBuiltinImages(directory, current string) error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var failures []error
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(directory, entry.Name())
		if isObsoleteBuiltinImage(name, path, current) {
			failures = append(failures, os.Remove(path))
		}
	}
	return errors.Join(append(failures, err)...)
}

// isObsoleteBuiltinImage returns whether this k3s, or another version of it, staged a file that this one does not need.
func isObsoleteBuiltinImage(name, path, current string) bool {
	switch {
	case name == builtinPauseName, name == builtinPauseName+builtinTemporarySuffix:
		return len(builtinPause) == 0
	case !strings.HasPrefix(name, builtinImagesPrefix):
		return false
	case strings.HasSuffix(name, builtinImagesSuffix+builtinTemporarySuffix):
		return true
	case name == current && len(builtinImages) > 0:
		return false
	}
	found, err := builtinDigestOfFile(path)
	return err == nil && name == builtinArchiveName(found)
}
