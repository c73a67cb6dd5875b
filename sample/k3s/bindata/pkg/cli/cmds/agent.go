package cmds

var (
	PauseImageFlag = &StringFlag{
		Name:        "pause-image",
		Usage:       "(agent/runtime) Pause image of every sandbox",
		Destination: &AgentConfig.PauseImage,
		Value:       DefaultPauseImage,
	}
	SnapshotterFlag = &StringFlag{
		Name:        "snapshotter",
		Usage:       "(agent/runtime) Snapshotter of containerd",
		Destination: &AgentConfig.Snapshotter,
		Value:       DefaultSnapshotter,
	}
)
