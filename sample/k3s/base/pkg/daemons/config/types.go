// Package config contains the configuration of a node.
package config

// Node is the configuration of one node.
type Node struct {
	// Images is the directory whose image archives are imported at start.
	Images      string
	AgentConfig Agent
	Containerd  Containerd
}

// Agent is the part of it for the kubelet.
type Agent struct {
	// PauseImage is the image every sandbox is started from.
	PauseImage  string
	Snapshotter string
	// AirgapExtraRegistry are registries that every imported image is given a name of, too.
	AirgapExtraRegistry []string
}

// Containerd is the part of it for containerd.
type Containerd struct {
	Root string
}
