// Package data carries the compressed tarball of everything but the wrapper.
package data
