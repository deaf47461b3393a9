//! Loads the conformance vectors for tests.
