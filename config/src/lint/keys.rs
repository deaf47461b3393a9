//! Local keys: their bytes, their names, and what they can be used for.

use std::collections::BTreeMap;

use super::context::{Context, KeyFact, Local, is_identity, locals};
use super::identity::listed;
use super::known_keys::is_known;
use super::{Needs, Report, Rule, Severity};

const TABLE: &str = "kubernetes.io, Encrypting Confidential Data at Rest: table of providers";

fn writes(c: &Context<'_>, kind: Local, rule: &'static Rule, report: &mut Report, message: &str) {
    for entry in c.entries {
        let Some(first) = entry.providers().first() else {
            continue;
        };
        if let Some((_, keys)) = locals(first).find(|(found, _)| *found == kind) {
            report.add(rule, keys.key_span, format!("{} {message}", listed(entry)));
        }
    }
}

pub(crate) static AESCBC_WRITES: Rule = Rule {
    code: "K8E006",
    name: "aescbc-writes",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "aescbc as the writing provider.",
    why: "CBC gives no integrity: whoever can change etcd can change bits of an object unnoticed. The project rates it weak \
          because of padding oracles, though one is hard to reach here.",
    fix: "Write with secretbox, or better with a KMS v2 plugin, and keep aescbc as a later reader until all is rewritten.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: table of providers; kubernetes/kubernetes#73514",
    check: |c, report| {
        writes(
            c,
            Local::Aescbc,
            &AESCBC_WRITES,
            report,
            "are written with aescbc, which has no integrity",
        )
    },
};

pub(crate) static AESGCM_WRITES: Rule = Rule {
    code: "K8E007",
    name: "aesgcm-writes",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "aesgcm as the writing provider.",
    why: "Nonces are 12 random bytes under one long-lived key. The documentation asks for a new key every 200,000 writes; \
          a repeated nonce gives away the authentication key.",
    fix: "Write with secretbox or KMS v2, or rotate by a program that counts apiserver_storage_transformation_operations_total.",
    upstream: "Nothing: the file is accepted.",
    source: TABLE,
    check: |c, report| {
        writes(
            c,
            Local::Aesgcm,
            &AESGCM_WRITES,
            report,
            "are written with aesgcm: rotate its key every 200,000 writes",
        );
    },
};

pub(crate) static SHORT_AES_KEY: Rule = Rule {
    code: "K8E008",
    name: "short-aes-key",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "an AES key of 16 or 24 bytes.",
    why: "It is accepted, but 32 bytes cost nothing more.",
    fix: "Make the next key with head -c 32 /dev/urandom | base64.",
    upstream: "Nothing: 16, 24 and 32 bytes are accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Generate the encryption key",
    check: |c, report| {
        for key in c.keys.iter().filter(|k| k.kind != Local::Secretbox) {
            if let Some(16 | 24) = key.bytes.as_ref().map(|b| b.len()) {
                let bits = key.bytes.as_ref().map_or(0, |b| b.len() * 8);
                report.add(
                    &SHORT_AES_KEY,
                    key.span(),
                    format!("AES-{bits}; new keys should be 32 bytes"),
                );
            }
        }
    },
};

pub(crate) static KEY_REUSED: Rule = Rule {
    code: "K8E009",
    name: "key-reused",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "the same key bytes under two names, in two providers, or in two entries.",
    why: "Under two names a rotation changes nothing. In two algorithms the proofs of both are void. In two entries aesgcm's \
          budget of 200,000 writes is shared.",
    fix: "Give every name its own random key. A key that data was written with has to stay until that data is rewritten.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, encryptionconfig: keys are never compared; kubernetes/kubernetes#66844",
    check: |c, report| {
        let mut seen: BTreeMap<[u8; 32], &KeyFact<'_>> = BTreeMap::new();
        for key in c.keys.iter().filter(|k| k.bytes.is_some()) {
            let Some(first) = seen.get(&key.hash) else {
                seen.insert(key.hash, key);
                continue;
            };
            let same_name = first.key.name.text == key.key.name.text;
            let (severity, what) = if first.kind != key.kind {
                (
                    Severity::Error,
                    format!(
                        "the bytes of this {} key are also a {} key",
                        key.kind.name(),
                        first.kind.name()
                    ),
                )
            } else if !same_name {
                (
                    Severity::Warning,
                    format!("the same bytes as the key {}", first.key.name.text.as_str()),
                )
            } else if key.kind == Local::Aesgcm {
                (
                    Severity::Warning,
                    "the same aesgcm key in two entries: the 200,000 writes are shared".to_owned(),
                )
            } else if (first.entry, first.provider) == (key.entry, key.provider) {
                (Severity::Warning, "the key is listed twice".to_owned())
            } else {
                (Severity::Info, "the same key in two entries".to_owned())
            };
            let first_span = first.span();
            let finding = report.add(&KEY_REUSED, key.span(), what);
            finding.severity = severity;
            finding
                .related
                .push((first_span, "first used here".to_owned()));
        }
    },
};

