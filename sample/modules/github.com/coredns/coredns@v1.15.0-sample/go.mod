// The replaced module is inside the repository, as one of Traefik's is, and so no part of this one.
module github.com/coredns/coredns

go 1.22.6

require github.com/coredns/inside v0.0.0

replace github.com/coredns/inside => ./inside
