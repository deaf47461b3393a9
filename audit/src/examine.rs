//! The verdict on one row. Plaintext lives in one reused buffer until the next row; nothing of it gets out but a verdict.

use std::collections::HashMap;
use std::rc::Rc;

use etcd_store::{HashKey, KeyValue, NameHash, Row, RowKey};
use k8s_object::{EtcdKey, EtcdName, looks_like_object, metadata, parse_etcd_key};
use k8senc::chain::{How, Outcome, Staleness};
use k8senc::inspect::{Format, Inspection, inspect};
use k8senc::kms::{DekRequest, DekTable};
use k8senc::secret::Plaintext;

use crate::chains::{Chains, Rule};
use crate::names::ByName;
use crate::scan::Worker;

/// What all threads share.
pub(crate) struct Context<'a> {
    pub chains: Option<&'a Chains<'a>>,
    pub deks: &'a DekTable,
    pub etcd_prefix: Option<&'a [u8]>,
    pub hash_key: HashKey,
    /// Only collect what the KMS must be asked; open nothing.
    pub survey: bool,
}

/// Which counter a row belongs to. Texts are bytes of the file, not yet escaped.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupKey {
    pub place: Place,
    pub provider: &'static str,
    pub key: Option<Vec<u8>>,
    pub guessed: bool,
    pub key_id: Option<Vec<u8>>,
    pub form: Option<&'static str>,
}

/// What an etcd key belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    Resource {
        name: String,
        covered: Option<bool>,
        rule: Option<String>,
    },
    Housekeeping,
    #[default]
    Foreign,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// Without configuration, or no object of Kubernetes: nothing was opened.
    Classified,
    Opened(Staleness),
    /// Index into [`Part::whys`].
    Refused(usize),
    Undecided,
    Tombstone,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub state: State,
    pub plaintext: bool,
    pub exposed: bool,
    pub moved: bool,
}

/// One row, judged.
pub(crate) struct Seen {
    pub key: RowKey,
    pub name: NameHash,
    /// Index into [`Part::groups`].
    pub group: usize,
    /// Index into [`Part::deks`].
    pub dek: Option<usize>,
    pub verdict: Verdict,
    /// Place of the etcd key in [`Part::names`], for rows that may become examples.
    pub text: Option<(usize, usize)>,
}

pub(crate) struct Dek {
    pub hash: NameHash,
    pub provider: Vec<u8>,
    pub api: &'static str,
    /// Only in a survey.
    pub requests: Vec<DekRequest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub code: &'static str,
    pub upstream: Option<String>,
}

/// What one batch holds, newest row first.
#[derive(Default)]
pub(crate) struct Part {
    pub rows: Vec<Seen>,
    pub groups: Vec<(NameHash, GroupKey)>,
    pub deks: Vec<Dek>,
    pub whys: Vec<Why>,
    pub names: Vec<u8>,
    pub damaged: Vec<(RowKey, u64)>,
    group_index: ByName<usize>,
    dek_index: ByName<usize>,
}

impl Part {
    fn why(&mut self, why: Why) -> usize {
        // A handful of kinds; plugins' texts may differ for each value, so only the newest are compared.
        const COMPARED: usize = 32;
        let from = self.whys.len().saturating_sub(COMPARED);
        let known = self.whys.iter().skip(from).position(|w| *w == why);
        known.map_or_else(
            || {
                self.whys.push(why);
                self.whys.len() - 1
            },
            |at| from + at,
        )
    }
}

/// What one resource's rows have in common.
struct Known<'a> {
    place: Place,
    rule: Option<&'a Rule>,
    sensitive: bool,
}

pub(crate) struct Examiner<'a> {
    shared: &'a Context<'a>,
    known: HashMap<Vec<u8>, Rc<Known<'a>>>,
    /// The newest place, by its key in `known`.
    place_key: Vec<u8>,
    place: Option<Rc<Known<'a>>>,
    scratch: Vec<u8>,
    plaintext: Plaintext,
}

/// Resources remembered by one thread; a crafted file can name one in each row.
const MAX_KNOWN: usize = 4096;

impl<'a> Examiner<'a> {
    pub(crate) fn new(shared: &'a Context<'a>) -> Self {
        Self {
            shared,
            known: HashMap::new(),
            place_key: Vec::new(),
            place: None,
            scratch: Vec::new(),
            plaintext: Plaintext::new(),
        }
    }