/// The keys of each single provider element.
fn by_provider<'k, 'm>(
    c: &'k Context<'m>,
) -> BTreeMap<(usize, usize, Local), Vec<&'k KeyFact<'m>>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for key in &c.keys {
        groups
            .entry((key.entry, key.provider, key.kind))
            .or_default()
            .push(key);
    }
    groups
}

pub(crate) static KEY_NAME_TWICE: Rule = Rule {
    code: "K8E010",
    name: "key-name-twice",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "two keys of one provider with the same name.",
    why: "Both are tried, so reads work, but a stored prefix no longer says which key wrote, and a rotation can drop the wrong one.",
    fix: "Give new keys new names. A name under which data was written cannot be changed without rewriting it.",
    upstream: "Nothing: the file is accepted.",
    source: "k8s.io/apiserver, validation_encryption.go: key names are not compared",
    check: |c, report| {
        for keys in by_provider(c).values() {
            let mut seen = BTreeMap::new();
            for key in keys.iter().filter(|k| !k.key.name.text.is_empty()) {
                if let Some(first) = seen.insert(key.key.name.text.as_str(), key.name_span()) {
                    let message = format!("a second key named {}", key.key.name.text.as_str());
                    let finding = report.add(&KEY_NAME_TWICE, key.name_span(), message);
                    finding.related.push((first, "the first one".to_owned()));
                }
            }
        }
    },
};

pub(crate) static KEY_NAME_PREFIX: Rule = Rule {
    code: "K8E011",
    name: "key-name-prefix",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a key name with a colon, or one that continues another name of the same provider after a colon.",
    why: "The stored prefix ends with a colon, so such values match two keys, the wrong one is tried first, and audits of etcd misread the name.",
    fix: "Use names of letters, digits and dashes.",
    upstream: "Nothing: any name is accepted.",
    source: "k8s.io/apiserver, value/transformer.go: prefixes are compared as bytes",
    check: |c, report| {
        for keys in by_provider(c).values() {
            let names: BTreeMap<&str, _> = keys
                .iter()
                .map(|k| (k.key.name.text.as_str(), k.name_span()))
                .collect();
            for key in keys {
                let name = key.key.name.text.as_str();
                // Every shorter name that this one continues ends at one of its colons.
                let continued = name.match_indices(':').find_map(|(at, _)| {
                    let head = name.get(..at)?;
                    Some((head, *names.get(head)?))
                });
                if let Some((head, span)) = continued {
                    let message = format!("values of the key {name} also match the key {head}");
                    let finding = report.add(&KEY_NAME_PREFIX, key.name_span(), message);
                    finding
                        .related
                        .push((span, "this name matches too".to_owned()));
                } else if name.contains(':') {
                    report.add(
                        &KEY_NAME_PREFIX,
                        key.name_span(),
                        format!("the key name {name} has a colon"),
                    );
                }
            }
        }
    },
};

pub(crate) static KNOWN_KEY: Rule = Rule {
    code: "K8E012",
    name: "known-key",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "a key that stands in public documentation or tutorials.",
    why: "Anyone can decrypt.",
    fix: "Make a key with head -c 32 /dev/urandom | base64, add it as the second key, roll out, promote it, rewrite all objects, then remove this one.",
    upstream: "Nothing: any bytes of the right length are accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: the caution above the sample",
    check: |c, report| {
        for key in c
            .keys
            .iter()
            .filter(|k| k.bytes.is_some() && is_known(&k.hash))
        {
            report.add(
                &KNOWN_KEY,
                key.span(),
                "this key is public: it stands in documentation".to_owned(),
            );
        }
    },
};

