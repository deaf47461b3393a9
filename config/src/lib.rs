//! EncryptionConfiguration: decode, validate, match, lint and plan.
