//! A whole run: what to ask first, then every selected value to a sink.

use std::collections::BTreeMap;

use etcd_store::RowKey;
use k8s_object::{EtcdName, Types};
use k8senc::kms::DekRequest;
use k8senc::secret::Plaintext;
use k8senc_audit::{AuditError, escape};

use crate::document::{self, Format, Text};
use crate::entry::{Counter, Entry, Outcome, Summary};
use crate::open::{Opener, Verdict};
use crate::walk::{Options, Source, walk};
use crate::{RecoveryError, Selection};

/// Where a document comes from.
pub struct Place<'p> {
    pub(crate) name: Option<&'p EtcdName<'p>>,
    pub(crate) etcd_key: &'p [u8],
    pub(crate) row: RowKey,
}

/// Takes documents and what is said about each value, refused ones included.
pub trait Sink {
    /// Takes one document. May change the entry: its file, its outcome.
    ///
    /// # Errors
    /// When no further document can be taken.
    fn document(
        &mut self,
        place: &Place<'_>,
        bytes: &[u8],
        extension: &'static str,
        entry: &mut Entry,
    ) -> Result<(), RecoveryError>;

    /// Takes what is said about a value, after its document if it has one.
    ///
    /// # Errors
    /// When no further entry can be taken.
    fn entry(&mut self, entry: &Entry) -> Result<(), RecoveryError>;
}

/// What a selection takes, before anything is opened.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Survey {
    /// Values that the selection takes.
    pub selected: u64,
    /// Distinct Decrypt requests and how many values wait for each, most first.
    pub needs: Vec<(DekRequest, u64)>,
    /// Requests met after 100,000 distinct ones.
    pub beyond: u64,
}

/// Distinct requests kept. Asking a KMS that often takes hours; a crafted file can hold millions.
const MAX_REQUESTS: usize = 100_000;

/// What the KMS must be asked before the selection can be opened.
///
/// # Errors
/// As [`recover`].
pub fn survey(
    source: Source<'_>,
    opener: &mut Opener<'_>,
    selection: &Selection,
    options: &Options<'_>,
) -> Result<Survey, RecoveryError> {
    let (mut found, mut requests) = (Survey::default(), BTreeMap::<DekRequest, u64>::new());
    walk(source, selection, options, &mut |name, _, _, stored| {
        found.selected += 1;
        for request in opener.needs(name, stored) {
            if let Some(count) = requests.get_mut(&request) {
                *count += 1;
            } else if requests.len() < MAX_REQUESTS {
                requests.insert(request, 1);
            } else {
                found.beyond += 1;
            }
        }
        Ok(())
    })?;
    found.needs = requests.into_iter().collect();
    found
        .needs
        .sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(found)
}

/// Opens every selected value and hands it to the sink. A caller that cancels gets the summary of what was done.
///
/// # Errors
/// When the source ends early before anything was selected, has no such revision, or the sink takes no more.
pub fn recover(
    source: Source<'_>,
    opener: &mut Opener<'_>,
    selection: &Selection,
    types: &Types,
    format: Format,
    options: &Options<'_>,
    sink: &mut dyn Sink,
) -> Result<Summary, RecoveryError> {
    let mut counter = Counter::default();
    let (mut scratch, mut text) = (Plaintext::new(), Text::default());
    let walked = walk(
        source,
        selection,
        options,
        &mut |name, row, etcd_key, stored| {
            let place = Place {
                name,
                etcd_key,
                row,
            };
            let entry = one(
                opener,
                &place,
                stored,
                types,
                format,
                &mut scratch,
                &mut text,
                sink,
            )?;
            counter.add(&entry);
            Ok(())
        },
    );
    match walked {
        Ok(walked) => counter.summary.damaged_rows = walked.damaged_rows,
        Err(RecoveryError::Source(AuditError::Cancelled)) => counter.summary.cancelled = true,
        // What was recovered before the damage stays recovered.
        Err(RecoveryError::Source(error)) if counter.summary.selected > 0 => {
            counter.summary.stopped = Some(error.to_string());
        }
        Err(error) => return Err(error),
    }
    Ok(counter.finish())
}

/// Opens one value that is no part of a snapshot.
///
/// # Errors
/// When the sink does not take it.
pub fn value(
    opener: &mut Opener<'_>,
    etcd_key: &[u8],
    stored: &[u8],
    etcd_prefix: Option<&[u8]>,
    types: &Types,
    format: Format,
    sink: &mut dyn Sink,
) -> Result<Summary, RecoveryError> {
    let name = EtcdName::from_etcd_key(etcd_key, etcd_prefix);
    let row = RowKey {
        revision: etcd_store::Revision { main: 0, sub: 0 },
        tombstone: false,
    };
    let place = Place {
        name: name.as_ref(),
        etcd_key,
        row,
    };
    let mut counter = Counter::default();
    let entry = one(
        opener,
        &place,
        stored,
        types,
        format,
        &mut Plaintext::new(),
        &mut Text::default(),
        sink,
    )?;
    counter.add(&entry);
    Ok(counter.finish())
}

#[expect(
    clippy::too_many_arguments,
    reason = "the reused buffers of one loop, named apart"
)]
fn one(
    opener: &mut Opener<'_>,
    place: &Place<'_>,
    stored: &[u8],
    types: &Types,
    format: Format,
    scratch: &mut Plaintext,
    text: &mut Text,
    sink: &mut dyn Sink,
) -> Result<Entry, RecoveryError> {
    let mut entry = Entry {
        etcd_key: escape(place.etcd_key),
        revision: place.row.revision.main,
        resource: place.name.map(|name| escape(name.to_string().as_bytes())),
        outcome: Outcome::Written,
        file: None,
        provider: "identity",
        key: None,
        code: None,
        text: None,
        hint: None,
        moved: false,
        unverified: false,
        unknown_fields: 0,
    };
    match opener.open(place.name, place.etcd_key, stored, scratch) {
        Verdict::Opened(opened) => {
            entry.take(opened);
            let written = document::write(scratch.reveal(), types, format, text);
            entry.unknown_fields = written.unknown_fields;
            if let Some(why) = written.raw_because {
                entry.outcome = Outcome::WrittenRaw;
                entry.code = Some(why.code().to_owned());
                entry.text = Some(why.to_string());
            }
            sink.document(place, written.bytes, written.extension, &mut entry)?;
        }
        Verdict::Refused(refused) => entry.refuse(refused),
        Verdict::Needs(request) => {
            entry.outcome = Outcome::Undecided;
            entry.provider = match request.api {
                k8senc::kms::KmsApi::V1 => "kms-v1",
                k8senc::kms::KmsApi::V2 => "kms-v2",
            };
            entry.key = Some(escape(request.provider.as_bytes()));
            entry.code = Some("dek-missing".to_owned());
        }
    }
    sink.entry(&entry)?;
    Ok(entry)
}
