//! The stored formats, one file each. What a value starts with is in [`prefix`].

pub mod aescbc;
pub mod aesgcm;
pub mod kmsv1;
pub mod kmsv2;
pub mod prefix;
pub mod secretbox;
