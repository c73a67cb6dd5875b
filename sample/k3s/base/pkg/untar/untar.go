// Package untar unpacks the data tarball by the rules of k3s: a decoder limited to 32 MiB, regular
// files, directories and symbolic links only, and no name that leaves the directory.
package untar

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxDecoderMemory bounds the zstd window: data packed with --long=26 is refused.
const maxDecoderMemory = 1 << 25

// Untar writes the zstd-compressed tar file r into dir.
func Untar(r io.Reader, dir string) error {
	body, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxDecoderMemory))
	if err != nil {
		return fmt.Errorf("opening the zstd-compressed body: %w", err)
	}
	defer body.Close()
	archive := tar.NewReader(body)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("tar error: %w", err)
		}
		if err := unpack(header, archive, dir); err != nil {
			return err
		}
	}
}

// unpack writes one entry. archive/tar gives a hard link the mode of a regular file and no content,
// so it becomes an empty file here, as it does in k3s; the sums find it afterwards.
func unpack(header *tar.Header, content io.Reader, dir string) error {
	if !validRelPath(header.Name) {
		return fmt.Errorf("tar contained invalid name error %q", header.Name)
	}
	path := filepath.Join(dir, header.Name)
	mode := header.FileInfo().Mode()
	switch {
	case mode.IsRegular():
		if err := os.MkdirAll(filepath.Dir(path), 0755); err != nil {
			return err
		}
		return writeFile(path, mode.Perm(), content)
	case mode.IsDir():
		return os.MkdirAll(path, 0755)
	case mode.Type() == os.ModeSymlink:
		return os.Symlink(header.Linkname, path)
	default:
		return fmt.Errorf("tar file entry %s contained unsupported file type %v", header.Name, mode)
	}
}

func writeFile(path string, perm os.FileMode, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func validRelPath(name string) bool {
	return name != "" && !strings.HasPrefix(name, "/") &&
		!strings.Contains(name, "../") && !strings.Contains(name, `\`)
}
