//! The verdict on one value. Plaintext lives in one reused buffer until the next value; nothing of it gets out but a verdict.

use k8s_object::{EtcdName, Kind, classify, looks_like_object, metadata};
use k8senc::chain::{How, Outcome};
use k8senc::inspect::{Format, Inspection};
use k8senc::kms::DekTable;
use k8senc::secret::Plaintext;

use crate::chains::Rule;
use crate::escape::clip;
use crate::part::{Part, State, Verdict, Why};

/// A value and what its place says of it.
pub(crate) struct Subject<'v> {
    pub inspection: Inspection<'v>,
    pub rule: Option<&'v Rule>,
    /// Exposed in plaintext even where no rule encrypts it.
    pub sensitive: bool,
    pub stored: &'v [u8],
    pub etcd_key: &'v [u8],
    pub object: Option<&'v EtcdName<'v>>,
}

/// Provider, key and form of a value.
#[derive(Default)]
pub(crate) struct Attribution<'v> {
    pub provider: &'static str,
    pub key: Option<&'v [u8]>,
    pub guessed: bool,
    pub key_id: Option<&'v [u8]>,
    pub form: Option<&'static str>,
    /// Provider and key in the chain of its rule.
    pub slot: Option<(usize, Option<usize>)>,
}

impl<'v> Attribution<'v> {
    /// As far as the stored bytes tell without keys.
    pub(crate) fn guess(inspection: &Inspection<'v>) -> Self {
        let local = matches!(
            inspection.format,
            Format::AesCbc | Format::AesGcm | Format::Secretbox
        );
        let v2 = inspection.kmsv2.as_ref();
        Self {
            provider: inspection.format.name(),
            key: inspection.name,
            guessed: local,
            key_id: v2.map(|o| o.key_id.as_bytes()),
            form: v2.and_then(|o| form(o.source_type)),
            slot: None,
        }
    }
}

impl<'v> Attribution<'v> {
    /// Notes what surely comes from a kube-apiserver, where no etcd key says so. JSON comes from others, too.
    pub(crate) fn note_object(&mut self, inspection: &Inspection<'v>, stored: &[u8]) {
        let object = match inspection.format {
            Format::Empty => false,
            Format::Plain => {
                matches!(classify(stored), Kind::Protobuf(words) if words.is_complete())
            }
            _ => true,
        };
        self.form = object.then_some(OBJECT);
    }

    /// Takes the name that the configuration knows.
    fn name(&mut self, configured: Option<&'v str>) {
        if let Some(name) = configured {
            self.key = Some(name.as_bytes());
            self.guessed = false;
        }
    }
}

/// The form of a value below no known prefix that a kube-apiserver wrote.
pub(crate) const OBJECT: &str = "object";

/// The form of a KMS v2 value; `None` for a number nobody knows.
const fn form(source_type: i32) -> Option<&'static str> {
    match source_type {
        0 => Some("key"),
        1 => Some("seed"),
        _ => None,
    }
}

/// What was seen of a plaintext.
enum Look {
    Fine,
    NoObject,
    Moved,
}

fn look(plain: &[u8], how: &How, provider: &str, object: Option<&EtcdName<'_>>) -> Look {
    // Nothing authenticates a CBC body: one wrong key in 256 opens it, to noise.
    if how.unauthenticated && !looks_like_object(plain) {
        return Look::NoObject;
    }
    // aesgcm and KMS bind a value to its etcd key; these two do not.
    let unbound = how.unauthenticated || provider == "secretbox";
    let Some(name) = object.filter(|_| unbound) else {
        return Look::Fine;
    };
    match metadata(plain) {
        Some(meta) if !name.may_hold(&meta) => Look::Moved,
        _ => Look::Fine,
    }
}

