//go:build k8senc_installed

package k8senc

// #cgo pkg-config: k8senc
import "C"
