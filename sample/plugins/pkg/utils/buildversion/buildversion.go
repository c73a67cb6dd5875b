// Package buildversion holds what the linker says about this build.
package buildversion

// BuildVersion is filled in at linking time.
var BuildVersion = "version unknown"

// BuildString is what a plugin says about itself.
func BuildString(plugin string) string {
	return "CNI " + plugin + " plugin " + BuildVersion + " (sample)"
}
