//! Read-only reader of etcd v3 backend files and snapshots.
