module github.com/Microsoft/hcsshim

go 1.22
