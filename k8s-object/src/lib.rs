//! What a stored Kubernetes plaintext is, and which resource an etcd key belongs to.
//!
//! Two questions that need no keys and no configuration:
//!
//! * [`classify`] and [`metadata`] look at bytes that are stored in etcd, or that a
//!   provider gave back, and say which of kube-apiserver's forms they have.
//! * [`parse_etcd_key`] reads an etcd key the way kube-apiserver builds it, and names
//!   the resource as an EncryptionConfiguration would (`nodes`, not `minions`).
//!
//! And one that needs the built-in types of Kubernetes: [`render`] writes a plaintext down as YAML or JSON.
//!
//! All are given bytes that an attacker may have written. None panics, and
//! none recurses deeper than a fixed limit. Nothing is copied but JSON strings that hold escapes.
#![no_std]

extern crate alloc;

mod builtin;
mod decode;
mod emit;
mod form;
mod json;
mod key;
mod mask;
mod proto;
mod render;
mod replay;
mod special;
mod starts;
mod types;
mod wire;
mod yaml;

pub use form::{Kind, Meta, TypeMeta, classify, looks_like_object, metadata};
pub use key::{EtcdKey, EtcdName, group_of, parse_etcd_key};
pub use render::{Form, Rendered, Unrendered, render, render_masked};
pub use starts::object_starts;
pub use types::Types;
