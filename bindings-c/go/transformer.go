package k8senc

import "context"

// Transformer is a chain as k8s.io/apiserver's value.Transformer: instantiate it with value.Context. Its stale flag is one bit,
// as there; a value of which nobody knows counts as fresh, since kube-apiserver always knows.
type Transformer[C interface{ AuthenticatedData() []byte }] struct {
	// Chain opens and seals.
	Chain *Chain
	// Key is what the first provider writes with, if that is a KMS.
	Key *WriteKey
}

// TransformFromStorage opens a stored value. The error's text is kube-apiserver's where it has one.
func (t Transformer[C]) TransformFromStorage(ctx context.Context, data []byte, dataCtx C) (out []byte, stale bool, err error) {
	opened, err := t.Chain.Open(ctx, data, dataCtx.AuthenticatedData())
	if err != nil {
		return nil, false, asUpstream(err)
	}
	return opened.Plaintext, opened.Stale == Stale, nil
}

// TransformToStorage seals a value.
func (t Transformer[C]) TransformToStorage(_ context.Context, data []byte, dataCtx C) (out []byte, err error) {
	out, err = t.Chain.Seal(t.Key, data, dataCtx.AuthenticatedData())
	if err != nil {
		return nil, asUpstream(err)
	}
	return out, nil
}

// upstreamError reads as kube-apiserver's own error, and is ours to errors.Is and errors.As.
type upstreamError struct{ ours *Error }

func (u upstreamError) Error() string { return u.ours.Upstream }

func (u upstreamError) Unwrap() error { return u.ours }

func asUpstream(err error) error {
	if ours, ok := err.(*Error); ok && ours.Upstream != "" {
		return upstreamError{ours}
	}
	return err
}
