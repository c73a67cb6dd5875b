// Package hcsshim stands for the real one in the sample, which is only asked for its version.
package hcsshim
