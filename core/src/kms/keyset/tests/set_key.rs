//! Sets with a set key: who made a record where the wraps do not tell.

use super::*;

const GOLDEN_MAC: &str = "004b573101d5acf27e54887113658d77f539e3d560b7092ff619d50606020902003c6465666768696a6b6c6d6e6f2adb1fc53db0fd70ac454d5d3da7a6e3cba954a1ada1a6dfdeb9d816950c7909d1d5bfc6d22996da69ffd885cfa185b3050700504833f7a7e0a5231a731d015505b21ef356acb639d21d5bb1a422b0c9d1263c076818180b72038c5768b0222c328fc8dc5a946473bd055938e73a1d48c203c62f2fdf00d0a4ee61175fc5af8261e1bdda05e5a827e3c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd455b208870a19ac868c163a6f28384685c68b7e5a3a47744eceb85e78c000e579e";
const GOLDEN_MAC_KEY_ID: &str = "kc1.1azyflSIcRPhKGP5lP1jFwfn5OVDss9jMaI8w_uuR_I";
const GOLDEN_RSA: &str = "004b5731013a9b68212007ed69658d77f539e3d560b7092ff619d50606020401010052525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252525252050700504833f7a7e0a5231a731d015505b21ef356acb639d21d5bb1a422b0c9d1263c07faa1052f435ffe7b62fcb5f96ec4652c7e5c8fd2d2d2c83584c2384b9e9739095876c3ee6abde8d807354588dc0173ff05e5a827e3c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd452a694c5fb9114e5ca63934907388b5352dedc967d8438b69f18062fabb7c1742";
const GOLDEN_RSA_KEY_ID: &str = "kc1.OptoISAH7Wkj4qlESjvDFZBAK2BV1h6u0eZQwqtkutM";

fn set_key() -> SetKey {
    SetKey::new(SecretBytes::from_slice(&count::<32>(128))).unwrap()
}

fn with_mac() -> Keyset {
    let members = vec![recovery().recipient().unwrap().member(7), kek().member(2)];
    Keyset::new(label(), 3, members, Some(set_key())).unwrap()
}

fn with_rsa(set_key: Option<SetKey>) -> Result<Keyset, Error> {
    let members = vec![
        recovery().recipient().unwrap().member(7),
        external(WrapKind::AzureRsa, 1, 256, "vault"),
    ];
    Keyset::new(label(), 3, members, set_key)
}

/// What the vault answers to Decrypt of its wrap.
fn vault() -> WrapKey {
    WrapKey::unwrapped(SecretBytes::from_slice(&count::<32>(0x20)))
}

fn seal_rsa(set: &Keyset, seed: &[u8]) -> Vec<u8> {
    let key = WrapKey::fresh(&count(0x20));
    let recipient = recovery().recipient().unwrap();
    let offline = recipient
        .wrap(&key, &set.wrap_context(7), &count(200))
        .unwrap();
    set.seal(&PORTABLE, key, seed, &[(1, &[0x52; 256]), (7, &offline)])
        .unwrap()
}

fn open_rsa(stored: &[u8], beside: &Beside<'_>) -> Result<SecretBytes, Error> {
    Record::try_from(stored)?.open(&PORTABLE, 1, &vault(), beside)
}

#[test]
fn the_records_are_the_golden_ones() {
    let set = with_mac();
    assert_eq!(set.key_id(), GOLDEN_MAC_KEY_ID);
    assert_eq!(sealed(&set), hex(GOLDEN_MAC));
    assert_eq!(set.max_record_len(), 242);
    let set = with_rsa(Some(set_key())).unwrap();
    assert_eq!(set.key_id(), GOLDEN_RSA_KEY_ID);
    assert_eq!(seal_rsa(&set, &count::<32>(0)), hex(GOLDEN_RSA));
    assert_eq!(set.max_record_len(), 438);
}

#[test]
fn the_set_key_makes_a_set_of_its_own() {
    let other = SetKey::new(SecretBytes::from_slice(&[1; 32])).unwrap();
    let ids = [
        set().key_id().into(),
        with_mac().key_id().into(),
        String::from(with_rsa(Some(set_key())).unwrap().key_id()),
        String::from(with_rsa(Some(other)).unwrap().key_id()),
    ];
    let distinct: alloc::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
    assert!(SetKey::new(SecretBytes::from_slice(&[0; 31])).is_err());
    assert_eq!(label().set_key_context(1), "kw1-set|prod-1|1");
}

#[test]
fn rsa_opens_online_under_the_set_key_only() {
    assert!(matches!(with_rsa(None), Err(Error::KeysetRefused(_))));
    let set = with_rsa(Some(set_key())).unwrap();
    let stored = hex(GOLDEN_RSA);
    let record = Record::try_from(stored.as_slice()).unwrap();
    let slots = |with| record.online(with).map(|w| w.slot).collect::<Vec<_>>();
    assert_eq!(slots(true), [1]);
    assert_eq!(slots(false), [0u8; 0]);
    assert_eq!(
        open_rsa(&stored, &set.beside()).unwrap().expose(),
        count::<32>(0)
    );
    let label = label();
    let without = beside(GOLDEN_RSA_KEY_ID, &label);
    assert_eq!(
        open_rsa(&stored, &without).unwrap_err().code(),
        "keyset-refused"
    );
    // A recovery key opens nothing online, proven or not.
    let key = recovery()
        .unwrap(record.wrap(7).unwrap().blob, &set.wrap_context(7))
        .unwrap();
    for slot in [1, 7] {
        assert_eq!(
            record
                .open(&PORTABLE, slot, &key, &set.beside())
                .unwrap_err()
                .code(),
            "keyset-refused"
        );
        let offline = record.recover(&PORTABLE, slot, &key, &set.beside());
        assert_eq!(offline.unwrap().provenance, Provenance::SetKey);
        let offline = record.recover(&PORTABLE, slot, &key, &without);
        assert_eq!(offline.unwrap().provenance, Provenance::Unproven);
    }
}

