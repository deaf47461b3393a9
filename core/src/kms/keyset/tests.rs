//! The golden records were made by `conformance-vectors/keyset/golden.py` from the layout table, with the package
//! `cryptography` (which also opened the HPKE wraps); the HPKE vector is the RFC 9180 authors', and Go's `crypto/hpke`
//! opened its ciphertext.

mod set_key;

use alloc::{format, string::String, vec, vec::Vec};

use super::*;
use crate::{Error, crypto::PORTABLE};

const GOLDEN: &str = "004b573100d64d4f2d90053583658d77f539e3d560b7092ff619d50606020902003c6465666768696a6b6c6d6e6f2adb1fc53db0fd70ac454d5d3da7a6e3cba954a1ada1a6dfdeb9d816950c7909931c1b6bf410c4fe5d64baaab159dfb7050700504833f7a7e0a5231a731d015505b21ef356acb639d21d5bb1a422b0c9d1263c073d4a1a96cec6375a810077a262fa327ad6e7bb4268e17f9305ba10c201f76da83c44e9a77e6cc7b0ea7e0c636b37f71d05e5a827e3c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd455e72011b928b4f7c43f8d0031dfd0139";
const GOLDEN_KEY_ID: &str = "kc1.1k1PLZAFNYOncVSdOF_dMc1r0flPzy_wmS3nnXjELJY";
const RFC_PRIVATE: &str = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d";
const RFC_PUBLIC: &str = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn count<const N: usize>(from: u8) -> [u8; N] {
    core::array::from_fn(|at| from + at as u8)
}

fn kek() -> LocalKek {
    LocalKek::new(SecretBytes::from_slice(&count::<32>(64))).unwrap()
}

fn recovery() -> RecoveryKey {
    RecoveryKey::new(SecretBytes::new(hex(RFC_PRIVATE))).unwrap()
}

fn label() -> ClusterLabel {
    ClusterLabel::new("prod-1").unwrap()
}

fn set() -> Keyset {
    let members = vec![recovery().recipient().unwrap().member(7), kek().member(2)];
    Keyset::new(label(), 3, members, None).unwrap()
}

fn beside<'a>(key_id: &'a str, label: &'a ClusterLabel) -> Beside<'a> {
    Beside {
        key_id,
        label,
        set_key: None,
    }
}

fn sealed(set: &Keyset) -> Vec<u8> {
    let key = WrapKey::fresh(&count(0x20));
    let local = kek()
        .wrap(&PORTABLE, &key, &set.wrap_context(2), &count(100))
        .unwrap();
    let recipient = recovery().recipient().unwrap();
    let offline = recipient
        .wrap(&key, &set.wrap_context(7), &count(200))
        .unwrap();
    set.seal(
        &PORTABLE,
        key,
        &count::<32>(0),
        &[(7, &offline), (2, &local)],
    )
    .unwrap()
}

/// What a plugin with the local KEK does with bytes from etcd.
fn open_online(stored: &[u8], key_id: &str, label: &ClusterLabel) -> Result<SecretBytes, Error> {
    let record = Record::try_from(stored)?;
    let key = kek().unwrap(
        &PORTABLE,
        record.wrap(2)?.blob,
        &record.wrap_context(label, 2),
    )?;
    record.open(&PORTABLE, 2, &key, &beside(key_id, label))
}

/// What the offline tool does with the recovery key.
fn open_offline(stored: &[u8], key_id: &str) -> Result<Recovered, Error> {
    let record = Record::try_from(stored)?;
    let key = recovery().unwrap(record.wrap(7)?.blob, &record.wrap_context(&label(), 7))?;
    record.recover(&PORTABLE, 7, &key, &beside(key_id, &label()))
}

fn external(kind: WrapKind, slot: u8, wrap_len: usize, name: &str) -> Member {
    Member {
        kind,
        slot,
        identity: Identity::of_parts(&[name.as_bytes()]),
        wrap_len,
    }
}

#[test]
fn the_record_is_the_golden_one() {
    assert_eq!(set().key_id(), GOLDEN_KEY_ID);
    assert_eq!(sealed(&set()), hex(GOLDEN));
    assert_eq!(set().max_record_len(), 226);
}

