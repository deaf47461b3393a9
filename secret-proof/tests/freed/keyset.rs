//! Keysets: wrap keys, seeds, local KEKs, recovery keys and set keys.

use k8senc::{
    crypto::{Backend, PORTABLE},
    kms::keyset::{
        Beside, ClusterLabel, Identity, Keyset, LocalKek, Member, Record, RecoveryKey, SetKey,
        WrapKey, WrapKind,
    },
    secret::SecretBytes,
};
use k8senc_backends::NATIVE;

use crate::{clean, secrets};

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::from_slice(bytes)
}

#[test]
fn keysets_leave_nothing() {
    let wrap_key: &'static [u8; 32] = secrets::seed("wrap key", 32).try_into().unwrap();
    let seed = secrets::seed("keyset seed", 32);
    let kek = secrets::seed("local KEK", 32);
    let set_key = secrets::seed("set key", 32);
    let private = secrets::plain("recovery key", 32);
    let ephemeral: &'static [u8; 32] = secrets::plain("ephemeral", 32).try_into().unwrap();
    let nonce = secrets::random("nonce", 12).try_into().unwrap();
    for (key, infos) in [
        (kek, ["kw1 local wrap", "kw1 local identity"]),
        (wrap_key.as_slice(), ["kw1 seal", "kw1 seal"]),
        (set_key, ["kw1 set mac", "kw1 set mac"]),
    ] {
        for info in infos.into_iter().filter(|info| !info.ends_with("identity")) {
            secrets::derived(key, info.as_bytes());
        }
    }
    for backend in [&PORTABLE as &dyn Backend, &NATIVE] {
        clean(backend.name(), || {
            let local = LocalKek::new(secret(kek)).unwrap();
            let recovery = RecoveryKey::new(secret(private)).unwrap();
            let recipient = recovery.recipient().unwrap();
            let label = || ClusterLabel::new("prod-1").unwrap();
            let rsa = Member {
                kind: WrapKind::AzureRsa,
                slot: 3,
                identity: Identity::of_parts(&[b"vault"]),
                wrap_len: 256,
            };
            let members = vec![local.member(1), recipient.member(2), rsa];
            let set = Keyset::new(
                label(),
                1,
                members,
                Some(SetKey::new(secret(set_key)).unwrap()),
            )
            .unwrap();
            let key = WrapKey::fresh(wrap_key);
            let one = local
                .wrap(backend, &key, &set.wrap_context(1), nonce)
                .unwrap();
            let two = recipient
                .wrap(&key, &set.wrap_context(2), ephemeral)
                .unwrap();
            let wraps: [(u8, &[u8]); 3] = [(1, &one), (2, &two), (3, &[1; 256])];
            assert!(
                set.seal(backend, WrapKey::fresh(wrap_key), seed, &wraps[..2])
                    .is_err()
            );
            assert!(
                set.seal(backend, WrapKey::fresh(wrap_key), &seed[..31], &wraps)
                    .is_err()
            );
            let stored = set.seal(backend, key, seed, &wraps).unwrap();

            let record = Record::try_from(stored.as_slice()).unwrap();
            let opened = local.unwrap(backend, &one, &set.wrap_context(1)).unwrap();
            let beside = set.beside();
            assert_eq!(
                record.open(backend, 1, &opened, &beside).unwrap().expose(),
                seed
            );
            let recovered = recovery.unwrap(&two, &set.wrap_context(2)).unwrap();
            assert_eq!(
                record
                    .recover(backend, 2, &recovered, &beside)
                    .unwrap()
                    .seed
                    .expose(),
                seed
            );

            assert!(local.unwrap(backend, &one, "elsewhere").is_err());
            assert!(recovery.unwrap(&two, "elsewhere").is_err());
            assert!(record.open(backend, 1, &recovered, &beside).is_err());
            let elsewhere = ClusterLabel::new("prod-2").unwrap();
            let moved = Beside {
                label: &elsewhere,
                set_key: None,
                ..beside
            };
            assert!(record.open(backend, 1, &opened, &moved).is_err());
            for short in [&kek[..31], &private[..7]] {
                assert!(LocalKek::new(secret(short)).is_err());
                assert!(RecoveryKey::new(secret(short)).is_err());
                assert!(SetKey::new(secret(short)).is_err());
            }
        });
    }
}
