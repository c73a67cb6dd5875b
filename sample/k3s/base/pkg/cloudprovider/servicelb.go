// Package cloudprovider stands for the built-in service load balancer.
package cloudprovider

// DefaultLBImage is the image of the pods that forward a service's ports.
var DefaultLBImage = "rancher/klipper-lb:v0.4.13"
