//go:build !k8senc_installed

package k8senc

// The static library of this repository, put there by scripts/go-library. An installed one is used with
// -tags k8senc_installed.

/*
#cgo CFLAGS: -I${SRCDIR}/../include
#cgo linux,amd64 LDFLAGS: ${SRCDIR}/lib/linux_amd64/libk8senc.a
#cgo linux,arm64 LDFLAGS: ${SRCDIR}/lib/linux_arm64/libk8senc.a
#cgo darwin,amd64 LDFLAGS: ${SRCDIR}/lib/darwin_amd64/libk8senc.a
#cgo darwin,arm64 LDFLAGS: ${SRCDIR}/lib/darwin_arm64/libk8senc.a
#cgo linux LDFLAGS: -lm -ldl -lpthread
*/
import "C"