#[test]
fn the_golden_record_opens_both_ways() {
    let stored = hex(GOLDEN);
    assert_eq!(
        open_online(&stored, GOLDEN_KEY_ID, &label())
            .unwrap()
            .expose(),
        count::<32>(0)
    );
    let recovered = open_offline(&stored, GOLDEN_KEY_ID).unwrap();
    assert_eq!(recovered.seed.expose(), count::<32>(0));
    assert_eq!(recovered.provenance, Provenance::Unproven);
    let record = Record::try_from(stored.as_slice()).unwrap();
    assert_eq!(
        record.online(false).map(|w| w.slot).collect::<Vec<_>>(),
        [2]
    );
    let key = kek()
        .unwrap(&PORTABLE, record.wraps()[0].blob, &set().wrap_context(2))
        .unwrap();
    let recovered = record
        .recover(&PORTABLE, 2, &key, &beside(GOLDEN_KEY_ID, &label()))
        .unwrap();
    assert_eq!(recovered.provenance, Provenance::SymmetricKek);
}

#[test]
fn hpke_is_the_rfc_vector() {
    let info = b"Ode on a Grecian Urn";
    let plain = b"Beauty is truth, truth beauty";
    let ikm: [u8; 32] = hex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9")
        .try_into()
        .unwrap();
    let expected = hex(
        "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256\
        e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
    );
    let public: [u8; 32] = hex(RFC_PUBLIC).try_into().unwrap();
    assert_eq!(recovery().recipient().unwrap(), Recipient::new(public));
    assert_eq!(
        hpke::seal(&public, info, b"Count-0", plain, &ikm).unwrap(),
        expected
    );
    let private = recovery().private().unwrap();
    assert_eq!(
        hpke::open(&private, info, b"Count-0", &expected)
            .unwrap()
            .expose(),
        plain
    );
    for at in 0..expected.len() {
        let mut bad = expected.clone();
        bad[at] ^= 1;
        assert_eq!(
            hpke::open(&private, info, b"Count-0", &bad).unwrap_err(),
            Error::KeysetIntegrity,
            "byte {at}"
        );
    }
    assert!(hpke::open(&private, info, b"", &expected).is_err());
    assert!(hpke::open(&private, b"", b"Count-0", &expected).is_err());
}

#[test]
fn a_public_key_of_small_order_is_refused() {
    let key = WrapKey::fresh(&[1; 32]);
    let refused = Recipient::new([0; 32])
        .wrap(&key, "c", &[2; 32])
        .unwrap_err();
    assert_eq!(refused.code(), "keyset-refused");
}

#[test]
fn every_changed_byte_is_refused() {
    let stored = hex(GOLDEN);
    for at in 0..stored.len() {
        for mask in 1..=255u8 {
            let mut bad = stored.clone();
            bad[at] ^= mask;
            assert!(
                open_online(&bad, GOLDEN_KEY_ID, &label()).is_err(),
                "byte {at} mask {mask:02x} online"
            );
            // Two public-key operations each: the low bit and the high bit will do.
            if mask == 1 || mask == 128 {
                assert!(
                    open_offline(&bad, GOLDEN_KEY_ID).is_err(),
                    "byte {at} mask {mask:02x} offline"
                );
            }
        }
    }
    for len in 0..stored.len() {
        assert_eq!(
            open_online(&stored[..len], GOLDEN_KEY_ID, &label())
                .unwrap_err()
                .code(),
            "keyset-malformed",
            "{len}"
        );
    }
    let mut longer = stored.clone();
    longer.push(0);
    assert!(open_online(&longer, GOLDEN_KEY_ID, &label()).is_err());
}

#[test]
fn the_wrap_is_bound_to_label_set_and_slot_and_the_record_to_its_key_id() {
    let stored = hex(GOLDEN);
    let other = ClusterLabel::new("prod-2").unwrap();
    assert_eq!(
        open_online(&stored, GOLDEN_KEY_ID, &other).unwrap_err(),
        Error::KeysetIntegrity
    );
    // The first 8 bytes of the hash are the set id, the rest is bound by the seal.
    for at in 4..GOLDEN_KEY_ID.len() - 1 {
        let mut id: Vec<u8> = GOLDEN_KEY_ID.into();
        id[at] = if id[at] == b'A' { b'B' } else { b'A' };
        let id = String::from_utf8(id).unwrap();
        assert_eq!(
            open_online(&stored, &id, &label()).unwrap_err(),
            Error::KeysetIntegrity,
            "{id}"
        );
    }
    for id in [
        "",
        "kc1.",
        "kc2.1k1PLZAFNYOncVSdOF_dMc1r0flPzy_wmS3nnXjELJY",
        "kc1.AAAA",
        &format!("{GOLDEN_KEY_ID}A"),
    ] {
        assert_eq!(
            open_online(&stored, id, &label()).unwrap_err().code(),
            "keyset-malformed",
            "{id}"
        );
    }
    assert_eq!(set().wrap_context(2), "kw1|prod-1|d64d4f2d90053583|2");
    assert_eq!(label().probe_context(2), "kw1-probe|prod-1|2");
}

