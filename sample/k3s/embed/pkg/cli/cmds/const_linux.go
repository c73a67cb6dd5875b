//go:build linux

package cmds

const (
	DefaultSnapshotter = "overlayfs"
)