impl<'v> Subject<'v> {
    /// Opens the value as its rule says, and corrects `group` by who opened it.
    pub(crate) fn judge(
        &self,
        group: &mut Attribution<'v>,
        deks: &DekTable,
        plaintext: &mut Plaintext,
        part: &mut Part,
    ) -> Verdict {
        let plain = self.inspection.format == Format::Plain;
        let covered = self.rule.is_some_and(|r| r.covered);
        let verdict = |state, moved| Verdict {
            state,
            plaintext: plain,
            exposed: plain && (covered || self.sensitive),
            moved,
        };
        let mut refuse = |code, upstream: Option<String>| {
            let upstream = upstream.map(|text| clip(text.as_bytes()));
            State::Refused(part.why(Why { code, upstream }))
        };
        let Some(rule) = self.rule else {
            let state = self
                .inspection
                .problem
                .as_ref()
                .map_or(State::Classified, |e| refuse(e.code(), e.upstream()));
            return verdict(state, false);
        };
        let opened = rule
            .chain
            .open_in(self.stored, self.etcd_key, deks, plaintext);
        let how = match opened {
            Ok(Outcome::Opened(how)) => how,
            other => {
                let named = rule.chain.named_in(self.stored);
                group.name(named.and_then(|(provider, key)| rule.name_at(provider, key)));
                group.slot = named;
                let state = match other {
                    Err(error) => refuse(error.code(), error.upstream()),
                    Ok(_) => State::Undecided,
                };
                return verdict(state, false);
            }
        };
        group.name(rule.name_at(how.provider, how.key));
        group.slot = Some((how.provider, how.key));
        if self.inspection.format == Format::KmsV1 {
            group.form = Some(if how.unauthenticated { "cbc" } else { "gcm" });
        }
        match plaintext.judge(|bytes| look(bytes, &how, group.provider, self.object)) {
            Look::NoObject => verdict(refuse("not-an-object", None), false),
            Look::Fine => verdict(State::Opened(how.stale), false),
            Look::Moved => verdict(State::Opened(how.stale), true),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_object::EtcdName;
    use k8senc::chain::{How, Staleness};

    use super::{Look, look};

    fn seen(plain: &str, provider: &str, unauthenticated: bool, etcd_key: &str) -> &'static str {
        let how = How {
            stale: Staleness::Fresh,
            provider: 0,
            key: Some(0),
            unauthenticated,
            source_type: None,
        };
        let name = EtcdName::from_etcd_key(etcd_key.as_bytes(), None);
        match look(plain.as_bytes(), &how, provider, name.as_ref()) {
            Look::Fine => "fine",
            Look::NoObject => "no object",
            Look::Moved => "moved",
        }
    }

    #[test]
    fn a_value_is_compared_with_its_etcd_key_where_nothing_binds_it() {
        let object =
            r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a","namespace":"n"}}"#;
        let own = "/registry/secrets/n/a";
        for other in ["/registry/secrets/n/b", "/registry/secrets/m/a"] {
            assert_eq!(seen(object, "secretbox", false, other), "moved", "{other}");
            assert_eq!(seen(object, "aescbc", true, other), "moved", "{other}");
            assert_eq!(seen(object, "aesgcm", false, other), "fine", "{other}");
        }
        assert_eq!(seen(object, "secretbox", false, own), "fine");
        assert_eq!(seen(object, "aescbc", true, own), "fine");
        // Another API server may put more between resource and name than a namespace.
        let longer = "/registry/example.com/widgets/customresources/root:org/n/a";
        assert_eq!(seen(object, "secretbox", false, longer), "fine");
        // No object of the API is at this key, and its value names none.
        assert_eq!(
            seen(object, "secretbox", false, "/registry/ranges/serviceips"),
            "fine"
        );
    }

    #[test]
    fn noise_is_no_object_where_nothing_authenticates_it() {
        for (unauthenticated, verdict) in [(true, "no object"), (false, "fine")] {
            let key = "/registry/secrets/n/a";
            assert_eq!(
                seen("\u{1}\u{2}noise", "aescbc", unauthenticated, key),
                verdict
            );
        }
    }
}