#[test]
fn a_wrap_that_proves_nothing_opens_nothing_online() {
    let stored = hex(GOLDEN);
    let record = Record::try_from(stored.as_slice()).unwrap();
    let key = recovery()
        .unwrap(record.wrap(7).unwrap().blob, &set().wrap_context(7))
        .unwrap();
    assert_eq!(
        record
            .open(&PORTABLE, 7, &key, &beside(GOLDEN_KEY_ID, &label()))
            .unwrap_err()
            .code(),
        "keyset-refused"
    );
    assert_eq!(
        record
            .open(&PORTABLE, 3, &key, &beside(GOLDEN_KEY_ID, &label()))
            .unwrap_err()
            .code(),
        "keyset-refused"
    );
}

#[test]
fn a_recovered_wrap_key_does_not_pass_for_a_symmetric_one() {
    let stored = hex(GOLDEN);
    let record = Record::try_from(stored.as_slice()).unwrap();
    let key = recovery()
        .unwrap(record.wrap(7).unwrap().blob, &set().wrap_context(7))
        .unwrap();
    // Right key, offered for the slot of the symmetric wrap.
    assert_eq!(
        record
            .open(&PORTABLE, 2, &key, &beside(GOLDEN_KEY_ID, &label()))
            .unwrap_err()
            .code(),
        "keyset-refused"
    );
    let recovered = record
        .recover(&PORTABLE, 2, &key, &beside(GOLDEN_KEY_ID, &label()))
        .unwrap();
    assert_eq!(recovered.provenance, Provenance::Unproven);
}

#[test]
fn a_used_wrap_key_seals_nothing() {
    let stored = hex(GOLDEN);
    let record = Record::try_from(stored.as_slice()).unwrap();
    let local = record.wrap(2).unwrap().blob;
    let offline = record.wrap(7).unwrap().blob;
    for key in [
        kek()
            .unwrap(&PORTABLE, local, &set().wrap_context(2))
            .unwrap(),
        recovery().unwrap(offline, &set().wrap_context(7)).unwrap(),
        WrapKey::unwrapped(SecretBytes::from_slice(&count::<32>(0x20))),
    ] {
        let refused = set()
            .seal(&PORTABLE, key, &[9; 32], &[(2, local), (7, offline)])
            .unwrap_err();
        assert_eq!(
            refused,
            Error::KeysetRefused("a wrap key that was used before seals nothing")
        );
    }
}

#[test]
fn another_wrap_key_meets_the_commitment() {
    let stored = hex(GOLDEN);
    let record = Record::try_from(stored.as_slice()).unwrap();
    for key in [vec![9; 32], vec![], vec![0x20; 31], (0x20..0x41).collect()] {
        let key = WrapKey::unwrapped(SecretBytes::new(key));
        assert_eq!(
            record
                .open(&PORTABLE, 2, &key, &beside(GOLDEN_KEY_ID, &label()))
                .unwrap_err(),
            Error::KeysetIntegrity
        );
    }
}

