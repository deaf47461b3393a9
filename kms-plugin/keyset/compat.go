package keyset

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"

	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Reader reads what another plugin wrote.
type Reader struct {
	// Plugin names it in metrics and errors.
	Plugin string
	// Slot is that of the key that decrypts.
	Slot uint8
	// Decode says what to ask the KMS; ok is false where the bytes are not this plugin's.
	Decode func(Request) (call CompatCall, ok bool)
}

// CompatCall is one decryption by a KMS.
type CompatCall struct {
	Ciphertext, AssociatedData []byte
	EncryptionContext          map[string]string
}

func (e *Engine) compat(ctx context.Context, request Request) ([]byte, error) {
	var attempts []attempt
	for _, reader := range e.Compat {
		call, ok := reader.Decode(request)
		if !ok {
			continue
		}
		i := slices.IndexFunc(e.members, func(m *member) bool { return m.Slot == reader.Slot })
		if i < 0 {
			continue
		}
		m := e.members[i]
		raw, ok := m.Backend.(kek.Compat)
		if !ok {
			return nil, fail(codes.Unimplemented, "%s cannot decrypt what %s wrote", m.Name, reader.Plugin)
		}
		seed, err := m.call(ctx, opUnwrap, &m.unwraps, func(ctx context.Context) ([]byte, error) {
			return raw.Decrypt(ctx, call.Ciphertext, call.AssociatedData, call.EncryptionContext)
		})
		if err == nil {
			e.Recorder.Compat(reader.Plugin)
			return seed, nil
		}
		attempts = append(attempts, attempt{m.Name + " as " + reader.Plugin, err})
	}
	if attempts == nil {
		return nil, fail(codes.InvalidArgument, "this is no record of a keyset, and of no plugin that compat names")
	}
	return nil, allFailed("the value of another plugin cannot be opened now", attempts)
}
