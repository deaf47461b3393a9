//! Kubernetes encryption at rest, byte for byte as kube-apiserver does it.
//!
//! The core never calls out: it has no socket, file, clock or random source. What it needs is an argument, what it
//! lacks is an answer. A value whose DEK is not known yet answers [`Answer::Needs`](chain::Answer::Needs) with the exact
//! Decrypt request; the caller asks the KMS however it likes, supplies the DEK to its [`DekTable`](kms::DekTable) and asks again.
//!
//! ```
//! use k8senc::{chain::{Answer, Chain, NamedKey, ProviderSpec}, crypto::PORTABLE, kms::DekTable, secret::SecretBytes};
//! let key = NamedKey { name: "key1".into(), secret: SecretBytes::from_slice(&[7; 32]) };
//! let chain = Chain::new(vec![ProviderSpec::AesGcm(vec![key]), ProviderSpec::Identity], &PORTABLE)?;
//! let Answer::Opened(opened) = chain.open(b"{}", b"/registry/secrets/default/a", &DekTable::new())? else { panic!() };
//! assert_eq!(opened.plaintext.reveal(), b"{}");
//! assert_eq!(opened.how.stale.as_bool(), Some(true)); // identity is not the first provider
//! # Ok::<(), k8senc::Error>(())
//! ```
#![no_std]

extern crate alloc;

pub mod chain;
mod constant_time;
pub mod crypto;
mod error;
pub mod inspect;
pub mod kms;
pub mod secret;
pub mod text;
pub mod wire;

pub use error::{Error, KmsCall};
