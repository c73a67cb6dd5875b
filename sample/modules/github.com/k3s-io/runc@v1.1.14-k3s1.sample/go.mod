module github.com/opencontainers/runc

go 1.22
