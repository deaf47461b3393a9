module k8senc.example/bench-cgo

go 1.26.0

require (
	github.com/k8senc/k8senc/bindings-c/go v0.0.0
	golang.org/x/crypto v0.54.0
)

require golang.org/x/sys v0.47.0

replace github.com/k8senc/k8senc/bindings-c/go => ../../bindings-c/go
