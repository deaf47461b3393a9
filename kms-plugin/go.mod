module github.com/k8senc/k8senc/kms-plugin

go 1.26.0
