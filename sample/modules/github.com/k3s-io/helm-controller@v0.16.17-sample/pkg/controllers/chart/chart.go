// Package chart stands for the real one in the sample.
package chart

// DefaultJobImage is the image of the job that installs a chart. Newer releases of k3s set another
// one at linking time.
var DefaultJobImage = "rancher/klipper-helm:v0.9.10-build20251111"
