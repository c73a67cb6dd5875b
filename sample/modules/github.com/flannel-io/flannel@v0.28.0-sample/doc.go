// Package flannel stands for the real one in the sample, which is only asked for its version.
package flannel
