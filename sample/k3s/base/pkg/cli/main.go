// Package cli chooses the command by the name the program was called by, or by its first word.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/k3s-io/k3s/pkg/cli/agent"
	"github.com/k3s-io/k3s/pkg/cli/cmds"
	"github.com/k3s-io/k3s/pkg/cli/server"
	"github.com/k3s-io/k3s/pkg/components"
	"github.com/k3s-io/k3s/pkg/datadir"
	"github.com/k3s-io/k3s/pkg/version"
	"github.com/sirupsen/logrus"
	client "k8s.io/client-go/pkg/version"
	crictl "sigs.k8s.io/cri-tools/pkg/version"
)

// programs answer to the name the program was called by.
var programs = map[string]func(args []string) error{
	"containerd": func(args []string) error { return printVersion(args, "containerd "+components.Containerd()) },
	"ctr":        func(args []string) error { return printVersion(args, "ctr "+components.Containerd()) },
	"crictl":     func(args []string) error { return printVersion(args, "crictl version "+crictl.Version) },
	"kubectl":    func(args []string) error { return printVersion(args, "Client Version: "+client.Get().GitVersion) },
}

// onlyInK3s are commands of k3s that have nothing to work on here.
var onlyInK3s = []string{"token", "etcd-snapshot", "certificate", "secrets-encrypt"}

// Main runs the command that args name, and ends the program if it fails.
func Main(args []string) {
	if program, ok := programs[filepath.Base(args[0])]; ok {
		exit(program(args[1:]))
	}
	command, rest := cmds.Command(args[1:])
	if program, ok := programs[command]; ok {
		exit(program(rest))
	}
	switch {
	case command == "server":
		exit(serve(args[1:], server.Run))
	case command == "agent":
		exit(serve(args[1:], agent.Run))
	case command == "--version":
		exit(printVersion(args[1:], fmt.Sprintf("%s version %s", version.Program, version.Version)))
	case command == "completion":
		exit(complete(rest))
	case slices.Contains(onlyInK3s, command):
		exit(fmt.Errorf("%s: this is a sample, not k3s", command))
	default:
		exit(fmt.Errorf("no command %q", command))
	}
}

func exit(err error) {
	if err != nil {
		logrus.Fatal(err)
	}
	os.Exit(0)
}

func printVersion(args []string, line string) error {
	if name, _ := cmds.Command(args); name != "version" && name != "--version" && name != "-v" {
		return fmt.Errorf("%q: this is a sample, not k3s: it only knows its version", args)
	}
	fmt.Println(line)
	return nil
}

// serve runs a server or an agent until SIGTERM or SIGINT, and then ends well.
func serve(args []string, run func(context.Context, cmds.Agent) error) error {
	logrus.Warnf("this is a sample, not k3s: it runs no pod")
	if unknown := cmds.Parse(args, cmds.ServerFlags); len(unknown) > 0 {
		logrus.Warnf("Taken and not used: %s", strings.Join(unknown, " "))
	}
	cfg := cmds.AgentConfig
	dataDir, err := datadir.Resolve(cfg.DataDir)
	if err != nil {
		return err
	}
	cfg.DataDir = dataDir
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return run(ctx, cfg)
}

// complete prints what a shell sources to complete the commands.
func complete(args []string) error {
	words := strings.Join(append([]string{"server", "agent", "completion", "kubectl", "crictl", "ctr"}, onlyInK3s...), " ")
	switch shell, _ := cmds.Command(args); shell {
	case "bash":
		fmt.Printf("complete -W '%s' %s\n", words, version.Program)
	case "zsh":
		fmt.Printf("compctl -k '(%s)' %s\n", words, version.Program)
	default:
		return fmt.Errorf("must provide a valid SHELL argument: bash or zsh, found %q", shell)
	}
	return nil
}
