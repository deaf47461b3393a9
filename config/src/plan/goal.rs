//! What somebody wants, as they say it.

use core::fmt;
use core::str::FromStr;

use super::PlanError;
use super::draft::Local;

/// What a plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goal {
    /// A new key in place of the one that writes.
    RotateKey,
    /// Another local provider.
    ChangeProvider(Local),
    /// A KMS v2 plugin, in place of a local provider or of KMS v1.
    KmsV2 {
        /// The new block's name.
        name: String,
        /// Its socket, `unix:///...`.
        endpoint: String,
    },
    /// The KMS v1 block that writes becomes a KMS v2 block on the same socket.
    V1ToV2 {
        /// The new block's name; the old one with `-v2` unless set.
        name: Option<String>,
    },
    /// Another name for the key or KMS block that writes.
    RenameKey {
        /// As it is.
        from: String,
        /// As it will be.
        to: String,
    },
    /// Encryption switched off.
    DecryptAll,
    /// A KMS is down now.
    BreakGlass {
        /// The block; all of them unless set.
        kms: Option<String>,
    },
}

/// The forms that [`Goal`] is read from.
const FORMS: &str = "rotate-key, change-provider=aescbc|aesgcm|secretbox, kms-v2=NAME,unix:///SOCKET, \
    v1-to-v2[=NAME], rename-key=OLD=NEW, decrypt-all, break-glass[=NAME]";

impl FromStr for Goal {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let (word, value) = match text.split_once('=') {
            Some((word, value)) => (word, Some(value).filter(|v| !v.is_empty())),
            None => (text, None),
        };
        let wrong = |what: &str| PlanError::new("goal", format!("goal {text:?}: {what}"));
        match (word, value) {
            ("rotate-key", None) => Ok(Self::RotateKey),
            ("decrypt-all", None) => Ok(Self::DecryptAll),
            ("break-glass", kms) => Ok(Self::BreakGlass {
                kms: kms.map(str::to_owned),
            }),
            ("v1-to-v2", name) => Ok(Self::V1ToV2 {
                name: name.map(str::to_owned),
            }),
            ("change-provider", Some("aescbc")) => Ok(Self::ChangeProvider(Local::Aescbc)),
            ("change-provider", Some("aesgcm")) => Ok(Self::ChangeProvider(Local::Aesgcm)),
            ("change-provider", Some("secretbox")) => Ok(Self::ChangeProvider(Local::Secretbox)),
            ("change-provider", _) => Err(wrong(
                "aescbc, aesgcm or secretbox is needed; kms-v2 is a goal of its own",
            )),
            ("kms-v2", value) => {
                let (name, endpoint) = value
                    .and_then(|v| v.split_once(','))
                    .ok_or_else(|| wrong("kms-v2=NAME,unix:///SOCKET is needed"))?;
                Ok(Self::KmsV2 {
                    name: name.to_owned(),
                    endpoint: endpoint.to_owned(),
                })
            }
            ("rename-key", value) => {
                let (from, to) = value
                    .and_then(|v| v.split_once('='))
                    .filter(|(from, to)| !from.is_empty() && !to.is_empty())
                    .ok_or_else(|| wrong("rename-key=OLD=NEW is needed"))?;
                Ok(Self::RenameKey {
                    from: from.to_owned(),
                    to: to.to_owned(),
                })
            }
            _ => Err(wrong(&format!("known are {FORMS}"))),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RotateKey => f.write_str("rotate-key"),
            Self::ChangeProvider(kind) => write!(f, "change-provider={}", kind.name()),
            Self::KmsV2 { name, endpoint } => write!(f, "kms-v2={name},{endpoint}"),
            Self::V1ToV2 { name: None } => f.write_str("v1-to-v2"),
            Self::V1ToV2 { name: Some(name) } => write!(f, "v1-to-v2={name}"),
            Self::RenameKey { from, to } => write!(f, "rename-key={from}={to}"),
            Self::DecryptAll => f.write_str("decrypt-all"),
            Self::BreakGlass { kms: None } => f.write_str("break-glass"),
            Self::BreakGlass { kms: Some(kms) } => write!(f, "break-glass={kms}"),
        }
    }
}

impl Goal {
    /// In one line.
    pub(super) fn title(&self) -> String {
        match self {
            Self::RotateKey => "Put a new key in place of the one that writes".to_owned(),
            Self::ChangeProvider(kind) => format!("Write with {} from now on", kind.name()),
            Self::KmsV2 { name, .. } => format!("Write with the KMS v2 plugin {name} from now on"),
            Self::V1ToV2 { .. } => "Go from KMS v1 to KMS v2".to_owned(),
            Self::RenameKey { from, to } => format!("Call {from} {to}, and lose nothing"),
            Self::DecryptAll => "Store everything as plain text again".to_owned(),
            Self::BreakGlass { .. } => "Get through the outage of a KMS".to_owned(),
        }
    }
}
