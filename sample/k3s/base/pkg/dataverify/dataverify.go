// Package dataverify holds an unpacked bin directory against the two lists that came with it.
package dataverify

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
)

// Verify checks every entry of dir/.sha256sums and dir/.links. Both lists must have entries; files
// that are in neither are not looked at.
func Verify(dir string) error {
	if err := errors.Join(
		verifyList(dir, ".sha256sums", sumThenName, sha256Sum),
		verifyList(dir, ".links", nameThenTarget, os.Readlink),
	); err != nil {
		return fmt.Errorf("failed to verify directory %s: %w", dir, err)
	}
	return nil
}

type splitter func(first, second string) (name, want string)

func sumThenName(sum, name string) (string, string)       { return name, sum }
func nameThenTarget(name, target string) (string, string) { return name, target }

// verifyList compares what actual says about every name in the list with what the list says.
func verifyList(dir, list string, split splitter, actual func(string) (string, error)) error {
	content, err := os.ReadFile(filepath.Join(dir, list))
	if err != nil {
		return err
	}
	entries, failed := 0, 0
	for _, line := range strings.Split(string(content), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 2 {
			return fmt.Errorf("%s: expected two fields in %q", list, line)
		}
		entries++
		name, want := split(fields[0], fields[1])
		if got, err := actual(filepath.Join(dir, name)); err != nil || got != want {
			logrus.Errorf("%s: %s expected to be %s, found %q (fail)", list, name, want, got)
			failed++
		}
	}
	if entries == 0 {
		return fmt.Errorf("no entries found in %s", list)
	}
	if failed != 0 {
		return fmt.Errorf("%s: %d of %d verifications failed", list, failed, entries)
	}
	return nil
}

func sha256Sum(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
