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

// stage stages the image below a folder that is not there yet, after the folder was prepared.
func stage(t *testing.T, prepare func(folder string)) (folder string, said []string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "agent", "images")
	prepare(folder)
	logrus.Said = nil
	stageBuiltinPause(&config.Node{Images: folder})
	return folder, logrus.Said
}

// holding prepares a folder in which the image's name is taken by a file that is an hour old.
func holding(content []byte) func(string) {
	return func(folder string) {
		path := filepath.Join(folder, builtinPauseName)
		old := time.Now().Add(-time.Hour)
		for _, err := range []error{os.MkdirAll(folder, 0755), os.WriteFile(path, content, 0644), os.Chtimes(path, old, old)} {
			if err != nil {
				panic(err)
			}
		}
	}
}

// onlyTheImage asserts that the folder holds the image and nothing else.
func onlyTheImage(t *testing.T, folder string, said []string) {
	t.Helper()
	found, err := os.ReadFile(filepath.Join(folder, builtinPauseName))
	if err != nil || !bytes.Equal(found, builtinPause) || len(builtinPause) == 0 {
		t.Errorf("the folder holds %q (%v), not the image", found, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	if len(said) != 0 {
		t.Errorf("said %q", said)
	}
}

func age(t *testing.T, folder string) time.Duration {
	t.Helper()
	info, err := os.Stat(filepath.Join(folder, builtinPauseName))
	if err != nil {
		t.Fatal(err)
	}
	return time.Since(info.ModTime())
}

func TestAMissingFolderIsMadeForItsOwnerOnly(t *testing.T) {
	folder, said := stage(t, func(string) {})
	onlyTheImage(t, folder, said)
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0700 {
		t.Errorf("the folder is %v (%v)", info.Mode(), err)
	}
}

func TestTheImageIsNotWrittenASecondTime(t *testing.T) {
	folder, said := stage(t, holding(builtinPause))
	onlyTheImage(t, folder, said)
	if age(t, folder) < time.Hour/2 {
		t.Error("the image was written again, and k3s would import it again")
	}
}

func TestAnotherFileUnderTheNameIsReplaced(t *testing.T) {
	for _, other := range [][]byte{nil, builtinPause[:len(builtinPause)-1], append(builtinPause[:len(builtinPause):len(builtinPause)], 0)} {
		folder, said := stage(t, holding(other))
		onlyTheImage(t, folder, said)
		if age(t, folder) > time.Hour/2 {
			t.Error("the file was left as it was")
		}
	}
}

func TestWhatAKilledStartHasLeftIsReplaced(t *testing.T) {
	folder, said := stage(t, func(folder string) {
		holding(nil)(folder)
		if err := os.WriteFile(filepath.Join(folder, builtinPauseName+".tmp"), []byte("half"), 0600); err != nil {
			t.Fatal(err)
		}
	})
	onlyTheImage(t, folder, said)
}

func TestAFailureIsReportedAndNothingIsLeftBehind(t *testing.T) {
	folder, said := stage(t, func(folder string) {
		if err := os.MkdirAll(filepath.Join(folder, builtinPauseName, "in the way"), 0755); err != nil {
			t.Fatal(err)
		}
	})
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	if len(said) != 1 {
		t.Errorf("said %q", said)
	}
	_, said = stage(t, func(folder string) {
		if err := os.WriteFile(filepath.Dir(folder), []byte("a file"), 0644); err != nil {
			t.Fatal(err)
		}
	})
	if len(said) != 1 {
		t.Errorf("said %q", said)
	}
}