#[test]
fn key_id_changes_with_each_key_and_the_generation_and_with_nothing_else() {
    let a = || external(WrapKind::Aws, 1, 184, "a");
    let b = || external(WrapKind::Gcp, 2, 113, "b");
    let id = |label: &str, generation, members| {
        let label = ClusterLabel::new(label).unwrap();
        String::from(
            Keyset::new(label, generation, members, None)
                .unwrap()
                .key_id(),
        )
    };
    let base = id("x", 1, vec![a(), b()]);
    assert_eq!(base.len(), 47);
    // Order, slots, sizes and the label change nothing.
    let moved = vec![
        external(WrapKind::Gcp, 0, 120, "b"),
        external(WrapKind::Aws, 200, 185, "a"),
    ];
    assert_eq!(id("y", 1, moved), base);
    let mut seen = vec![base];
    for other in [
        id("x", 2, vec![a(), b()]),
        id("x", 1, vec![a()]),
        id("x", 1, vec![a(), b(), external(WrapKind::Hpke, 3, 80, "r")]),
        id("x", 1, vec![a(), b(), external(WrapKind::Hpke, 3, 80, "s")]),
        id("x", 1, vec![a(), external(WrapKind::Gcp, 2, 113, "b2")]),
        id(
            "x",
            1,
            vec![
                external(WrapKind::Aws, 1, 184, "b"),
                external(WrapKind::Gcp, 2, 113, "a"),
            ],
        ),
        id("x", 1, vec![a(), external(WrapKind::Pkcs11, 2, 60, "b")]),
    ] {
        assert!(!seen.contains(&other), "{other}");
        seen.push(other);
    }
    // Parts do not run into each other.
    assert_ne!(
        Identity::of_parts(&[b"ab", b"c"]),
        Identity::of_parts(&[b"a", b"bc"])
    );
    assert_ne!(
        Identity::of_parts(&[b"a"]),
        Identity::of_parts(&[b"a", b""])
    );
    assert_ne!(
        kek().member(0).identity,
        LocalKek::new(SecretBytes::from_slice(&[5; 32]))
            .unwrap()
            .member(0)
            .identity
    );
}

#[test]
fn the_order_of_keys_and_wraps_changes_no_byte() {
    let members = vec![kek().member(2), recovery().recipient().unwrap().member(7)];
    let other_order = Keyset::new(label(), 3, members, None).unwrap();
    assert_eq!(other_order.key_id(), set().key_id());
    assert_eq!(other_order.members(), set().members());
    assert_eq!(sealed(&other_order), sealed(&set()));
}

#[test]
fn sets_that_could_not_be_opened_or_stored_are_refused() {
    let refused = |members: Vec<Member>| match Keyset::new(label(), 0, members, None) {
        Err(Error::KeysetRefused(why)) => why,
        other => panic!("{other:?}"),
    };
    let local = |slot, name: &str| external(WrapKind::Local, slot, 60, name);
    assert!(refused(vec![]).contains("1 to 6"));
    assert!(refused((0..7).map(|s| local(s, &format!("{s}"))).collect()).contains("1 to 6"));
    assert!(
        Keyset::new(
            label(),
            0,
            (0..6).map(|s| local(s, &format!("{s}"))).collect(),
            None
        )
        .is_ok()
    );
    assert!(
        refused(vec![
            external(WrapKind::Hpke, 1, 80, "r"),
            external(WrapKind::AzureRsa, 2, 256, "z")
        ])
        .contains("online")
    );
    assert!(refused(vec![local(1, "a"), local(2, "a")]).contains("twice"));
    assert!(refused(vec![local(1, "a"), local(1, "b")]).contains("slot"));
    assert!(refused(vec![external(WrapKind::Local, 1, 61, "a")]).contains("length"));
    // 78 + 4 + 60 + 2 * (4 + 512) = 1174
    let large = |slot, name| external(WrapKind::AzureRsa, slot, 512, name);
    assert!(refused(vec![local(1, "a"), large(2, "b"), large(3, "c")]).contains("1023"));
    // 78 + (4 + 32 + n) + (4 + 512): with n = 393 exactly 1023.
    let aws = |n| vec![external(WrapKind::Aws, 1, n, "a"), large(2, "b")];
    assert_eq!(
        Keyset::new(label(), 0, aws(393), None)
            .unwrap()
            .max_record_len(),
        1023
    );
    assert!(refused(aws(394)).contains("1023"));
    for bad in ["", "a|b", "a b", "ä", &"x".repeat(64)] {
        assert_eq!(
            ClusterLabel::new(bad).unwrap_err().code(),
            "keyset-refused",
            "{bad}"
        );
    }
    assert!(ClusterLabel::new(&"x".repeat(63)).is_ok());
    assert!(LocalKek::new(SecretBytes::from_slice(&[0; 31])).is_err());
    assert!(RecoveryKey::new(SecretBytes::from_slice(&[0; 33])).is_err());
}

