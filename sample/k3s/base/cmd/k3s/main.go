// Command k3s is the single binary: it carries everything else as one compressed tarball, unpacks it
// on first use, verifies it, and becomes the program that was asked for.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/data"
	"github.com/k3s-io/k3s/pkg/datadir"
	"github.com/k3s-io/k3s/pkg/dataverify"
	"github.com/k3s-io/k3s/pkg/flock"
	"github.com/k3s-io/k3s/pkg/untar"
	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
)

var (
	// Each of these is the program k3s-<command>, which gets the arguments as they were given.
	internalCommands = []string{"server", "agent", "token", "etcd-snapshot", "secrets-encrypt", "certificate", "completion"}
	// Each of these is a program of its own name, which gets the arguments after the command.
	externalCommands = []string{"kubectl", "crictl", "ctr", "check-config"}
)

func main() {
	if err := run(os.Args); err != nil {
		logrus.Fatal(err)
	}
}

func run(args []string) error {
	dataDir, err := findDataDir(args)
	if err != nil {
		return err
	}
	if name := filepath.Base(args[0]); name != "check-config" && contains(externalCommands, name) {
		return stageAndRun(dataDir, name, append([]string{name}, args[1:]...))
	}
	command, rest := cmds.Command(args[1:])
	switch {
	case contains(internalCommands, command):
		return stageAndRun(dataDir, version.Program+"-"+command, args)
	case contains(externalCommands, command):
		return stageAndRun(dataDir, command, append([]string{command}, rest...))
	case command == "--version" || command == "-v":
		fmt.Printf("%s version %s (%s)\n", version.Program, version.Version, version.GitCommit)
		fmt.Printf("go version %s\n", runtime.Version())
		return nil
	case command == "" || command == "--help" || command == "-h" || command == "help":
		fmt.Printf("%s: a sample of k3s, not k3s\ncommands: %s\n", version.Program,
			strings.Join(append(internalCommands, externalCommands...), " "))
		return nil
	default:
		return fmt.Errorf("no command %q", command)
	}
}

func contains(list []string, name string) bool {
	for _, entry := range list {
		if entry == name {
			return true
		}
	}
	return false
}

// findDataDir asks the environment, the arguments and the default, in this order.
func findDataDir(args []string) (string, error) {
	if dir := os.Getenv(version.ProgramUpper + "_DATA_DIR"); dir != "" {
		return dir, nil
	}
	var dir string
	cmds.Parse(args[1:], []*cmds.StringFlag{{Name: "data-dir", Alias: "d", Destination: &dir}})
	return datadir.Resolve(dir)
}

// stageAndRun unpacks what is not unpacked yet, and becomes the program of the given name: one of
// the data directory if it has it, since its bin directory comes before the user's PATH.
func stageAndRun(dataDir, name string, args []string) error {
	dir, err := extract(dataDir)
	if err != nil {
		return fmt.Errorf("extracting data: %w", err)
	}
	path := pathList(dir)
	if contains(args, "--prefer-bundled-bin") {
		path = append(path, filepath.Join(dir, "bin", "aux"), os.Getenv("PATH"))
	} else {
		path = append(path, os.Getenv("PATH"), filepath.Join(dir, "bin", "aux"))
	}
	if err := os.Setenv("PATH", strings.Join(path, string(os.PathListSeparator))); err != nil {
		return err
	}
	program, err := exec.LookPath(name)
	if err != nil {
		return err
	}
	return runExec(program, args)
}

// extract returns the directory that holds the unpacked asset. It is named after the sum of the
// tarball, and appears by rename once it is unpacked and verified.
func extract(dataDir string) (string, error) {
	asset := data.AssetNames()[0]
	sum, _, _ := strings.Cut(filepath.Base(asset), ".")
	dir := filepath.Join(dataDir, "data", sum)
	for _, candidate := range []string{dir, filepath.Join(datadir.DefaultDataDir, "data", sum)} {
		if _, err := os.Stat(filepath.Join(candidate, "bin", "k3s")); err == nil {
			return candidate, nil
		}
	}

	if err := os.MkdirAll(filepath.Dir(dir), 0755); err != nil {
		return "", err
	}
	lockFile := filepath.Join(dataDir, "data", ".lock")
	logrus.Infof("Acquiring lock file %s", lockFile)
	lock, err := flock.Acquire(lockFile)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	logrus.Infof("Preparing data dir %s", dir)
	content, err := data.Asset(asset)
	if err != nil {
		return "", err
	}
	unpacked := dir + "-tmp"
	defer os.RemoveAll(unpacked)
	os.RemoveAll(unpacked)
	if err := untar.Untar(bytes.NewReader(content), unpacked); err != nil {
		return "", err
	}
	if err := dataverify.Verify(filepath.Join(unpacked, "bin")); err != nil {
		return "", err
	}
	return dir, publish(dataDir, unpacked, dir)
}

// publish keeps the previous version reachable and gives the new directory its name.
func publish(dataDir, unpacked, dir string) error {
	current := filepath.Join(dataDir, "data", "current")
	if _, err := os.Lstat(current); err == nil {
		if err := os.Rename(current, filepath.Join(dataDir, "data", "previous")); err != nil {
			return err
		}
	}
	if err := os.Symlink(dir, current); err != nil {
		return err
	}
	if err := os.Rename(unpacked, dir); err != nil {
		return err
	}
	return linkCNI(dir)
}
