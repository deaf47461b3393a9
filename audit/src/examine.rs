//! What a thread does with each row: find its place, have it judged, name its counter.

use std::collections::HashMap;
use std::rc::Rc;

use etcd_store::{HashKey, KeyValue, NameHash, Row};
use k8s_object::{EtcdKey, looks_like_object, metadata, parse_etcd_key};
use k8senc::chain::{Outcome, Staleness};
use k8senc::inspect::{Format, Inspection, inspect};
use k8senc::kms::DekTable;
use k8senc::secret::Plaintext;

use crate::chains::{Chains, Rule};
use crate::escape::clip;
use crate::judge::{Attribution, Subject};
use crate::logs::Logged;
use crate::marks::Mark;
use crate::part::{Dek, GroupKey, Part, Place, Sample, Seen, State, Verdict};
use crate::rows::StoredRow;
use crate::scan::Worker;
use crate::timeline;

/// What all threads share.
pub(crate) struct Context<'a> {
    pub chains: Option<&'a Chains<'a>>,
    /// Further configurations, of which it is only asked whether they open a value.
    pub also: &'a [Chains<'a>],
    /// The write-ahead log, where there is one.
    pub logged: Option<&'a Logged>,
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
    /// The rules of the further configurations.
    also: Vec<&'a Rule>,
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
/// Values of one batch kept for trying other keys, and the most bytes of one.
const SAMPLES: usize = 8;
const MAX_SAMPLE: usize = 1 << 20;
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
                let known = Rc::new(Known::of(at, self.shared));
                if self.place_key.len() <= MAX_KNOWN_KEY {
                    self.known.insert(self.place_key.clone(), Rc::clone(&known));
                }
                known
            }
        };
        self.place = Some(Rc::clone(&place));
        place
    }

    /// Judges one row.
    pub(crate) fn see(&mut self, row: &StoredRow<'_>, part: &mut Part) {
        let at = parse_etcd_key(row.etcd_key, self.shared.etcd_prefix);
        let known = &*self.locate(&at);
        let name = self.shared.hash_key.hash(row.etcd_key);
        let mut seen = Seen {
            key: row.key,
            name,
            group: 0,
            space: part.spaces.of(&at, &self.shared.hash_key),
            dek: None,
            verdict: Verdict {
                state: State::Tombstone,
                plaintext: false,
                exposed: false,
                moved: false,
            },
            version: row.version,
            mark: None,
            logged: None,
            opens: (0, 0),
            text: None,
        };
        let mut group = Attribution::default();
        if !row.key.tombstone {
            let inspection = inspect(row.value);
            group = Attribution::guess(&inspection);
            if matches!(known.place, Place::Foreign) {
                group.note_object(&inspection, row.value);
            }
            seen.dek = self.shared.dek(
                &inspection,
                known,
                &self.place_key,
                row.value,
                &mut self.scratch,
                part,
            );
            if !self.shared.survey {
                let subject = Subject {
                    inspection,
                    rule: known.rule,
                    sensitive: known.sensitive,
                    stored: row.value,
                    etcd_key: row.etcd_key,
                    object: match &at {
                        EtcdKey::Object(name) => Some(name),
                        _ => None,
                    },
                };
                let (deks, plaintext) = (self.shared.deks, &mut self.plaintext);
                seen.verdict = subject.judge(&mut group, deks, plaintext, part);
                let dek = seen.dek.and_then(|at| Some(part.deks.get(at)?.hash));
                let inspection = &subject.inspection;
                seen.mark = (self.shared).mark(
                    &group,
                    known,
                    inspection,
                    row.value,
                    dek,
                    &mut self.scratch,
                );
                self.date(row, &seen.verdict, part);
                seen.opens = self.opened_by(row, known, &seen.verdict);
                seen.logged = self.shared.logged.and_then(|log| {
                    Some(self.shared.content(row.etcd_key, row.value)).filter(|c| log.holds(c))
                });
            }
        }
        let quiet = matches!(
            seen.verdict.state,
            State::Opened(Staleness::Fresh) | State::Classified | State::Tombstone
        ) && matches!(known.place, Place::Resource { .. });
        let worth = seen.mark.is_some()
            || seen.verdict.exposed
            || seen.verdict.moved
            || group.provider == "unknown"
            || !known.also.is_empty();
        if !quiet || worth {
            seen.text = Some((part.names.len(), row.etcd_key.len()));
            part.names.extend(row.etcd_key);
        }
        seen.group = self
            .shared
            .group(&group, known, &self.place_key, &mut self.scratch, part);
        if let State::Refused(why) = seen.verdict.state
            && known.rule.is_some()
            && part.samples.len() < SAMPLES
            && row.value.len() <= MAX_SAMPLE
        {
            part.samples.push(Sample {
                group: seen.group,
                why,
                etcd_key: row.etcd_key.to_vec(),
                stored: row.value.to_vec(),
            });
        }
        part.rows.push(seen);
    }

    /// Notes when the object was created, for a few rows of each batch.
    fn date(&self, row: &StoredRow<'_>, verdict: &Verdict, part: &mut Part) {
        if part.anchors.len() >= timeline::A_BATCH || row.create_revision <= 0 {
            return;
        }
        let created = |bytes: &[u8]| metadata(bytes).and_then(|meta| meta.created);
        let created = match verdict.state {
            State::Opened(_) => self.plaintext.judge(created),
            State::Classified if verdict.plaintext => created(row.value),
            _ => None,
        };
        part.anchors
            .extend(created.map(|time| (row.create_revision, time)));
    }

    /// Which configurations open the value: the first is the lowest bit.
    fn opened_by(
        &mut self,
        row: &StoredRow<'_>,
        known: &Known<'_>,
        verdict: &Verdict,
    ) -> (u32, u32) {
        if known.also.is_empty() {
            return (0, 0);
        }
        let mut opens = u32::from(matches!(verdict.state, State::Opened(_)));
        let mut waits = u32::from(matches!(verdict.state, State::Undecided));
        for (nth, rule) in known.also.iter().enumerate() {
            let (deks, plaintext) = (self.shared.deks, &mut self.plaintext);
            let opened = rule.chain.open_in(row.value, row.etcd_key, deks, plaintext);
            match opened {
                Ok(Outcome::Opened(how)) => {
                    let sound = !how.unauthenticated || plaintext.judge(looks_like_object);
                    opens |= u32::from(sound) << (nth + 1);
                }
                Ok(Outcome::Needs(_)) => waits |= 1 << (nth + 1),
                Err(_) => {}
            }
        }
        (opens, waits)
    }
}

