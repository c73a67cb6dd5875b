// Package static carries the files a server hands out: the charts.
package static

import (
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
)

// Stage writes the static files below dir.
func Stage(dir string) error {
	for _, name := range AssetNames() {
		content, err := Asset(name)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, name)
		logrus.Info("Writing static file: ", path)
		if err := os.MkdirAll(filepath.Dir(path), 0700); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0600); err != nil {
			return err
		}
	}
	return nil
}
