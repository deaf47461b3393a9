"""Writing values, and judging many: against an independent implementation and against each other."""

from __future__ import annotations

import hashlib
import hmac
import struct
from base64 import b64encode
from collections.abc import Callable

import k8senc
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = "/registry/secrets/default/a"
PLAIN = b"k8s\x00 a secret"
AES, OLD, BOX = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
PREFIX = b"k8s:enc:"


def config(providers: str) -> k8senc.Config:
    head = "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n- resources: [secrets]\n  providers:\n"
    return k8senc.Config.parse(head + providers)


def static(kind: str, *keys: bytes) -> str:
    listed = "".join(f"      - {{name: key{number}, secret: {b64encode(key).decode()}}}\n" for number, key in enumerate(keys))
    return f"  - {kind}:\n      keys:\n{listed}"


def kms(version: str, name: str = "p") -> str:
    return f"  - kms: {{apiVersion: {version}, name: {name}, endpoint: 'unix:///p'}}\n"


def gcm(body: bytes, key: bytes) -> bytes:
    return AESGCM(key).decrypt(body[:12], body[12:], KEY.encode())


def test_aesgcm_opens_elsewhere() -> None:
    sealed = config(static("aesgcm", AES)).chain("secrets").seal(PLAIN, KEY)
    head = PREFIX + b"aesgcm:v1:key0:"
    assert sealed.startswith(head)
    assert gcm(sealed[len(head) :], AES) == PLAIN


def test_aescbc_opens_elsewhere() -> None:
    sealed = config(static("aescbc", AES)).chain("secrets").seal(PLAIN, KEY)
    body = sealed.removeprefix(PREFIX + b"aescbc:v1:key0:")
    decryptor = Cipher(algorithms.AES(AES), modes.CBC(body[:16])).decryptor()
    padded = decryptor.update(body[16:]) + decryptor.finalize()
    assert padded[: -padded[-1]] == PLAIN


class Writing:
    """A plugin that keeps what it encrypts, so that the test can look at it."""

    key_id = "1"

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def encrypt(self, plaintext: bytes, /) -> k8senc.Sealed:
        self.given.append(plaintext)
        return k8senc.Sealed(b"encrypted %d" % len(self.given), self.key_id, {"a.example": b"1"})

    def unwrap(self, request: k8senc.DekRequest, /) -> bytes:
        return self.given[int(request.ciphertext.split()[1]) - 1]


def test_kmsv1_draws_a_dek_for_each_value() -> None:
    plugin = Writing()
    chain = config(kms("v1")).chain("secrets", kms={"p": plugin})
    values = [chain.seal(PLAIN, KEY) for _ in range(3)]
    assert len(set(plugin.given)) == 3 and {len(dek) for dek in plugin.given} == {32}
    for number, value in enumerate(values):
        body = value.removeprefix(PREFIX + b"kms:v1:p:")
        (length,) = struct.unpack(">H", body[:2])
        assert body[2 : 2 + length] == b"encrypted %d" % (number + 1)
        assert gcm(body[2 + length :], plugin.given[number]) == PLAIN
        assert chain.open(value, KEY).reveal() == PLAIN


def test_kmsv2_writes_with_one_seed() -> None:
    plugin = Writing()
    chain = config(kms("v2")).chain("secrets", kms={"p": plugin})
    state = k8senc.KmsState.create(plugin)
    assert (state.key_id, state.encrypted_seed, state.annotations) == ("1", b"encrypted 1", {"a.example": b"1"})
    values = [chain.seal(PLAIN, KEY, state) for _ in range(3)]
    assert len(plugin.given) == 1 and len(set(values)) == 3
    for value in values:
        # encryptedData is field 1 and comes first.
        message = value.removeprefix(PREFIX + b"kms:v2:p:")
        data = message[2 : 2 + message[1]]
        derived = hmac.new(plugin.given[0], data[:32] + b"\1", hashlib.sha256).digest()
        assert gcm(data[32:], derived) == PLAIN
        opened = chain.open(value, KEY)
        assert opened.reveal() == PLAIN and opened.stale is False


def test_secretbox_and_identity_are_read_back() -> None:
    chain = config(static("secretbox", BOX) + "  - identity: {}\n").chain("secrets")
    opened = chain.open(chain.seal(PLAIN, KEY), KEY)
    assert opened.reveal() == PLAIN and opened.provider == "secretbox"
    assert config("  - identity: {}\n").chain("secrets").seal(PLAIN, KEY) == PLAIN


