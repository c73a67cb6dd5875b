package containerd

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// imageManifest is one entry of manifest.json in an archive made by `docker save`.
type imageManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// repoTags returns the names of the images in the archive at path. It is an error if the archive has
// no manifest.json, no image with a name, or does not contain a file that its manifest names.
func repoTags(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := decompressed(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	var images []imageManifest
	present := map[string]bool{}
	archive := tar.NewReader(content)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		present[header.Name] = true
		if header.Name == "manifest.json" {
			if err := json.NewDecoder(archive).Decode(&images); err != nil {
				return nil, fmt.Errorf("manifest.json: %w", err)
			}
		}
	}
	if !present["manifest.json"] {
		return nil, errors.New("not a docker archive: no manifest.json")
	}
	var tags []string
	for _, image := range images {
		for _, name := range append([]string{image.Config}, image.Layers...) {
			if !present[name] {
				return nil, fmt.Errorf("manifest.json names %q, which is not in the archive", name)
			}
		}
		tags = append(tags, image.RepoTags...)
	}
	if len(tags) == 0 {
		return nil, errors.New("manifest.json names no image")
	}
	return tags, nil
}

// decompressed reads a file that is compressed if its name says so, with the limit that k3s sets for the
// decoder (rancher/wharfie, pkg/tarfile).
func decompressed(file *os.File) (io.ReadCloser, error) {
	if !strings.HasSuffix(file.Name(), ".zst") {
		return file, nil
	}
	decoder, err := zstd.NewReader(file, zstd.WithDecoderMaxMemory(maxDecoderMemory))
	if err != nil {
		return nil, err
	}
	return decoder.IOReadCloser(), nil
}

// maxDecoderMemory bounds the window of a compressed image archive.
const maxDecoderMemory = 1 << 25
