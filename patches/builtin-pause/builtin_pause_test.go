package containerd

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/k3s-io/k3s/pkg/daemons/config"
	"github.com/sirupsen/logrus"
)

// stage stages the image below a directory that is not there yet, after the directory was prepared.
func stage(t *testing.T, prepare func(directory string)) (directory string, said []string) {
	t.Helper()
	directory = filepath.Join(t.TempDir(), "agent", "images")
	prepare(directory)
	logrus.Said = nil
	stageBuiltinPause(&config.Node{Images: directory})
	return directory, logrus.Said
}

// holding prepares a directory in which the image's name is taken by a file that is an hour old.
func holding(content []byte) func(string) {
	return func(directory string) {
		path := filepath.Join(directory, builtinPauseName)
		old := time.Now().Add(-time.Hour)
		for _, err := range []error{os.MkdirAll(directory, 0755), os.WriteFile(path, content, 0644), os.Chtimes(path, old, old)} {
			if err != nil {
				panic(err)
			}
		}
	}
}

// onlyTheImage asserts that the directory holds the image and nothing else.
func onlyTheImage(t *testing.T, directory string, said []string) {
	t.Helper()
	found, err := os.ReadFile(filepath.Join(directory, builtinPauseName))
	if err != nil || !bytes.Equal(found, builtinPause) || len(builtinPause) == 0 {
		t.Errorf("the directory holds %q (%v), not the image", found, err)
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
	if len(said) != 0 {
		t.Errorf("said %q", said)
	}
}

func age(t *testing.T, directory string) time.Duration {
	t.Helper()
	info, err := os.Stat(filepath.Join(directory, builtinPauseName))
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(info.ModTime())
}

func TestMissingDirectoryIsCreatedForItsOwnerOnly(t *testing.T) {
	directory, said := stage(t, func(string) {})
	onlyTheImage(t, directory, said)
	if info, err := os.Stat(directory); err != nil || info.Mode().Perm() != 0700 {
		t.Errorf("the directory is %v (%v)", info.Mode(), err)
	}
}

func TestTheImageIsNotWrittenASecondTime(t *testing.T) {
	directory, said := stage(t, holding(builtinPause))
	onlyTheImage(t, directory, said)
	if age(t, directory) < time.Hour/2 {
		t.Error("the image was written again, and k3s would import it again")
	}
}

func TestAnotherFileUnderTheNameIsReplaced(t *testing.T) {
	for _, other := range [][]byte{nil, builtinPause[:len(builtinPause)-1], append(builtinPause[:len(builtinPause):len(builtinPause)], 0)} {
		directory, said := stage(t, holding(other))
		onlyTheImage(t, directory, said)
		if age(t, directory) > time.Hour/2 {
			t.Error("the file was left as it was")
		}
	}
}

func TestWhatAKilledStartHasLeftIsReplaced(t *testing.T) {
	directory, said := stage(t, func(directory string) {
		holding(nil)(directory)
		if err := os.WriteFile(filepath.Join(directory, builtinPauseName+".tmp"), []byte("half"), 0600); err != nil {
			t.Fatal(err)
		}
	})
	onlyTheImage(t, directory, said)
}

func TestAFailureIsReportedAndNothingIsLeftBehind(t *testing.T) {
	directory, said := stage(t, func(directory string) {
		if err := os.MkdirAll(filepath.Join(directory, builtinPauseName, "in the way"), 0755); err != nil {
			t.Fatal(err)
		}
	})
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v (%v)", entries, err)
	}
	if len(said) != 1 {
		t.Errorf("said %q", said)
	}
	_, said = stage(t, func(directory string) {
		if err := os.WriteFile(filepath.Dir(directory), []byte("a file"), 0644); err != nil {
			t.Fatal(err)
		}
	})
	if len(said) != 1 {
		t.Errorf("said %q", said)
	}
}
