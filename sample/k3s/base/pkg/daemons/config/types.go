// Package config holds what a node is told.
package config

// Node is the configuration of one node.
type Node struct {
	// Images is the directory whose image archives are imported at start.
	Images      string
	AgentConfig Agent
	Containerd  Containerd
}

// Agent is the part of it the kubelet would be told.
type Agent struct {
	// PauseImage is the image every sandbox is started from.
	PauseImage  string
	Snapshotter string
	// AirgapExtraRegistry are registries that every imported image is given a name of, too.
	AirgapExtraRegistry []string
}

// Containerd is the part of it containerd would be told.
type Containerd struct {
	Root string
}
