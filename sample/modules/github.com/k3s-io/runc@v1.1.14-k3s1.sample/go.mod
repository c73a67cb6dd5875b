module github.com/opencontainers/runc

go 1.22

require github.com/seccomp/libseccomp-golang v0.10.0-sample
