// Package cmds holds the flags of the commands, and the checks every command begins with.
package cmds

import (
	"os"
	"strings"

	"github.com/k3s-io/k3s/pkg/version"
)

// StringFlag is an option with one value. The command line wins over the environment, and the
// environment over the default.
type StringFlag struct {
	Name        string
	Alias       string
	Usage       string
	EnvVar      string
	Destination *string
	Value       string
}

// Agent is what the command line says to a server or an agent.
type Agent struct {
	DataDir               string
	Token                 string
	ServerURL             string
	PauseImage            string
	Snapshotter           string
	SystemDefaultRegistry string
}

// AgentConfig is filled by Parse.
var AgentConfig Agent

// ServerFlags are the options that mean something here; all others are taken and logged.
var ServerFlags = []*StringFlag{
	{
		Name:        "data-dir",
		Alias:       "d",
		Usage:       "(data) Directory to hold state",
		Destination: &AgentConfig.DataDir,
		EnvVar:      version.ProgramUpper + "_DATA_DIR",
	},
	{
		Name:        "token",
		Alias:       "t",
		Usage:       "(cluster) Token to use for authentication",
		Destination: &AgentConfig.Token,
		EnvVar:      version.ProgramUpper + "_TOKEN",
	},
	{
		Name:        "server",
		Alias:       "s",
		Usage:       "(cluster) Server to connect to",
		Destination: &AgentConfig.ServerURL,
		EnvVar:      version.ProgramUpper + "_URL",
	},
	{
		Name:        "system-default-registry",
		Usage:       "(agent/runtime) Private registry to be used for all system images",
		Destination: &AgentConfig.SystemDefaultRegistry,
		EnvVar:      version.ProgramUpper + "_SYSTEM_DEFAULT_REGISTRY",
	},
	PauseImageFlag,
	SnapshotterFlag,
}

// switches are options of k3s without a value, so that what follows them is not taken for one.
const switches = " --debug --rootless --disable-agent --prefer-bundled-bin --docker --selinux --cluster-init --version -v --help -h "

// next cuts one option or word off args: its name (empty for a word), value, and the words left.
func next(args []string) (name, value string, rest []string) {
	word, rest := args[0], args[1:]
	if !strings.HasPrefix(word, "-") {
		return "", word, rest
	}
	name, value, attached := strings.Cut(word, "=")
	if !attached && !strings.Contains(switches, " "+name+" ") && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		value, rest = rest[0], rest[1:]
	}
	return name, value, rest
}

// Parse sets the destinations of flags, and returns the options it does not know.
func Parse(args []string, flags []*StringFlag) (unknown []string) {
	known := map[string]*StringFlag{}
	for _, flag := range flags {
		*flag.Destination = flag.Value
		if value := os.Getenv(flag.EnvVar); flag.EnvVar != "" && value != "" {
			*flag.Destination = value
		}
		known["--"+flag.Name] = flag
		if flag.Alias != "" {
			known["-"+flag.Alias] = flag
		}
	}
	for len(args) > 0 {
		var name, value string
		name, value, args = next(args)
		switch flag, ok := known[name]; {
		case ok:
			*flag.Destination = value
		case name != "":
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// Command returns the first word of args that is neither an option nor the value of one, and what
// follows it. Asking for the version or for help is a command, too.
func Command(args []string) (command string, rest []string) {
	for len(args) > 0 {
		var name, value string
		name, value, args = next(args)
		switch name {
		case "":
			return value, args
		case "--version", "-v", "--help", "-h":
			return name, args
		}
	}
	return "", nil
}