def test_a_local_kek_writes_what_it_reads() -> None:
    kek = k8senc.LocalKek({"new": AES, "old": OLD}, key_id="new")
    chain = config(kms("v2")).chain("secrets", kms={"p": kek})
    state = k8senc.KmsState.create(kek)
    value = chain.seal(PLAIN, KEY, state)
    assert chain.open(value, KEY).stale is False and k8senc.inspect(value).key_id == "new"
    sealed = kek.encrypt(PLAIN)
    assert AESGCM(AES).decrypt(sealed.ciphertext[:12], sealed.ciphertext[12:], None) == PLAIN
    with pytest.raises(k8senc.UsageError, match="names no local KEK"):
        k8senc.LocalKek({"new": AES, "old": OLD}).encrypt(PLAIN)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(k8senc.K8sEncError) as caught:
        call()
    return caught.value.code


def test_what_cannot_be_written_says_why() -> None:
    class Other(Writing):
        def encrypt(self, plaintext: bytes, /) -> k8senc.Sealed:
            return k8senc.Sealed(b"x", "2")

    class Broken(Writing):
        def encrypt(self, plaintext: bytes, /) -> k8senc.Sealed:
            raise ConnectionError("no answer")

    class Reader:
        def unwrap(self, request: k8senc.DekRequest, /) -> bytes:
            return b""

    v1, v2, gcm_only = config(kms("v1")), config(kms("v2")), config(static("aesgcm", AES))
    state = k8senc.KmsState.create(Writing())
    assert refusal(lambda: v2.chain("secrets").seal(PLAIN, KEY)) == "kms-state"
    assert refusal(lambda: gcm_only.chain("secrets").seal(PLAIN, KEY, state)) == "kms-state"
    assert refusal(lambda: v1.chain("secrets").seal(PLAIN, KEY)) == "kms-object"
    assert refusal(lambda: v1.chain("secrets", kms={"p": Reader()}).seal(PLAIN, KEY)) == "kms-encrypt"
    assert refusal(lambda: v2.chain("secrets").seal(PLAIN, "", state)) == "aad-empty"
    assert refusal(lambda: k8senc.KmsState.create(Other())) == "kms-rotation"
    assert refusal(lambda: k8senc.KmsState(bytes(31), k8senc.Sealed(b"x", "1"))) == "seed-too-short"
    assert refusal(lambda: k8senc.KmsState(bytes(32), k8senc.Sealed(b"", "1"))) == "kmsv2-dek-source-size"
    with pytest.raises(ConnectionError, match="no answer"):
        k8senc.KmsState.create(Broken())
    assert "redacted" in repr(state)


def test_judging_many_agrees_with_opening_each() -> None:
    plugin = Writing()
    providers = static("aesgcm", AES, OLD) + kms("v2") + static("aescbc", AES) + kms("v1", "q") + "  - identity: {}\n"
    chain = config(providers).chain("secrets", kms={"p": plugin})
    state = k8senc.KmsState.create(plugin)
    writers = [static("aesgcm", AES), static("aesgcm", BOX), static("aescbc", AES), static("aescbc", OLD), static("secretbox", BOX)]
    values = [config(writer).chain("secrets").seal(PLAIN, KEY) for writer in writers]
    values += [config(kms("v2")).chain("secrets").seal(PLAIN, KEY, state) for _ in range(3)]
    values += [config(kms("v1", "q")).chain("secrets", kms={"q": Writing()}).seal(PLAIN, KEY), b"{}", b""]
    judged = chain.judge_many([(KEY, value) for value in values])
    assert len(judged) == len(values)
    for value, found in zip(values, judged, strict=True):
        try:
            opened = chain.open(value, KEY)
        except k8senc.StoredValueError as error:
            assert (found.opens, found.code, found.message, found.upstream) == (False, error.code, error.message, error.upstream)
            assert found.stale is None and found.length is None
        else:
            assert found.opens and found.code is None
            assert found.length == len(opened)
            assert (found.stale, found.reasons, found.provider, found.key) == (opened.stale, opened.reasons, opened.provider, opened.key)
            assert found.authenticated is opened.authenticated
    assert {found.code for found in judged} >= {None, "authentication", "dek-needed", "no-matching-prefix"} - {"no-matching-prefix"}


class Counting(Writing):
    """Refuses at first, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.refuses = True

    def unwrap(self, request: k8senc.DekRequest, /) -> bytes:
        self.asked += 1
        if self.refuses:
            raise RuntimeError("rpc error: code = Unavailable desc = down")
        return super().unwrap(request)


def test_each_dek_is_asked_for_once_and_a_refusal_is_not_kept() -> None:
    plugin = Counting()
    chain = config(kms("v2")).chain("secrets", kms={"p": plugin})
    state = k8senc.KmsState.create(plugin)
    values = [(KEY, chain.seal(PLAIN, KEY, state)) for _ in range(50)]
    assert {found.code for found in chain.judge_many(values)} == {"dek-refused"}
    assert plugin.asked == 1
    plugin.refuses = False
    assert {found.code for found in chain.judge_many(values)} == {None}
    assert plugin.asked == 2
    assert chain.judge_many([]) == []
