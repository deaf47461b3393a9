package kek

import "context"

// Problem is what is wrong with a backend's configuration. The caller adds the file, line and column.
type Problem struct {
	// Field is the path below the backend's block, as "auth.appRole.roleID"; empty for the block itself.
	Field string
	// What was found and what is needed, as one clause, never with a secret.
	What string
	// Hint says what to do, where that is not plain.
	Hint string
}

// Validator is the configuration of a backend: a pointer to a struct whose fields have yaml tags.
type Validator interface {
	// Validate looks at nothing but the values, and opens no file.
	Validate() []Problem
}

// Owner is a configuration that knows its key by its identity, without asking the KMS.
type Owner interface {
	// Owns says whether an identity is that of a version of the configured key.
	Owns(identity [][]byte) bool
}

// Compat is a backend that also decrypts what another plugin wrote with the same key. Each of them asks the KMS for one
// decryption and leaves what the bytes mean to the caller.
type Compat interface {
	// Decrypt decrypts ciphertext as the KMS made it. associatedData is bound beside it where the KMS has a place for it:
	// Vault's associated_data, Google's additionalAuthenticatedData, nothing for RSA. encryptionContext is AWS KMS's.
	// The caller clears the answer.
	Decrypt(ctx context.Context, ciphertext, associatedData []byte, encryptionContext map[string]string) ([]byte, error)
}
