// Package deploy carries the manifests that a server applies at start.
package deploy

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
)

// Stage writes the manifests into dir, with every key of templateVars replaced by its value, and
// returns what was written by its name.
func Stage(dir string, templateVars map[string]string) (map[string]string, error) {
	var pairs []string
	for key, value := range templateVars {
		pairs = append(pairs, key, value)
	}
	replacer := strings.NewReplacer(pairs...)
	written := map[string]string{}
	for _, name := range AssetNames() {
		content, err := Asset(name)
		if err != nil {
			return nil, err
		}
		written[name] = replacer.Replace(string(content))
		path := filepath.Join(dir, name)
		logrus.Info("Writing manifest: ", path)
		if err := os.MkdirAll(filepath.Dir(path), 0700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(written[name]), 0600); err != nil {
			return nil, err
		}
	}
	return written, nil
}
