//! Write-ahead logs: a real one against etcd's own types, and logs nobody writes.

use etcd_store::ErrorKind;
use etcd_store::wal::{Kind, Log, Place};

use crate::image::Copied;
use crate::real::{digest, hex};

pub const LOG: &[u8] = include_bytes!("../data/log.wal");

fn puts(log: &[u8]) -> Vec<String> {
    let (mut log, mut buffer, mut lines) = (Log::new(Copied(log), None), Vec::new(), Vec::new());
    while let Some(record) = log.next_record(&mut buffer).unwrap() {
        assert!(record.sound);
        let Some(entry) = record.entry().unwrap() else {
            continue;
        };
        let mut puts = Vec::new();
        let read = entry.values(&mut |w| {
            let place = match w.place {
                Place::Put => "put",
                Place::Success => "success",
                Place::Failure => "failure",
                Place::Compare => "compare",
            };
            puts.push(format!(
                "put {place} {} {} {}",
                hex(w.key),
                w.value.len(),
                digest(w.value)
            ));
        });
        let request = entry.normal && !entry.data.is_empty() && read.is_ok();
        lines.push(format!(
            "entry {} {}",
            entry.index,
            if request { "request" } else { "other" }
        ));
        lines.extend(puts);
    }
    assert!(!log.is_torn());
    lines
}

#[test]
fn every_put_of_a_real_log_is_found() {
    let expected: Vec<_> = include_str!("../data/log.entries").lines().collect();
    assert_eq!(puts(LOG), expected);
    assert!(expected.iter().any(|line| line.starts_with("put success")));
}

#[test]
fn the_log_starts_and_commits_as_raft_says() {
    let (mut log, mut buffer) = (Log::new(LOG, None), Vec::new());
    let (mut kinds, mut last, mut commit) = (Vec::new(), 0, 0);
    while let Some(record) = log.next_record(&mut buffer).unwrap() {
        kinds.push(record.kind);
        last = record.entry().unwrap().map_or(last, |e| e.index);
        commit = record.commit().unwrap().unwrap_or(commit);
    }
    assert_eq!(kinds[..3], [Kind::Crc, Kind::Metadata, Kind::Snapshot]);
    assert!(commit > 0 && commit <= last);
}

fn end_of(log: &[u8]) -> usize {
    let mut reader = Log::new(log, None);
    while reader.next_record(&mut Vec::new()).unwrap().is_some() {}
    reader.position() as usize
}

#[test]
fn a_torn_tail_ends_the_log() {
    let end = end_of(LOG);
    assert_eq!(end, LOG.len() - 512);
    for cut in [end - 1, end - 9, 5] {
        let (mut log, mut buffer) = (Log::new(&LOG[..cut], None), Vec::new());
        while log.next_record(&mut buffer).unwrap().is_some() {}
        assert!(log.is_torn() && log.position() < cut as u64);
    }
    for word in [u64::MAX, 1 << 55, 0x7f00_0000_0000_0000 | 600] {
        let mut file = LOG[..end].to_vec();
        file.extend(word.to_le_bytes());
        let (mut log, mut buffer) = (Log::new(file.as_slice(), None), Vec::new());
        while log.next_record(&mut buffer).unwrap().is_some() {}
        assert!(log.is_torn());
    }
}

#[test]
fn a_changed_byte_breaks_one_checksum() {
    let value = LOG.windows(8).position(|w| w == b"first-7-").unwrap();
    let mut file = LOG.to_vec();
    file[value] ^= 1;
    let (mut log, mut buffer, mut unsound) = (Log::new(file.as_slice(), None), Vec::new(), 0);
    while let Some(record) = log.next_record(&mut buffer).unwrap() {
        unsound += u32::from(!record.sound);
    }
    assert_eq!(unsound, 1);
}

#[test]
fn the_checksum_is_carried_from_file_to_file() {
    for (before, sound) in [(None, true), (Some(0), true), (Some(5), false)] {
        let mut log = Log::new(LOG, before);
        assert_eq!(
            log.next_record(&mut Vec::new()).unwrap().unwrap().sound,
            sound
        );
    }
}

fn frame(record: &[u8]) -> Vec<u8> {
    [&(record.len() as u64).to_le_bytes()[..], record].concat()
}

#[test]
fn malformed_records_and_requests_are_refused() {
    for record in [
        vec![0x0b],
        vec![0x1a, 9],
        vec![0x0a, 0],
        [vec![0x08], vec![0x80; 11]].concat(),
    ] {
        let file = frame(&record);
        let mut log = Log::new(file.as_slice(), None);
        let mut buffer = Vec::new();
        assert_eq!(
            log.next_record(&mut buffer).unwrap_err().kind,
            ErrorKind::BadWalRecord { offset: 0 }
        );
        assert_eq!(log.next_record(&mut buffer), Ok(None));
    }
    // Seventy transactions, each inside the one before.
    let mut txn = Vec::new();
    for _ in 0..70 {
        txn = [
            vec![0x22, txn.len() as u8 | 0x80, (txn.len() >> 7) as u8],
            txn,
        ]
        .concat();
        txn = [
            vec![0x12, txn.len() as u8 | 0x80, (txn.len() >> 7) as u8],
            txn,
        ]
        .concat();
    }
    let request = [
        vec![0x32, txn.len() as u8 | 0x80, (txn.len() >> 7) as u8],
        txn,
    ]
    .concat();
    for data in [request, vec![0x22, 9], vec![0x22, 2, 0x0a, 9]] {
        let entry = [
            vec![0x22, data.len() as u8 | 0x80, (data.len() >> 7) as u8],
            data,
        ]
        .concat();
        let record = [
            vec![
                0x08,
                2,
                0x1a,
                entry.len() as u8 | 0x80,
                (entry.len() >> 7) as u8,
            ],
            entry,
        ]
        .concat();
        let file = frame(&record);
        let mut log = Log::new(file.as_slice(), None);
        let mut buffer = Vec::new();
        let entry = log
            .next_record(&mut buffer)
            .unwrap()
            .unwrap()
            .entry()
            .unwrap()
            .unwrap();
        assert_eq!(
            entry.values(&mut |_| ()).unwrap_err().kind,
            ErrorKind::BadWalRecord { offset: 0 }
        );
    }
}

#[test]
fn both_branches_and_compared_values_are_found() {
    let put = |value: u8| vec![0x12, 8, 0x12, 6, 0x0a, 1, b'k', 0x12, 1, value];
    let mut txn = vec![0x0a, 6, 0x1a, 1, b'k', 0x3a, 1, b'c'];
    txn.extend(put(b's'));
    txn.extend([vec![0x1a], put(b'f')[1..].to_vec()].concat());
    let request = [vec![0x32, txn.len() as u8], txn].concat();
    let entry = [vec![0x22, request.len() as u8], request].concat();
    let file = frame(&[vec![0x08, 2, 0x1a, entry.len() as u8], entry].concat());
    let (mut log, mut buffer, mut found) =
        (Log::new(file.as_slice(), None), Vec::new(), Vec::new());
    let record = log.next_record(&mut buffer).unwrap().unwrap();
    record
        .entry()
        .unwrap()
        .unwrap()
        .values(&mut |w| found.push((w.place, w.key[0], w.value[0])))
        .unwrap();
    assert_eq!(
        found,
        [
            (Place::Compare, b'k', b'c'),
            (Place::Success, b'k', b's'),
            (Place::Failure, b'k', b'f')
        ]
    );
}
