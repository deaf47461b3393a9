"""A value that kube-apiserver wrote through the KMS plugin under three KMSs opens with the recovery key, without any KMS.

The opener follows docs/keyset.md and Kubernetes' own layout, and uses no code of ours.
"""

from __future__ import annotations

import base64
import json
import struct

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tests.vectors import ROOT

SAMPLE = json.loads((ROOT / "kms-plugin" / "apiservertest" / "testdata" / "three-wraps.json").read_text("utf-8"))
HPKE_KIND = 5


def expand(key: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(key)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(message: bytes) -> dict[int, bytes | int]:
    """A protobuf message whose fields are numbers and bytes."""
    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        value, at = varint(message, at)
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + value]
            at += value
        else:
            found[tag >> 3] = value
    return found


def seed_of(record: bytes, key_id: str, cluster: str, private: X25519PrivateKey) -> bytes:
    assert record[:5] == b"\x00KW1\x00"
    set_id, commitment, count, at = record[5:13], record[13:29], record[29], 30
    wraps = {}
    for _ in range(count):
        kind, slot, length = struct.unpack(">BBH", record[at : at + 4])
        wraps[slot] = (kind, record[at + 4 : at + 4 + length])
        at += 4 + length
    slot, wrap = next((slot, wrap) for slot, (kind, wrap) in wraps.items() if kind == HPKE_KIND)
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    wrap_key = suite.decrypt(wrap, private, info=f"kw1|{cluster}|{set_id.hex()}|{slot}".encode())
    assert expand(wrap_key, b"kw1 commit", 16) == commitment
    sealed = record[at:]
    return AESGCM(expand(wrap_key, b"kw1 seal")).decrypt(bytes(12), sealed, record[:at] + key_id.encode() + cluster.encode())


def opened(stored: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(bytes.fromhex(SAMPLE["recoveryKey"]))
    value = fields(stored.split(b"kms:v2:k8senc:", 1)[1])
    data, key_id, record = value[1], value[2], value[3]
    assert isinstance(data, bytes) and isinstance(key_id, bytes) and isinstance(record, bytes) and value[5] == 1
    seed = seed_of(record, key_id.decode(), SAMPLE["cluster"], private)
    # HKDF_SHA256_XNONCE_AES_GCM_SEED: 32 bytes of info, nonce 12, ciphertext.
    key = expand(seed, data[:32])
    return AESGCM(key).decrypt(data[32:44], data[44:], SAMPLE["etcdKey"].encode())


def test_the_recovery_key_opens_without_any_kms() -> None:
    assert opened(bytes.fromhex(SAMPLE["stored"])).decode() == SAMPLE["plaintext"]


def test_a_changed_value_does_not_open() -> None:
    stored = bytearray.fromhex(SAMPLE["stored"])
    stored[stored.index(b"kms:v2:k8senc:") + 60] ^= 1
    with pytest.raises(InvalidTag):
        opened(bytes(stored))


def test_the_key_id_is_one_of_a_keyset() -> None:
    kind, _, digest = SAMPLE["keyId"].partition(".")
    assert kind == "kc1" and len(base64.urlsafe_b64decode(digest + "=")) == 32