    /// What is known of the resource of an etcd key; its map key is left in `place_key`.
    fn locate(&mut self, at: &EtcdKey<'_>) -> Rc<Known<'a>> {
        // No part of an etcd key between slashes holds a slash.
        let parts: [&[u8]; 3] = match at {
            EtcdKey::Object(name) => [
                if name.has_api { b"1" } else { b"0" },
                name.resource.as_bytes(),
                name.group.unwrap_or("?/").as_bytes(),
            ],
            EtcdKey::Housekeeping => [b"2", b"", b""],
            EtcdKey::Foreign => [b"3", b"", b""],
        };
        self.scratch.clear();
        for part in parts {
            self.scratch.extend(part);
            self.scratch.push(b'/');
        }
        // Neighbours are mostly of one resource.
        if let Some(place) = &self.place
            && self.place_key == self.scratch
        {
            return Rc::clone(place);
        }
        core::mem::swap(&mut self.place_key, &mut self.scratch);
        if self.known.len() >= MAX_KNOWN {
            self.known.clear();
        }
        let place = match self.known.get(&self.place_key) {
            Some(known) => Rc::clone(known),
            None => {
                let known = Rc::new(Known::of(at, self.shared.chains));
                self.known.insert(self.place_key.clone(), Rc::clone(&known));
                known
            }
        };
        self.place = Some(Rc::clone(&place));
        place
    }

    fn see(&mut self, row: &Row<'_>, kv: &KeyValue<'_>, part: &mut Part) {
        let at = parse_etcd_key(kv.key, self.shared.etcd_prefix);
        let known = &*self.locate(&at);
        let name = self.shared.hash_key.hash(kv.key);
        let mut seen = Seen {
            key: row.key,
            name,
            group: 0,
            dek: None,
            verdict: Verdict {
                state: State::Tombstone,
                plaintext: false,
                exposed: false,
                moved: false,
            },
            text: None,
        };
        let mut group = Attribution::default();
        if !row.key.tombstone {
            let inspection = inspect(kv.value);
            group = Attribution::guess(&inspection);
            let subject = Subject {
                stored: kv.value,
                etcd_key: kv.key,
                object: match &at {
                    EtcdKey::Object(name) => Some(name),
                    _ => None,
                },
            };
            seen.dek = self.shared.dek(
                &inspection,
                known,
                &self.place_key,
                kv.value,
                &mut self.scratch,
                part,
            );
            if !self.shared.survey {
                seen.verdict = self.shared.judge(
                    &subject,
                    &inspection,
                    known,
                    &mut group,
                    &mut self.plaintext,
                    part,
                );
            }
        }
        let quiet = matches!(
            seen.verdict.state,
            State::Opened(Staleness::Fresh) | State::Classified | State::Tombstone
        ) && matches!(known.place, Place::Resource { .. });
        if !quiet || seen.verdict.exposed || seen.verdict.moved {
            seen.text = Some((part.names.len(), kv.key.len()));
            part.names.extend(kv.key);
        }
        seen.group = self
            .shared
            .group(&group, known, &self.place_key, &mut self.scratch, part);
        part.rows.push(seen);
    }
}

impl Worker for Examiner<'_> {
    type Part = Part;

    fn begin(&mut self) -> Part {
        Part::default()
    }

    fn row(&mut self, row: &Row<'_>, kv: &KeyValue<'_>, part: &mut Part) {
        self.see(row, kv, part);
    }

    fn damaged(&mut self, row: &Row<'_>, part: &mut Part) {
        part.damaged.push((row.key, row.page));
    }
}

impl<'a> Known<'a> {
    fn of(at: &EtcdKey<'_>, chains: Option<&'a Chains<'a>>) -> Self {
        let EtcdKey::Object(name) = at else {
            let place = match at {
                EtcdKey::Housekeeping => Place::Housekeeping,
                _ => Place::Foreign,
            };
            return Self {
                place,
                rule: None,
                sensitive: false,
            };
        };
        let rule = chains.map(|c| c.of(name));
        Self {
            place: Place::Resource {
                name: name.to_string(),
                covered: rule.map(|r| r.covered),
                rule: rule.and_then(|r| r.name.clone()),
            },
            rule,
            sensitive: name.resource == "secrets" && name.group == Some(""),
        }
    }
}

struct Subject<'v> {
    stored: &'v [u8],
    etcd_key: &'v [u8],
    object: Option<&'v EtcdName<'v>>,
}

/// Provider, key and form of a value.
#[derive(Default)]
struct Attribution<'v> {
    provider: &'static str,
    key: Option<&'v [u8]>,
    guessed: bool,
    key_id: Option<&'v [u8]>,
    form: Option<&'static str>,
}

impl<'v> Attribution<'v> {
    /// As far as the stored bytes tell without keys.
    fn guess(inspection: &Inspection<'v>) -> Self {
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
        }
    }
}

impl<'v> Attribution<'v> {
    /// Takes the name that the configuration knows.
    fn name(&mut self, configured: Option<&'v str>) {
        if let Some(name) = configured {
            self.key = Some(name.as_bytes());
            self.guessed = false;
        }
    }
}

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
    let Some(name) = object.filter(|n| unbound && n.has_api) else {
        return Look::Fine;
    };
    let moved = metadata(plain).is_some_and(|meta| {
        !meta.name.is_empty()
            && (meta.name.as_bytes() != name.name
                || meta.namespace.as_bytes() != name.namespace.unwrap_or_default())
    });
    if moved { Look::Moved } else { Look::Fine }
}

