//! Kubernetes encryption at rest, byte for byte as kube-apiserver does it.
#![no_std]
