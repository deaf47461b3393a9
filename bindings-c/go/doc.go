// Package k8senc reads, writes and judges what kube-apiserver stores encrypted in etcd, byte for byte as kube-apiserver does.
//
// A [Config] gives a [Chain] for each resource; a chain opens and seals stored values. KMS plugins are named by [WithKMS].
// [Transformer] is the same thing as a value.Transformer of k8s.io/apiserver. For authors of KMS plugins there are the checks
// of [CheckStatus] and [CheckEncrypt], the state machine of [KMSv2], and [Keyset].
//
// # Memory
//
// Long-lived keys (those of a configuration, DEKs, seeds, KEKs) live in memory of the library, outside the garbage-collected
// heap, and are wiped when their handle is closed or collected. What passes through Go: the text of a configuration (the
// caller's), plaintexts, and the answers of an [Unwrapper], which are cleared after they were handed over.
//
// Every method may be used by several goroutines at once. Close may be called at any time and more than once; it waits for
// calls that are under way, and later ones fail with [ErrClosed]. A handle that nobody closes is freed when it is collected.
//
// # Errors
//
// Errors of the library are of type *[Error]; errors.Is tells them apart by the sentinels that begin with Err. Its Upstream is
// the text of kube-apiserver, for logs that people compare.
package k8senc
