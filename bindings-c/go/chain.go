package k8senc

// #include <k8senc.h>
import "C"

import (
	"errors"
	"strings"
	"sync/atomic"
	"unsafe"
)

// ChainOption is an option of Config.Chain.
type ChainOption func(*chainOptions)

type chainOptions struct {
	kms  map[string]Unwrapper
	deks *DEKTable
}

// WithKMS has the KMS provider `name` of the configuration ask unwrapper. Identical questions of several goroutines are asked
// once, and answers are remembered as long as the table of DEKs lives.
func WithKMS(name string, unwrapper Unwrapper) ChainOption {
	return func(o *chainOptions) {
		if o.kms == nil {
			o.kms = make(map[string]Unwrapper)
		}
		o.kms[name] = unwrapper
	}
}

// WithDEKTable shares a table of DEKs with other chains. The caller closes it.
func WithDEKTable(table *DEKTable) ChainOption {
	return func(o *chainOptions) { o.deks = table }
}

// Chain is the providers of one resource, in order: the first writes, all read.
type Chain struct {
	handle *handle
	deks   *DEKTable
	owns   bool
	asker  *asker
	// asksKMS is whether a provider is a KMS, and lockstep whether values are sealed faster side by side.
	asksKMS, lockstep bool
	// overhead is what the last value took beyond its plaintext. With another key it may be more, and then the library says so.
	overhead atomic.Int64
	// spare is how many bytes shorter than stored values plaintexts have been, at least.
	spare atomic.Int64
}

// Chain gives what kube-apiserver uses for a resource of storage, such as "secrets" or "deployments.apps". It does not need
// the configuration any more.
func (c *Config) Chain(resource string, options ...ChainOption) (*Chain, error) {
	var o chainOptions
	for _, option := range options {
		option(&o)
	}
	pointer, err := c.handle.use()
	if err != nil {
		return nil, err
	}
	defer c.handle.release()
	owns := o.deks == nil
	if owns {
		if o.deks, err = NewDEKTable(); err != nil {
			return nil, err
		}
	}
	var made *C.k8senc_chain
	var failure *C.k8senc_error
	namePointer, nameLen := inString(resource)
	if err := fail(C.k8senc_chain_new((*C.k8senc_config)(pointer), namePointer, nameLen, &made, &failure), failure); err != nil {
		if owns {
			err = errors.Join(err, o.deks.Close())
		}
		return nil, err
	}
	chain := &Chain{
		handle: own(unsafe.Pointer(made), func(p unsafe.Pointer) { C.k8senc_chain_free((*C.k8senc_chain)(p)) }),
		deks:   o.deks,
		owns:   owns,
		asker:  &asker{deks: o.deks, kms: o.kms, running: make(map[[32]byte]*asking)},
	}
	chain.spare.Store(unlearned)
	if err := chain.describe(made); err != nil {
		return nil, errors.Join(err, chain.Close())
	}
	return chain, nil
}

func (c *Chain) describe(made *C.k8senc_chain) error {
	var described C.k8senc_buf
	var failure *C.k8senc_error
	if err := fail(C.k8senc_chain_describe(made, &described, &failure), failure); err != nil {
		return err
	}
	var providers []struct{ Kind string }
	if err := takeJSON(&described, &providers); err != nil {
		return err
	}
	for _, provider := range providers {
		c.asksKMS = c.asksKMS || strings.HasPrefix(provider.Kind, "kms")
	}
	c.lockstep = len(providers) > 0 && providers[0].Kind == "aescbc"
	return nil
}

// Close wipes the keys, and the DEKs unless they are shared.
func (c *Chain) Close() error {
	err := c.handle.close()
	if c.owns {
		err = errors.Join(err, c.deks.Close())
	}
	return err
}

// DEKs is the table of DEKs that the chain uses.
func (c *Chain) DEKs() *DEKTable { return c.deks }

// Staleness is whether kube-apiserver would rewrite a value at a no-op update.
type Staleness uint32

const (
	// Fresh is it would not.
	Fresh Staleness = C.K8SENC_STALE_FRESH
	// Stale is it would.
	Stale Staleness = C.K8SENC_STALE_STALE
	// StaleUnknown is it depends on what the KMS v2 plugin reports, which nobody asked.
	StaleUnknown Staleness = C.K8SENC_STALE_UNKNOWN
)

// Reasons says why a value is stale: a sum of the constants that begin with Reason.
type Reasons uint32

const (
	ReasonNotFirstProvider Reasons = C.K8SENC_REASON_NOT_FIRST_PROVIDER
	ReasonNotFirstKey      Reasons = C.K8SENC_REASON_NOT_FIRST_KEY
	ReasonLegacyBody       Reasons = C.K8SENC_REASON_LEGACY_BODY
	ReasonKeyID            Reasons = C.K8SENC_REASON_KEY_ID
	ReasonSourceType       Reasons = C.K8SENC_REASON_SOURCE_TYPE
)

// NoKey is Opened.Key of a provider without static keys.
const NoKey = -1

// Opened is a value that opened.
type Opened struct {
	// Plaintext is the caller's.
	Plaintext []byte
	// Stale is kube-apiserver's stale flag, and Reasons why it is set.
	Stale   Staleness
	Reasons Reasons
	// Provider and Key count in the chain and in its provider; Key may be NoKey.
	Provider, Key int
	// Unauthenticated is true for aescbc and for KMS v1 with a CBC body: one wrong key in 256 "opens" such a value.
	Unauthenticated bool
}
