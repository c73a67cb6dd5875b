//go:build linux

package cmds

const (
	DefaultPauseImage  = "rancher/mirrored-pause:3.6"
	DefaultSnapshotter = "overlayfs"
)
