//! What a thread does with each row: find its place, have it judged, name its counter.

use std::collections::HashMap;
use std::rc::Rc;

use etcd_store::{HashKey, KeyValue, NameHash, Row};
use k8s_object::{EtcdKey, parse_etcd_key};
use k8senc::chain::Staleness;
use k8senc::inspect::{Format, Inspection, inspect};
use k8senc::kms::DekTable;
use k8senc::secret::Plaintext;

use crate::chains::{Chains, Rule};
use crate::escape::clip;
use crate::judge::{Attribution, Subject};
use crate::part::{Dek, GroupKey, Part, Place, Seen, State, Verdict};
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
/// Longest resource and group remembered, in bytes.
const MAX_KNOWN_KEY: usize = 1024;

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
                if self.place_key.len() <= MAX_KNOWN_KEY {
                    self.known.insert(self.place_key.clone(), Rc::clone(&known));
                }
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
            nonce: None,
            text: None,
        };
        let mut group = Attribution::default();
        if !row.key.tombstone {
            let inspection = inspect(kv.value);
            group = Attribution::guess(&inspection);
            seen.dek = self.shared.dek(
                &inspection,
                known,
                &self.place_key,
                kv.value,
                &mut self.scratch,
                part,
            );
            if !self.shared.survey {
                let subject = Subject {
                    inspection,
                    rule: known.rule,
                    sensitive: known.sensitive,
                    stored: kv.value,
                    etcd_key: kv.key,
                    object: match &at {
                        EtcdKey::Object(name) => Some(name),
                        _ => None,
                    },
                };
                let (deks, plaintext) = (self.shared.deks, &mut self.plaintext);
                seen.verdict = subject.judge(&mut group, deks, plaintext, part);
            }
        }
        seen.nonce = self
            .shared
            .nonce(&group, known, kv.value, &mut self.scratch);
        let quiet = matches!(
            seen.verdict.state,
            State::Opened(Staleness::Fresh) | State::Classified | State::Tombstone
        ) && matches!(known.place, Place::Resource { .. });
        if !quiet || seen.nonce.is_some() || seen.verdict.exposed || seen.verdict.moved {
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

    fn slack(&mut self, page: u64, part: &mut Part) {
        part.slack.push(page);
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
                name: clip(name.to_string().as_bytes()),
                covered: rule.map(|r| r.covered),
                rule: rule.and_then(|r| r.name.clone()),
            },
            rule,
            sensitive: name.resource == "secrets" && name.group == Some(""),
        }
    }
}

impl Context<'_> {
    /// The nonce of an aesgcm value, hashed with its key's name and rule, and the tag; where the name is known for certain.
    fn nonce(
        &self,
        by: &Attribution<'_>,
        known: &Known<'_>,
        stored: &[u8],
        scratch: &mut Vec<u8>,
    ) -> Option<(NameHash, [u8; 16])> {
        let (Format::AesGcm, rest) = Format::of(stored) else {
            return None;
        };
        let key = by.key.filter(|_| !by.guessed)?;
        let body = rest.strip_prefix(key)?.strip_prefix(b":")?;
        let (nonce, sealed) = body.split_first_chunk::<12>()?;
        let rule = known.rule?.name.as_deref()?;
        scratch.clear();
        add(scratch, &[rule.as_bytes(), key, nonce]);
        Some((self.hash_key.hash(scratch), *sealed.last_chunk()?))
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
            provider: clip(provider),
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
        if part.newest.0 == *scratch {
            return part.newest.1;
        }
        let hash = self.hash_key.hash(scratch);
        let at = *part.group_index.entry(hash).or_insert_with(|| {
            let key = GroupKey {
                place: known.place.clone(),
                provider: by.provider,
                key: by.key.map(clip),
                guessed: by.guessed,
                key_id: by.key_id.map(clip),
                form: by.form,
            };
            part.groups.push((hash, key));
            part.groups.len() - 1
        });
        part.newest = (scratch.clone(), at);
        at
    }
}

/// Appends each text with its length, so that no two lists of texts look alike.
fn add(scratch: &mut Vec<u8>, texts: &[&[u8]]) {
    for text in texts {
        scratch.extend((text.len() as u64).to_le_bytes());
        scratch.extend(*text);
    }
}
