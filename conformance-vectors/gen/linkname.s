// Empty: a Go function without a body (go:linkname) needs an assembly file beside it.
