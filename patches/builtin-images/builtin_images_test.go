package containerd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// stageAfter stages the images below a directory that is not there yet, after the directory was prepared.
func stageAfter(t *testing.T, prepare func(directory string)) string {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "agent", "images")
	prepare(directory)
	logrus.Errors, logrus.Infos = nil, nil
	stageBuiltinImages(&config.Node{Images: directory})
	return directory
}

// without runs a test of a k3s that does not carry these images.
func without(t *testing.T, images *[]byte) {
	t.Helper()
	carried := *images
	*images = nil
	t.Cleanup(func() { *images = carried })
}

// put writes a file that is an hour old.
func put(directory, name string, content []byte) {
	path := filepath.Join(directory, name)
	old := time.Now().Add(-time.Hour)
	for _, err := range []error{os.MkdirAll(directory, 0755), os.WriteFile(path, content, 0644), os.Chtimes(path, old, old)} {
		if err != nil {
			panic(err)
		}
	}
}

// both prepares a directory in which both archives are staged.
func both(directory string) {
	put(directory, builtinPauseName, builtinPause)
	put(directory, builtinImagesName(), builtinImages)
}

// contains asserts that the directory has files with these contents and no others, and that nothing failed.
func contains(t *testing.T, directory string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if found, err := os.ReadFile(filepath.Join(directory, name)); err != nil || !bytes.Equal(found, content) {
			t.Errorf("%s contains %q (%v)", name, found, err)
		}
	}
	if entries, _ := os.ReadDir(directory); len(entries) != len(files) {
		t.Errorf("the directory has %v", entries)
	}
	if len(logrus.Errors) != 0 {
		t.Errorf("logged %q", logrus.Errors)
	}
}

func carried() map[string][]byte {
	return map[string][]byte{builtinPauseName: builtinPause, builtinImagesName(): builtinImages}
}

func age(t *testing.T, directory, name string) time.Duration {
	t.Helper()
	info, err := os.Stat(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(info.ModTime())
}

func TestMissingDirectoryIsCreatedForItsOwnerOnly(t *testing.T) {
	directory := stageAfter(t, func(string) {})
	contains(t, directory, carried())
	if info, err := os.Stat(directory); err != nil || info.Mode().Perm() != 0700 {
		t.Errorf("the directory is %v (%v)", info.Mode(), err)
	}
}

func TestDiskUseIsLogged(t *testing.T) {
	directory := stageAfter(t, func(string) {})
	if len(logrus.Infos) != 2 || !strings.Contains(logrus.Infos[1], filepath.Join(directory, builtinImagesName())+", which takes 1 KiB") {
		t.Errorf("logged %q", logrus.Infos)
	}
}

func TestStagedImagesAreNotWrittenAgain(t *testing.T) {
	directory := stageAfter(t, both)
	contains(t, directory, carried())
	for name := range carried() {
		if age(t, directory, name) < time.Hour/2 {
			t.Errorf("%s was written again, and k3s would import it again", name)
		}
	}
	if len(logrus.Infos) != 0 {
		t.Errorf("logged %q", logrus.Infos)
	}
}

func TestChangedFilesUnderTheNamesAreReplaced(t *testing.T) {
	for _, other := range [][]byte{nil, []byte("an archiv"), []byte("an archive and more")} {
		directory := stageAfter(t, func(directory string) {
			put(directory, builtinPauseName, other)
			put(directory, builtinImagesName(), other)
		})
		contains(t, directory, carried())
	}
}

func TestUpgradeReplacesTheOtherVersions(t *testing.T) {
	directory := stageAfter(t, func(directory string) {
		put(directory, builtinArchiveName(builtinDigest([]byte("older"))), []byte("older"))
		put(directory, builtinImagesName()+builtinTemporarySuffix, []byte("hal"))
		put(directory, builtinArchiveName(builtinDigest([]byte("killed")))+builtinTemporarySuffix, []byte("kil"))
		put(directory, builtinPauseName+builtinTemporarySuffix, []byte("hal"))
	})
	contains(t, directory, carried())
}

func TestFilesOfTheUserStay(t *testing.T) {
	users := map[string][]byte{
		builtinArchiveName("0123456789abcdef"): []byte("not with this digest"),
		builtinImagesPrefix + "mine.tar.zst":   []byte("mine"),
		"mine.tar":                             []byte("mine"),
		"k3s-airgap-images-riscv64.tar.zst":    []byte("upstream's name"),
	}
	directory := stageAfter(t, func(directory string) {
		for name, content := range users {
			put(directory, name, content)
		}
	})
	for name, content := range carried() {
		users[name] = content
	}
	contains(t, directory, users)
}

func TestImagesThatAreNotCarriedAreRemoved(t *testing.T) {
	without(t, &builtinImages)
	directory := stageAfter(t, func(directory string) {
		both(directory)
		put(directory, builtinArchiveName(builtinDigest([]byte("older"))), []byte("older"))
	})
	contains(t, directory, map[string][]byte{builtinPauseName: builtinPause})
	without(t, &builtinPause)
	contains(t, stageAfter(t, both), nil)
	directory = stageAfter(t, func(string) {})
	if _, err := os.Stat(directory); !os.IsNotExist(err) {
		t.Errorf("the directory was created (%v)", err)
	}
}

func TestFailureIsLoggedAndNothingIsLeftBehind(t *testing.T) {
	directory := stageAfter(t, func(directory string) {
		if err := os.MkdirAll(filepath.Join(directory, builtinPauseName, "in the way"), 0755); err != nil {
			t.Fatal(err)
		}
	})
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 2 {
		t.Errorf("the directory has %v (%v)", entries, err)
	}
	if len(logrus.Errors) != 1 || !strings.Contains(logrus.Errors[0], builtinPauseName) {
		t.Errorf("logged %q", logrus.Errors)
	}
	stageAfter(t, func(directory string) {
		if err := os.WriteFile(filepath.Dir(directory), []byte("a file"), 0644); err != nil {
			t.Fatal(err)
		}
	})
	if len(logrus.Errors) != 3 {
		t.Errorf("logged %q", logrus.Errors)
	}
}