/// Why bytes cannot have been drawn at random, if they cannot.
pub(crate) fn weakness(bytes: &[u8]) -> Option<&'static str> {
    let first = bytes.first()?;
    if bytes.len() < 16 {
        return None;
    }
    if bytes.iter().all(|b| b == first) {
        return Some("every byte is the same");
    }
    let steps = |step: u8| {
        bytes
            .iter()
            .zip(bytes.iter().skip(1))
            .all(|(a, b)| a.wrapping_add(step) == *b)
    };
    if steps(1) || steps(u8::MAX) {
        return Some("the bytes count up or down");
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if text.iter().all(u8::is_ascii_hexdigit) {
        return Some("it is hexadecimal text: half the bits are known");
    }
    // Random bytes do this once in 5e13 at 32 bytes and once in 7e6 at 16.
    if text.iter().all(|b| matches!(b, b' '..=b'~')) {
        return Some("it is readable text, such as a passphrase or base64 that was encoded twice");
    }
    let half = bytes.len() / 2;
    let repeats = (1..=half).any(|n| {
        bytes.len().is_multiple_of(n) && bytes.chunks(n).all(|c| Some(c) == bytes.get(..n))
    });
    if repeats {
        return Some("it repeats a shorter block");
    }
    let mut seen = [false; 256];
    for b in bytes {
        if let Some(slot) = seen.get_mut(usize::from(*b)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|s| **s).count();
    // 32 random bytes have fewer than 20 distinct ones about once in 1e9.
    (distinct * 8 < bytes.len() * 5).then_some("too few different bytes")
}

pub(crate) static WEAK_KEY: Rule = Rule {
    code: "K8E013",
    name: "weak-key",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "a key that cannot have been drawn at random: one byte repeated, counting bytes, readable or hexadecimal text, a repeated block, few different bytes.",
    why: "Such keys can be guessed. Base64 of a passphrase is not a key.",
    fix: "Make a key with head -c 32 /dev/urandom | base64 and rotate to it.",
    upstream: "Nothing: any bytes of the right length are accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Generate the encryption key (32 random bytes)",
    check: |c, report| {
        for key in &c.keys {
            let weak = key
                .bytes
                .as_ref()
                .and_then(|b| weakness(b))
                .filter(|_| !is_known(&key.hash));
            if let Some(weak) = weak {
                report.add(&WEAK_KEY, key.span(), format!("not a random key: {weak}"));
            }
        }
    },
};

pub(crate) static TEXT_KEY: Rule = Rule {
    code: "K8E014",
    name: "newline-in-key",
    severity: Severity::Warning,
    fixable: false,
    needs: Needs::Text,
    finds: "a secret that decodes to text with a line feed at its end, or to 33 bytes of which the last is a line feed.",
    why: "echo adds a line feed before base64 sees the key. Usually the length is then wrong and the API server does not start.",
    fix: "Use head -c 32 /dev/urandom | base64, or printf '%s' in place of echo.",
    upstream: "secret is not of the expected length, got 33, expected one of [16 24 32]",
    source: "the length rule of k8s.io/apiserver, validation_encryption.go",
    check: |c, report| {
        for key in &c.keys {
            let Some(bytes) = key.bytes.as_ref() else {
                continue;
            };
            let text = bytes.iter().all(u8::is_ascii);
            if bytes.ends_with(b"\n") && (text || bytes.len() == 33) {
                let message = format!(
                    "{} bytes with a line feed at the end: echo without -n?",
                    bytes.len()
                );
                report.add(&TEXT_KEY, key.span(), message);
            }
        }
    },
};

pub(crate) static LOCAL_KEY_BESIDE_KMS: Rule = Rule {
    code: "K8E015",
    name: "local-key-beside-kms",
    severity: Severity::Info,
    fixable: false,
    needs: Needs::Text,
    finds: "an entry that writes with a local key in a file that also has a KMS.",
    why: "Whoever reads the control plane's disk has a local key; a KMS keeps the key encryption key elsewhere.",
    fix: "Write with the KMS here too and keep the local key as a later reader until all is rewritten.",
    upstream: "Nothing: the file is accepted.",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: Local key storage",
    check: |c, report| {
        if c.kms.is_empty() {
            return;
        }
        for entry in c.entries {
            let Some(first) = entry.providers().first().filter(|p| !is_identity(p)) else {
                continue;
            };
            if let Some((kind, keys)) = locals(first).next() {
                let message = format!(
                    "{} are written with a local {} key although there is a KMS",
                    listed(entry),
                    kind.name()
                );
                report.add(&LOCAL_KEY_BESIDE_KMS, keys.key_span, message);
            }
        }
    },
};

pub(crate) static PLACEHOLDER: Rule = Rule {
    code: "K8E040",
    name: "placeholder",
    severity: Severity::Error,
    fixable: false,
    needs: Needs::Text,
    finds: "a secret that is still a placeholder, such as <BASE 64 ENCODED SECRET> or ${KEY}.",
    why: "The API server does not start. If a template was to fill it in, the template did not run.",
    fix: "Put in a key made with head -c 32 /dev/urandom | base64.",
    upstream: "secrets must be base64 encoded",
    source: "kubernetes.io, Encrypting Confidential Data at Rest: the sample",
    check: |c, report| {
        for key in c.keys.iter().filter(|k| k.bytes.is_none()) {
            let secret = key.key.secret.text.as_str().trim();
            let bracketed = [
                ("<", ">"),
                ("{{", "}}"),
                ("${", "}"),
                ("$(", ")"),
                ("[", "]"),
                ("%", "%"),
            ];
            let word = [
                "REDACTED",
                "CHANGEME",
                "CHANGE_ME",
                "BASE64",
                "BASE 64",
                "YOUR_",
                "YOUR-",
            ];
            let upper = secret.to_ascii_uppercase();
            let found = bracketed
                .iter()
                .any(|(open, close)| secret.starts_with(open) && secret.ends_with(close))
                || word.iter().any(|w| upper.contains(w));
            if found {
                report.add(
                    &PLACEHOLDER,
                    key.span(),
                    "the secret is still a placeholder".to_owned(),
                );
            }
        }
    },
};
