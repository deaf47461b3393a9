module github.com/k8senc/k8senc/bindings-c/go

go 1.25
