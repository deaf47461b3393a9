//! What a stored Kubernetes plaintext is, and which resource an etcd key belongs to.