/// Whoever has the public keys and may write to etcd can make a record that is right in all but the MAC.
#[test]
fn a_forged_record_opens_nothing_and_asks_no_kms() {
    let set = with_rsa(Some(set_key())).unwrap();
    let guess = with_rsa(Some(
        SetKey::new(SecretBytes::from_slice(&[1; 32])).unwrap(),
    ))
    .unwrap();
    let mut forged = seal_rsa(&guess, &[0xee; 32]);
    // The set id of the victim, and no MAC or a random one.
    forged[5..13].copy_from_slice(&set.set_id().0);
    let check = |stored: &[u8]| Record::try_from(stored)?.check(&set.beside());
    assert_eq!(check(&forged), Err(Error::KeysetIntegrity));
    let mut bare = forged.clone();
    bare[4] = 0;
    bare.truncate(forged.len() - 16);
    assert_eq!(check(&bare), Err(Error::KeysetIntegrity));
    assert_eq!(
        open_rsa(&bare, &set.beside()).unwrap_err(),
        Error::KeysetIntegrity
    );
    assert_eq!(
        check(&seal_rsa(&guess, &[0; 32])),
        Err(Error::KeysetIntegrity)
    );
    assert_eq!(check(&hex(GOLDEN_RSA)), Ok(()));
}

#[test]
fn no_wrap_is_removed_added_or_swapped_unseen() {
    let stored = hex(GOLDEN_MAC);
    let label = label();
    let key_id = GOLDEN_MAC_KEY_ID;
    let other =
        sealed(&Keyset::new(label.clone(), 4, with_mac().members().to_vec(), None).unwrap());
    // local: 64 bytes from 30 on, HPKE: 84 bytes behind it.
    let mut removed = stored.clone();
    removed[29] = 1;
    removed.drain(94..178);
    let mut added = stored.clone();
    added[29] = 3;
    let mut third = stored[30..94].to_vec();
    third[1] = 9;
    added.splice(178..178, third);
    let mut swapped = stored.clone();
    swapped[98..178].copy_from_slice(&other[98..178]);
    let mut renumbered = stored.clone();
    renumbered[95] = 8;
    for edited in [removed, added, swapped, renumbered] {
        let record = Record::try_from(edited.as_slice()).unwrap();
        let context = record.wrap_context(&label, 2);
        let key = kek()
            .unwrap(&PORTABLE, record.wrap(2).unwrap().blob, &context)
            .unwrap();
        let proven = with_mac();
        assert_eq!(record.check(&proven.beside()), Err(Error::KeysetIntegrity));
        // The seal alone sees it too.
        let opened = record.open(&PORTABLE, 2, &key, &beside(key_id, &label));
        assert_eq!(opened.unwrap_err(), Error::KeysetIntegrity);
    }
}

#[test]
fn every_changed_byte_fails_the_mac() {
    let set = with_mac();
    let stored = hex(GOLDEN_MAC);
    for at in 0..stored.len() {
        for bit in 0..8 {
            let mut bad = stored.clone();
            bad[at] ^= 1 << bit;
            let found = Record::try_from(bad.as_slice()).and_then(|r| r.check(&set.beside()));
            assert!(found.is_err(), "byte {at} bit {bit}");
        }
    }
    let record = Record::try_from(stored.as_slice()).unwrap();
    let elsewhere = ClusterLabel::new("prod-2").unwrap();
    let moved = Beside {
        label: &elsewhere,
        ..set.beside()
    };
    assert_eq!(record.check(&moved), Err(Error::KeysetIntegrity));
    assert!(open_online(&stored, GOLDEN_MAC_KEY_ID, &label()).is_ok());
}

/// Kinds without room for a context are bound to their cluster by the seal.
#[test]
fn the_seal_binds_the_cluster_label() {
    let members = vec![external(WrapKind::AesKeyWrap, 0, 40, "token")];
    let set = Keyset::new(label(), 0, members, None).unwrap();
    let stored = set
        .seal(
            &PORTABLE,
            WrapKey::fresh(&count(0x20)),
            &[9; 32],
            &[(0, &[1; 40])],
        )
        .unwrap();
    let record = Record::try_from(stored.as_slice()).unwrap();
    let elsewhere = ClusterLabel::new("prod-2").unwrap();
    let open = |label| record.open(&PORTABLE, 0, &vault(), &beside(set.key_id(), label));
    assert_eq!(open(&elsewhere).unwrap_err(), Error::KeysetIntegrity);
    assert_eq!(open(&label()).unwrap().expose(), [9; 32]);
}