impl Worker for Examiner<'_> {
    type Part = Part;

    fn begin(&mut self) -> Part {
        Part::default()
    }

    fn row(&mut self, row: &Row<'_>, kv: &KeyValue<'_>, part: &mut Part) {
        let row = StoredRow {
            key: row.key,
            etcd_key: kv.key,
            value: kv.value,
            create_revision: kv.create_revision,
            version: kv.version,
            leftover: false,
        };
        self.see(&row, part);
    }

    fn slack(&mut self, page: u64, part: &mut Part) {
        part.slack.push(page);
    }

    fn damaged(&mut self, row: &Row<'_>, part: &mut Part) {
        part.damaged.push((row.key, row.page));
    }
}

impl<'a> Known<'a> {
    fn of(at: &EtcdKey<'_>, shared: &Context<'a>) -> Self {
        let EtcdKey::Object(name) = at else {
            let place = match at {
                EtcdKey::Housekeeping => Place::Housekeeping,
                _ => Place::Foreign,
            };
            return Self {
                place,
                rule: None,
                also: Vec::new(),
                sensitive: false,
            };
        };
        let rule = shared.chains.map(|c| c.of(name));
        Self {
            place: Place::Resource {
                name: clip(name.to_string().as_bytes()),
                covered: rule.map(|r| r.covered),
                rule: rule.and_then(|r| r.name.clone()),
            },
            rule,
            also: shared.also.iter().map(|c| c.of(name)).collect(),
            sensitive: name.resource == "secrets" && name.group == Some(""),
        }
    }
}

impl Context<'_> {
    /// What stands for name and value together.
    pub(crate) fn content(&self, etcd_key: &[u8], value: &[u8]) -> NameHash {
        let mut whole = Vec::with_capacity(etcd_key.len() + value.len() + 16);
        add(&mut whole, &[etcd_key, value]);
        self.hash_key.hash(&whole)
    }

    /// The nonce of a value under its key or DEK, where that is known for certain.
    fn mark(
        &self,
        by: &Attribution<'_>,
        known: &Known<'_>,
        inspection: &Inspection<'_>,
        stored: &[u8],
        dek: Option<NameHash>,
        scratch: &mut Vec<u8>,
    ) -> Option<Mark> {
        let local = || {
            let (provider, key) = by.slot?;
            let body = Format::of(stored).1.strip_prefix(by.key?)?;
            Some((
                known.rule?.secret_at(provider, key)?,
                body.strip_prefix(b":")?,
            ))
        };
        // Bytes of the nonce, and whether the tag stands right behind it or at the end.
        let (under, body, length, behind, fatal) = match inspection.format {
            Format::AesGcm => {
                let (under, body) = local()?;
                (under, body, 12, false, true)
            }
            Format::Secretbox => {
                let (under, body) = local()?;
                (under, body, 24, true, true)
            }
            Format::AesCbc => {
                let (under, body) = local()?;
                (under, body, 16, false, false)
            }
            Format::KmsV1 => {
                let cbc = by.form == Some("cbc");
                let body = inspection.kmsv1.as_ref()?.body;
                (dek?, body, if cbc { 16 } else { 12 }, false, !cbc)
            }
            Format::KmsV2 => {
                let object = inspection.kmsv2.as_ref()?;
                let length = match object.source_type {
                    0 => 12,
                    // The key of each value is derived from the seed and these 32 bytes.
                    1 => 32 + 12,
                    _ => return None,
                };
                (dek?, object.data, length, false, true)
            }
            _ => return None,
        };
        let (nonce, sealed) = body.split_at_checked(length)?;
        let seal = if behind {
            sealed.first_chunk::<16>()
        } else {
            sealed.last_chunk::<16>()
        };
        let (high, low) = under.bits();
        scratch.clear();
        add(
            scratch,
            &[
                by.provider.as_bytes(),
                &high.to_le_bytes(),
                &low.to_le_bytes(),
                nonce,
            ],
        );
        Some(Mark {
            nonce: self.hash_key.hash(scratch),
            seal: self.hash_key.hash(seal?),
            fatal,
        })
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
