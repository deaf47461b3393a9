#!/usr/bin/env python3
"""Makes the golden keyset records of core's tests from the layout in docs/keyset.md, without any code of ours.

Needs the package `cryptography`, whose HPKE opens what is sealed here by hand (RFC 9180, so that the ephemeral key can be
given). Prints for each record its name, key_id and bytes.
"""

import base64
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

LABEL = b"prod-1"
GENERATION = 3
WRAP_KEY = bytes(range(0x20, 0x40))
SEED = bytes(range(32))
KEK = bytes(range(64, 96))
SET_KEY = bytes(range(128, 160))
WRAP_NONCE = bytes(range(100, 112))
EPHEMERAL = bytes(range(200, 232))
# The recipient of RFC 9180, appendix A.
RECOVERY = bytes.fromhex("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")
RECOVERY_PUBLIC = bytes.fromhex("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c")

RSA, HPKE, LOCAL = 4, 5, 9


def expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def part(content: bytes) -> bytes:
    return struct.pack(">Q", len(content)) + content


def extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.new(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, hashlib.sha256).digest()


def labelled(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(key, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)


def hpke_seal(public: bytes, info: bytes, aad: bytes, plain: bytes, ikm: bytes) -> bytes:
    """DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode, the ephemeral key made from `ikm`."""
    kem = b"KEM" + struct.pack(">H", 32)
    suite = b"HPKE" + struct.pack(">HHH", 32, 1, 2)
    private = X25519PrivateKey.from_private_bytes(labelled(kem, extract(kem, b"", b"dkp_prk", ikm), b"sk", b"", 32))
    encapsulated = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    secret = labelled(kem, extract(kem, b"", b"eae_prk", shared), b"shared_secret", encapsulated + public, 32)
    context = b"\0" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    schedule = extract(suite, secret, b"secret", b"")
    key = labelled(suite, schedule, b"key", context, 32)
    nonce = labelled(suite, schedule, b"base_nonce", context, 12)
    return encapsulated + AESGCM(key).encrypt(nonce, plain, aad)


def wrap(kind: int, context: bytes) -> bytes:
    if kind == LOCAL:
        return WRAP_NONCE + AESGCM(expand(KEK, b"kw1 local wrap")).encrypt(WRAP_NONCE, WRAP_KEY, context)
    if kind == HPKE:
        blob = hpke_seal(RECOVERY_PUBLIC, context, b"", WRAP_KEY, EPHEMERAL)
        suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
        assert suite.decrypt(blob, X25519PrivateKey.from_private_bytes(RECOVERY), info=context) == WRAP_KEY
        return blob
    # What a vault would have answered: opaque to core.
    return bytes([0x52]) * 256


IDENTITIES = {
    LOCAL: part(expand(KEK, b"kw1 local identity")),
    HPKE: part(hashlib.sha256(RECOVERY_PUBLIC).digest()),
    RSA: part(b"vault"),
}


def golden(members: list[tuple[int, int]], set_key: bytes | None) -> tuple[str, bytes]:
    """The key_id and the record of a set of (kind, slot)."""
    hashed = part(b"k8senc keyset key_id v1") + part(struct.pack(">Q", GENERATION)) + part(struct.pack(">Q", len(members)))
    for kind, identity in sorted((kind, IDENTITIES[kind]) for kind, _ in members):
        hashed += part(bytes([kind])) + part(identity)
    hashed += part(expand(set_key, b"kw1 set identity") if set_key else b"")
    digest = hashlib.sha256(hashed).digest()
    key_id = "kc1." + base64.urlsafe_b64encode(digest).decode().rstrip("=")
    set_id = digest[:8]

    record = b"\0KW1" + bytes([1 if set_key else 0]) + set_id + expand(WRAP_KEY, b"kw1 commit")[:16] + bytes([len(members)])
    for kind, slot in sorted(members, key=lambda member: member[1]):
        blob = wrap(kind, b"kw1|%s|%s|%d" % (LABEL, set_id.hex().encode(), slot))
        record += struct.pack(">BBH", kind, slot, len(blob)) + blob
    record += AESGCM(expand(WRAP_KEY, b"kw1 seal")).encrypt(bytes(12), SEED, record + key_id.encode() + LABEL)
    if set_key:
        mac = hmac.new(expand(set_key, b"kw1 set mac"), record + key_id.encode() + LABEL, hashlib.sha256)
        record += mac.digest()[:16]
    return key_id, record


def records() -> dict[str, tuple[str, bytes]]:
    return {
        "GOLDEN": golden([(LOCAL, 2), (HPKE, 7)], None),
        "GOLDEN_MAC": golden([(LOCAL, 2), (HPKE, 7)], SET_KEY),
        "GOLDEN_RSA": golden([(RSA, 1), (HPKE, 7)], SET_KEY),
    }


if __name__ == "__main__":
    # The vector of RFC 9180, A.1 with AES-256: a wrong hand-made HPKE must not go unseen.
    sealed = hpke_seal(
        RECOVERY_PUBLIC,
        b"Ode on a Grecian Urn",
        b"Count-0",
        b"Beauty is truth, truth beauty",
        bytes.fromhex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9"),
    )
    assert sealed.hex().startswith("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256")
    for name, (key_id, record) in records().items():
        print(name, key_id, len(record), record.hex())
