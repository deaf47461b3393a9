"""Seeds unwrapped without the plugin: keyset records of the independent program, and the shapes of known plugins, by each
KMS's own client against a server on loopback."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives.asymmetric import padding
from k8senc import Config, DekRequest, RemoteError, UsageError
from k8senc._native import recognise, recovery_public
from k8senc.kms_client import Refusal, Sealed
from k8senc.unwrapping import Offline, Unwrapper
from k8senc.unwrapping.aws import AwsKek
from k8senc.unwrapping.azure import AzureKek
from k8senc.unwrapping.gcp import GcpKek
from k8senc.unwrapping.places import kek_at
from k8senc.unwrapping.vault import VaultKek
from moto.server import ThreadedMotoServer

from tests.etcd_server import free_port
from tests.kms_servers import OAEP, CloudKms, Transit, Vault, certificate, http
from tests.test_cli import k8senc, sentence
from tests.vectors import VECTORS

SEED = bytes(range(32))
CONFIG = """
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: cloud, endpoint: unix:///run/kms.sock}
"""
SECRET = b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"},"data":{"password":"aHVudGVyMg=="}}'
ETCD_KEY = "/registry/secrets/shop/db"


def golden() -> ModuleType:
    """The independent program, loaded anew so that a test may change it."""
    spec = importlib.util.spec_from_file_location("golden", VECTORS / "keyset" / "golden.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(ciphertext: bytes, key_id: str, annotations: dict[str, bytes] | None = None) -> bytes:
    """A stored Secret whose encrypted seed is `ciphertext`."""

    class Answers:
        def __init__(self) -> None:
            self.key_id = key_id

        def unwrap(self, _: DekRequest, /) -> bytes:
            return SEED

    from k8senc import KmsState

    chain = Config.parse(CONFIG).chain("secrets", kms={"cloud": Answers()})
    return chain.seal(SECRET, ETCD_KEY, KmsState(SEED, Sealed(ciphertext, key_id, annotations or {})))


def request_of(ciphertext: bytes, key_id: str, annotations: dict[str, bytes] | None = None) -> DekRequest:
    (request,) = Config.parse(CONFIG).chain("secrets").needs([stored(ciphertext, key_id, annotations)])
    assert (request.ciphertext, request.key_id) == (ciphertext, key_id)
    return request


@pytest.mark.parametrize("name", ["GOLDEN", "GOLDEN_MAC", "GOLDEN_RSA"])
@pytest.mark.parametrize("with_set_key", [False, True])
def test_a_recovery_key_opens_the_independent_records(name: str, with_set_key: bool) -> None:
    theirs = golden()
    key_id, record = theirs.records()[name]
    unwrapper = Unwrapper([], Offline("prod-1", theirs.SET_KEY if with_set_key else None, [("the recovery key", theirs.RECOVERY)]))
    request = request_of(record, key_id)
    if with_set_key and name == "GOLDEN":
        # With a set key a record without MAC is no record.
        with pytest.raises(UsageError):
            unwrapper.unwrap(request)
        return
    assert unwrapper.unwrap(request) == SEED
    assert unwrapper.proofs == {"set-key" if with_set_key else "nothing": 1} and not unwrapper.remote
    assert recovery_public(theirs.RECOVERY) == theirs.RECOVERY_PUBLIC


def test_a_local_kek_comes_before_the_recovery_key_and_proves_more() -> None:
    theirs = golden()
    key_id, record = theirs.records()["GOLDEN"]
    unwrapper = Unwrapper([], Offline("prod-1", None, [("r", theirs.RECOVERY)], [("k", theirs.KEK)]))
    assert unwrapper.unwrap(request_of(record, key_id)) == SEED
    assert unwrapper.proofs == {"kek": 1}


@pytest.mark.parametrize(
    ("label", "recovery", "says"),
    [("prod-2", None, "r: "), ("prod-1", bytes(31) + b"\x01", "r: "), (None, None, "--cluster-label")],
    ids=["another cluster", "another key", "no label"],
)
def test_what_does_not_open_a_record(label: str | None, recovery: bytes | None, says: str) -> None:
    theirs = golden()
    key_id, record = theirs.records()["GOLDEN"]
    unwrapper = Unwrapper([], Offline(label, None, [("r", recovery or theirs.RECOVERY)]))
    with pytest.raises(UsageError, match=says):
        unwrapper.unwrap(request_of(record, key_id))
    assert not unwrapper.proofs


@pytest.mark.parametrize("form", ["raw", "base64", "hex", "commented"])
def test_the_command_opens_a_value_with_a_recovery_key_alone(tmp_path: Path, form: str) -> None:
    theirs = golden()
    key_id, record = theirs.records()["GOLDEN"]
    value, config, key = tmp_path / "value", tmp_path / "config.yaml", tmp_path / "recovery.key"
    value.write_bytes(stored(record, key_id))
    config.write_text(CONFIG)
    private: bytes = theirs.RECOVERY
    key.write_bytes({"raw": private, "base64": base64.b64encode(private) + b"\n", "hex": private.hex().encode(), "commented": b"# of prod-1\n" + base64.b64encode(private) + b"\n"}[form])
    run = k8senc("decrypt", "--value", value, "--etcd-key", ETCD_KEY, "-c", config, "--recovery-key", f"file:{key}", "--cluster-label", "prod-1", "--format", "json")
    assert run.returncode == 0, run.stderr
    assert b'"aHVudGVyMg=="' in run.stdout
    assert "proves nothing about who wrote" in run.stderr.decode()
    without = k8senc("decrypt", "--value", value, "--etcd-key", ETCD_KEY, "-c", config, "--recovery-key", f"file:{key}")
    assert without.returncode == 2 and "--cluster-label" in sentence(without)
    on_the_line = k8senc("decrypt", "--value", value, "--etcd-key", ETCD_KEY, "-c", config, "--recovery-key", private.hex(), "--cluster-label", "prod-1")
    assert on_the_line.returncode == 2 and private.hex() not in on_the_line.stderr.decode()


def record_with(kind: int, identity: bytes, wrapped: Any) -> tuple[str, bytes, bytes]:
    """A record of the independent program with a wrap by a KMS in slot 1: key_id, record and wrap key."""
    theirs = golden()
    local = theirs.wrap
    theirs.IDENTITIES[kind] = theirs.part(identity)
    theirs.wrap = lambda made, context: wrapped(theirs.WRAP_KEY, context) if made == kind else local(made, context)
    key_id, record = theirs.golden([(kind, 1), (theirs.HPKE, 7)], None)
    return key_id, record, theirs.WRAP_KEY


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Any, str, str]]:
    """A client, the ARN of a key, and the endpoint."""
    names = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_EC2_METADATA_DISABLED": "true"}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("kms", region_name="eu-central-1", endpoint_url=endpoint)
        yield client, client.create_key()["KeyMetadata"]["Arn"], endpoint
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def test_aws(aws: tuple[Any, str, str]) -> None:
    client, arn, endpoint = aws
    context = {"cluster": "prod", "a": "b=c"}
    blob = client.encrypt(KeyId=arn, Plaintext=SEED, EncryptionContext=context)["CiphertextBlob"]
    # The shape of a real blob, which moto's lacks, is what tells AWS's from others.
    kek = kek_at("aws", f"{arn}?context=cluster=prod&context=a=b%3Dc&endpoint={endpoint}")
    assert isinstance(kek, AwsKek)
    assert kek.context == context
    assert kek._decrypt(blob, context) == SEED
    with pytest.raises(Refusal, match="encryption context is another"):
        kek._decrypt(blob, {})

    key_id, record, _ = record_with(1, b"aws", lambda key, bound: client.encrypt(KeyId=arn, Plaintext=key, EncryptionContext={"kw1": bound.decode()})["CiphertextBlob"])
    unwrapper = Unwrapper([kek], Offline("prod-1"))
    assert unwrapper.unwrap(request_of(record, key_id)) == SEED and unwrapper.proofs == {"kek": 1} and unwrapper.remote
    other = client.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises(UsageError, match="slot 1"):
        Unwrapper([AwsKek(other, endpoint=endpoint)], Offline("prod-1")).unwrap(request_of(record, key_id))


def test_the_recovery_key_is_left_when_the_kms_is_gone() -> None:
    theirs = golden()
    key_id, record, _ = record_with(2, b"transit", lambda key, bound: bytes(62))
    gone = VaultKek(f"http://127.0.0.1:{free_port()}/transit/k8s", token="t")
    request = request_of(record, key_id)
    with pytest.raises(RemoteError, match="does not answer"):
        Unwrapper([gone], Offline("prod-1")).unwrap(request)
    assert Unwrapper([gone], Offline("prod-1", None, [("r", theirs.RECOVERY)])).unwrap(request) == SEED


def test_vault(tmp_path: Path) -> None:
    transit = Transit()
    (tmp_path / "token").write_text(transit.token + "\n")
    with http(transit.answer) as host:
        kek = kek_at("vault", f"http://{host}/transit/k8s?token-file={tmp_path / 'token'}")
        unwrapper = Unwrapper([kek], Offline("prod-1"))
        assert unwrapper.unwrap(request_of(transit.text(SEED), "7")) == SEED
        key_id, record, _ = record_with(2, b"transit", lambda key, bound: (3).to_bytes(2) + transit.encrypt(key, bound))
        assert unwrapper.unwrap(request_of(record, key_id)) == SEED
        with pytest.raises(UsageError, match="message authentication failed"):
            unwrapper.unwrap(request_of(b"vault:v3:" + base64.b64encode(bytes(60)), "7"))
        with pytest.raises(UsageError, match="permission denied") as caught:
            Unwrapper([VaultKek(f"http://{host}/transit/k8s", token="s.wrong")]).unwrap(request_of(transit.text(SEED), "7"))
        assert "s.wrong" not in str(caught.value)
    with pytest.raises(UsageError, match="there is no token"):
        kek_at("vault", f"http://127.0.0.1:1/transit/k8s?token-file={tmp_path / 'none'}")


def test_google(monkeypatch: pytest.MonkeyPatch) -> None:
    kms = CloudKms()
    with kms.served() as endpoint:
        kek = kek_at("gcp", f"{kms.name}?endpoint={endpoint}")
        unwrapper = Unwrapper([kek], Offline("prod-1"))
        version = f"{kms.name}/cryptoKeyVersions/4"
        assert unwrapper.unwrap(request_of(kms.encrypt(SEED), version)) == SEED
        key_id, record, _ = record_with(3, b"gcp", lambda key, bound: kms.encrypt(key, bound))
        assert unwrapper.unwrap(request_of(record, key_id)) == SEED
        with pytest.raises(UsageError, match="names another CryptoKey"):
            unwrapper.unwrap(request_of(kms.encrypt(SEED), version.replace("/r/", "/elsewhere/")))
        with pytest.raises(UsageError, match="the ciphertext is invalid"):
            unwrapper.unwrap(request_of(b"\x0a\x24\x00" + bytes(60), version))
    with pytest.raises(UsageError, match="is no CryptoKey"):
        GcpKek("projects/p")


class _Token:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("t", 1 << 40)


def test_azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, tls = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    vault = Vault()
    old, new = vault.keys
    with http(vault.answer, tls) as host:
        kek = AzureKek(f"https://{host}/keys/k8s", credential=_Token(), verify_challenge_resource=False)
        unwrapper = Unwrapper([kek], Offline("prod-1"))

        def text(version: str, scheme: padding.AsymmetricPadding) -> bytes:
            return base64.urlsafe_b64encode(vault.encrypt(version, base64.urlsafe_b64encode(SEED).rstrip(b"="), scheme)).rstrip(b"=")

        key_id = hashlib.sha256(f"https://{host}/keys/k8s/{old}".encode()).hexdigest()
        annotations = {"algorithm.azure.akv.io": b"RSA-OAEP-256", "version.azure.akv.io": b"1"}
        assert unwrapper.unwrap(request_of(text(old, OAEP), key_id, annotations)) == SEED
        with pytest.raises(UsageError, match="hash of no version"):
            unwrapper.unwrap(request_of(text(old, OAEP), "0" * 64, annotations))
        kw_id, record, _ = record_with(4, b"azure", lambda key, _: vault.encrypt(new, key, OAEP))
        assert unwrapper.unwrap(request_of(record, kw_id)) == SEED
        assert unwrapper.proofs == {"nothing": 1}, "RSA proves nothing about the writer without a set key"
    with pytest.raises(UsageError, match="is no key of a vault"):
        AzureKek("https://vault.example/secrets/k8s")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("cloud=aws:alias/kek", "is no ARN of a KMS key"),
        ("cloud=vault:http://h:1/transit/k?tokn-file=x", "has no option 'tokn-file'"),
        ("cloud=gcp:", "is no CryptoKey"),
        ("cloud=ftp://h", "known are"),
        ("other=aws:arn:aws:kms:r:1:key/k", "no KMS provider of this name"),
    ],
)
def test_a_place_that_is_none(tmp_path: Path, spec: str, says: str) -> None:
    config, value = tmp_path / "config.yaml", tmp_path / "value"
    config.write_text(CONFIG)
    value.write_bytes(stored(b"vault:v1:" + base64.b64encode(bytes(60)), "7"))
    run = k8senc("decrypt", "--value", value, "--etcd-key", ETCD_KEY, "-c", config, "--kms", spec)
    assert run.returncode == 2 and says in sentence(run)


def test_what_no_plugin_stores_says_so() -> None:
    with pytest.raises(UsageError, match="no known KMS plugin stores such"):
        Unwrapper([]).unwrap(request_of(b"\xff" * 61, "1"))
    assert recognise(request_of(b"\xff" * 61, "1")) == []
    with pytest.raises(UsageError, match="AWS credentials for kms:Decrypt"):
        Unwrapper([]).unwrap(request_of(b"1\x01\x02\x02\x00\x78" + bytes(179), "alias/kek"))