impl Context<'_> {
    fn judge<'v>(
        &self,
        subject: &Subject<'v>,
        inspection: &Inspection<'v>,
        known: &Known<'v>,
        group: &mut Attribution<'v>,
        plaintext: &mut Plaintext,
        part: &mut Part,
    ) -> Verdict {
        let plain = inspection.format == Format::Plain;
        let covered = known.rule.is_some_and(|r| r.covered);
        let verdict = |state, moved| Verdict {
            state,
            plaintext: plain,
            exposed: plain && (covered || known.sensitive),
            moved,
        };
        let mut refuse = |code, upstream| State::Refused(part.why(Why { code, upstream }));
        let Some(rule) = known.rule else {
            let state = inspection
                .problem
                .as_ref()
                .map_or(State::Classified, |e| refuse(e.code(), e.upstream()));
            return verdict(state, false);
        };
        let opened = rule
            .chain
            .open_in(subject.stored, subject.etcd_key, self.deks, plaintext);
        let how = match opened {
            Ok(Outcome::Opened(how)) => how,
            other => {
                let named = rule.chain.named_in(subject.stored);
                group.name(named.and_then(|(provider, key)| rule.name_at(provider, key)));
                let state = match other {
                    Err(error) => refuse(error.code(), error.upstream()),
                    Ok(_) => State::Undecided,
                };
                return verdict(state, false);
            }
        };
        group.name(rule.name_at(how.provider, how.key));
        if inspection.format == Format::KmsV1 {
            group.form = Some(if how.unauthenticated { "cbc" } else { "gcm" });
        }
        match plaintext.judge(|bytes| look(bytes, &how, group.provider, subject.object)) {
            Look::NoObject => verdict(refuse("not-an-object", None), false),
            Look::Fine => verdict(State::Opened(how.stale), false),
            Look::Moved => verdict(State::Opened(how.stale), true),
        }
    }

    /// The index of the value's DEK in `part`, if a KMS provider wrote it.
    fn dek(
        &self,
        inspection: &Inspection<'_>,
        known: &Known<'_>,
        place_key: &[u8],
        stored: &[u8],
        scratch: &mut Vec<u8>,
        part: &mut Part,
    ) -> Option<usize> {
        let provider = inspection.name.unwrap_or_default();
        scratch.clear();
        let api = if let Some(v1) = &inspection.kmsv1 {
            add(scratch, &[b"v1", provider, v1.encrypted_dek]);
            "v1"
        } else {
            let v2 = inspection.kmsv2.as_ref()?;
            add(
                scratch,
                &[
                    b"v2",
                    provider,
                    v2.encrypted_dek_source,
                    v2.key_id.as_bytes(),
                ],
            );
            for (name, value) in &v2.annotations {
                add(scratch, &[name.as_bytes(), value]);
            }
            "v2"
        };
        if self.survey {
            add(scratch, &[place_key]);
        }
        let hash = self.hash_key.hash(scratch);
        if let Some(known) = part.dek_index.get(&hash) {
            return Some(*known);
        }
        let requests = match known.rule {
            Some(rule) if self.survey => rule.chain.needs(core::iter::once(stored), self.deks),
            _ => Vec::new(),
        };
        let at = part.deks.len();
        part.deks.push(Dek {
            hash,
            provider: provider.to_vec(),
            api,
            requests,
        });
        part.dek_index.insert(hash, at);
        Some(at)
    }

    fn group(
        &self,
        by: &Attribution<'_>,
        known: &Known<'_>,
        place_key: &[u8],
        scratch: &mut Vec<u8>,
        part: &mut Part,
    ) -> usize {
        scratch.clear();
        let flags = [
            u8::from(by.guessed),
            u8::from(by.key.is_some()),
            u8::from(by.key_id.is_some()),
        ];
        add(
            scratch,
            &[
                place_key,
                by.provider.as_bytes(),
                by.form.unwrap_or_default().as_bytes(),
                &flags,
                by.key.unwrap_or_default(),
                by.key_id.unwrap_or_default(),
            ],
        );
        let hash = self.hash_key.hash(scratch);
        *part.group_index.entry(hash).or_insert_with(|| {
            let key = GroupKey {
                place: known.place.clone(),
                provider: by.provider,
                key: by.key.map(<[u8]>::to_vec),
                guessed: by.guessed,
                key_id: by.key_id.map(<[u8]>::to_vec),
                form: by.form,
            };
            part.groups.push((hash, key));
            part.groups.len() - 1
        })
    }
}

/// Appends each text with its length, so that no two lists of texts look alike.
fn add(scratch: &mut Vec<u8>, texts: &[&[u8]]) {
    for text in texts {
        scratch.extend((text.len() as u64).to_le_bytes());
        scratch.extend(*text);
    }
}
