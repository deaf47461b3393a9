"""The etcd client against a real etcd."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from k8senc import RemoteError, UsageError
from k8senc.etcd_client import Compacted, EtcdClient, Tls, prefix_end

from tests.etcd_server import etcd, free_port


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with etcd(tmp_path_factory.mktemp("etcd")) as found:
        yield found


def etcdctl(endpoint: str, *words: str) -> bytes:
    return subprocess.run(["etcdctl", "--endpoints", endpoint, *words], check=True, capture_output=True, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"}).stdout


def test_a_range_comes_in_pages_of_one_revision(endpoint: str) -> None:
    for number in range(7):
        etcdctl(endpoint, "put", f"/pages/{number}", f"value {number}")
    seen: list[tuple[bytes, bytes]] = []
    with EtcdClient(endpoint) as client:
        for number, page in enumerate(client.pages(b"/pages/", size=3)):
            seen += [(item.key, item.value) for item in page.items]
            if number == 0:
                etcdctl(endpoint, "put", "/pages/5", "changed meanwhile")
    assert seen == [(b"/pages/%d" % number, b"value %d" % number) for number in range(7)]


def test_a_change_happens_only_to_what_was_seen(endpoint: str) -> None:
    etcdctl(endpoint, "put", "/guard", "first")
    with EtcdClient(endpoint) as client:
        seen = client.get(b"/guard")
        assert seen is not None and seen.value == b"first"
        revision = client.replace(seen, b"second")
        assert revision is not None and revision > seen.mod_revision
        assert client.replace(seen, b"third") is None and client.remove(seen) is None
        assert etcdctl(endpoint, "get", "/guard", "--print-value-only") == b"second\n"
        now = client.get(b"/guard")
        assert now is not None and client.remove(now) is not None
        assert client.get(b"/guard") is None


def test_a_lease_stays(endpoint: str) -> None:
    lease = etcdctl(endpoint, "lease", "grant", "600").split()[1].decode()
    etcdctl(endpoint, "put", "/leased", "a", f"--lease={lease}")
    with EtcdClient(endpoint) as client:
        seen = client.get(b"/leased")
        assert seen is not None and seen.lease == int(lease, 16)
        client.replace(seen, b"b")
        now = client.get(b"/leased")
    assert now is not None and (now.value, now.lease) == (b"b", seen.lease)


def test_a_compacted_revision_says_so(endpoint: str) -> None:
    etcdctl(endpoint, "put", "/old", "1")
    with EtcdClient(endpoint) as client:
        old = client.status().revision
        etcdctl(endpoint, "put", "/old", "2")
        etcdctl(endpoint, "compact", str(client.status().revision))
        with pytest.raises(Compacted, match="compacted"):
            list(client.pages(b"/old", revision=old))


def test_status_and_snapshot(endpoint: str, tmp_path: Path) -> None:
    with EtcdClient(endpoint) as client:
        member = client.status()
        assert member.version.startswith("3.") and member.db_size > 0 and member.revision > 0 and not member.is_learner
        data = b"".join(piece for piece, _ in client.snapshot())
    theirs = tmp_path / "theirs.db"
    etcdctl(endpoint, "snapshot", "save", str(theirs))
    assert len(data) == theirs.stat().st_size and data[-32:] != bytes(32)


def test_nobody_there() -> None:
    with EtcdClient(f"http://127.0.0.1:{free_port()}", timeout=2) as client, pytest.raises(RemoteError, match="does not answer"):
        client.status()


@pytest.mark.parametrize("given", ["ftp://h:1", "http://", "https://user:secret@h:1", "http://h:99999", "http://h:1/path"])
def test_an_endpoint_that_is_none(given: str) -> None:
    with pytest.raises(UsageError, match="no https://HOST:PORT") as caught:
        EtcdClient(given)
    assert "secret" not in str(caught.value)


def test_mutual_tls(tmp_path: Path) -> None:
    ca, server, client = _pki(tmp_path)
    tls = Tls(ca, *client)
    options = ["--client-cert-auth", "--trusted-ca-file", str(ca), "--cert-file", str(server[0]), "--key-file", str(server[1])]
    with etcd(tmp_path / "data", *options, scheme="https", tls=tls) as endpoint:
        with EtcdClient(endpoint, tls) as ours:
            assert ours.status().revision > 0
        with EtcdClient(endpoint, Tls(ca), timeout=2) as stranger, pytest.raises(RemoteError):
            stranger.status()
        with pytest.raises(UsageError, match="are needed together"):
            EtcdClient(endpoint, Tls(ca, client[0]))


def _pki(folder: Path) -> tuple[Path, tuple[Path, Path], tuple[Path, Path]]:
    """An authority's certificate, and certificate and key of a server and of a client."""
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    now = datetime.datetime.now(datetime.UTC)

    def make(name: str, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> Path:
        subject = issuer if is_ca else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        built = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
        built = built.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        built = built.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        path = folder / f"{name}.crt"
        path.write_bytes(built.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def pair(name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        path = folder / f"{name}.key"
        path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return make(name, key, is_ca=False), path

    return make("ca", authority, is_ca=True), pair("server"), pair("client")