#[test]
fn sealing_wants_every_wrap_and_its_size() {
    let set = Keyset::new(
        label(),
        0,
        vec![
            external(WrapKind::Aws, 1, 184, "a"),
            external(WrapKind::AzureRsa, 2, 512, "b"),
        ],
        None,
    )
    .unwrap();
    let seal = |seed: &[u8], wraps: &[(u8, &[u8])]| {
        set.seal(&PORTABLE, WrapKey::fresh(&[3; 32]), seed, wraps)
    };
    let (aws, azure) = (vec![1u8; 184], vec![2u8; 512]);
    assert_eq!(
        seal(&[0; 32], &[(1, &aws), (2, &azure)]).unwrap().len(),
        78 + 188 + 516
    );
    let code = |result: Result<Vec<u8>, Error>| result.unwrap_err().code();
    assert_eq!(code(seal(&[0; 32], &[(1, &aws)])), "keyset-refused");
    assert_eq!(
        code(seal(&[0; 32], &[(1, &aws), (1, &aws)])),
        "keyset-refused"
    );
    assert_eq!(
        code(seal(&[0; 32], &[(1, &aws), (2, &azure), (3, &aws)])),
        "keyset-refused"
    );
    assert_eq!(
        code(seal(&[0; 32], &[(1, &aws), (2, &azure[..511])])),
        "keyset-refused"
    );
    assert_eq!(
        code(seal(&[0; 31], &[(1, &aws), (2, &azure)])),
        "keyset-refused"
    );
    // The cloud's answer grew: the last size that fits, and one more.
    assert_eq!(
        seal(&[0; 32], &[(1, &[1; 425]), (2, &azure)])
            .unwrap()
            .len(),
        MAX_RECORD
    );
    assert_eq!(
        code(seal(&[0; 32], &[(1, &[1; 426]), (2, &azure)])),
        "keyset-refused"
    );
}

#[test]
fn malformed_records_are_told_apart() {
    let why = |edit: &dyn Fn(&mut Vec<u8>)| {
        let mut stored = hex(GOLDEN);
        edit(&mut stored);
        match Record::try_from(stored.as_slice()) {
            Err(Error::KeysetMalformed(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(why(&|r| r[0] = 1).contains("start"));
    assert!(why(&|r| r[4] = 2).contains("flags"));
    // A MAC that is not there.
    assert!(why(&|r| r[4] = 1).contains("beyond"));
    assert!(why(&|r| r[29] = 0).contains("1 to 6"));
    assert!(why(&|r| r[29] = 7).contains("1 to 6"));
    assert!(why(&|r| r[29] = 1).contains("between"));
    assert!(why(&|r| r[29] = 3).contains("cut short"));
    assert!(why(&|r| r[30] = 10).contains("unknown kind"));
    assert!(why(&|r| r[31] = 7).contains("ascend"));
    assert!(why(&|r| r[32] = 255).contains("beyond"));
    assert!(why(&|r| r.resize(1024, 0)).contains("1023"));
}

#[test]
fn hostile_bytes_never_panic_and_never_open() {
    let golden = hex(GOLDEN);
    let mut state = 0x6b77_3100_u64;
    let mut roll = |below: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    };
    let mut parsed = 0u32;
    for _ in 0..20_000 {
        let mut bytes = golden.clone();
        for _ in 0..=roll(4) {
            let at = roll(bytes.len() + 1);
            match roll(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, roll(256) as u8),
                2 => bytes.extend_from_slice(&golden),
                _ if at < bytes.len() => bytes[at] = roll(256) as u8,
                _ => {}
            }
        }
        parsed += u32::from(Record::try_from(bytes.as_slice()).is_ok());
        assert!(bytes == golden || open_online(&bytes, GOLDEN_KEY_ID, &label()).is_err());
    }
    assert!(parsed > 1_000, "the records lost their shape: {parsed}");
}

#[test]
fn debug_texts_hold_no_secret() {
    let texts = [
        format!("{:?}", WrapKey::fresh(&[7; 32])),
        format!("{:?}", kek()),
        format!("{:?}", recovery()),
        format!("{:?}", open_offline(&hex(GOLDEN), GOLDEN_KEY_ID).unwrap()),
    ];
    for text in texts {
        assert!(text.contains("SecretBytes(32 bytes, redacted)"), "{text}");
    }
}
