//! Which kube-apiserver is asked: what changed in the reading of this file, and when.

use core::fmt;
use core::str::FromStr;

/// A minor release of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u16);

impl Version {
    /// The first release with encryption at rest.
    pub const OLDEST: Self = Self(7);
    /// The release whose code the vectors were recorded from.
    pub const LATEST: Self = Self(37);

    /// Kubernetes 1.`minor`.
    #[must_use]
    pub const fn new(minor: u16) -> Self {
        Self(minor)
    }

    /// The minor number.
    #[must_use]
    pub const fn minor(self) -> u16 {
        self.0
    }

    /// `apiserver.config.k8s.io/v1` came in 1.13; before there was only `v1`, `EncryptionConfig`.
    pub(crate) const fn has_config_group(self) -> bool {
        self.0 >= 13
    }

    pub(crate) const fn has_kms(self) -> bool {
        self.0 >= 10
    }

    /// `kms.apiVersion` and the rule on colons in names.
    pub(crate) const fn has_kms_v2(self) -> bool {
        self.0 >= 25
    }

    pub(crate) const fn kms_v2_on_by_default(self) -> bool {
        self.0 >= 27
    }

    pub(crate) const fn unique_kms_names(self) -> bool {
        self.0 >= 26
    }

    /// Wildcards, every rule on resource names, and masking.
    pub(crate) const fn has_wildcards(self) -> bool {
        self.0 >= 27
    }

    pub(crate) const fn kms_v1_on_by_default(self) -> bool {
        self.0 < 29
    }

    pub(crate) const fn is_strict(self) -> bool {
        self.0 >= 31
    }
}

impl Default for Version {
    fn default() -> Self {
        Self::LATEST
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

/// A version that is not of the form `1.29`, `v1.29` or `v1.29.3`, or older than 1.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a Kubernetes version from {} on, such as 1.29 or v1.29.3",
            Version::OLDEST
        )
    }
}

impl core::error::Error for UnknownVersion {}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
        let (Some("1"), Some(minor)) = (parts.next(), parts.next()) else {
            return Err(UnknownVersion);
        };
        let version = minor.parse().map(Self).map_err(|_| UnknownVersion)?;
        if version < Self::OLDEST {
            Err(UnknownVersion)
        } else {
            Ok(version)
        }
    }
}
