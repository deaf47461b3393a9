"""`k8senc audit` of what is no plain snapshot file: data directories, kine, live etcds, standard input, URLs."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from k8senc import RemoteError
from k8senc._native import Audit
from k8senc.etcd_client import EtcdClient, Tls
from k8senc.etcd_rows import EtcdRows
from k8senc.remote import from_url

from tests.etcd_server import etcd, free_port, killed_etcd
from tests.objects import secret
from tests.test_cli import COMMAND, CONFIG, ENVIRONMENT, SNAPSHOT, k8senc, sentence
from tests.test_etcd_client import _pki, etcdctl
from tests.vectors import ROOT, load

AUDIT_DATA = ROOT / "audit" / "tests" / "data"
Case = dict[str, Any]


def put(endpoint: str, key: str, value: bytes, *options: str) -> None:
    command = ["etcdctl", "--endpoints", endpoint, *options, "put", key]
    subprocess.run(command, check=True, capture_output=True, input=value, env={"ETCDCTL_API": "3", "PATH": "/usr/bin:/bin"})


def report(*arguments: str | Path, code: int | None = None) -> Case:
    run = k8senc("audit", *arguments, "--format", "json")
    assert run.stdout, run.stderr.decode()
    if code is not None:
        assert run.returncode == code, run.stderr.decode()
    found: Case = json.loads(run.stdout)
    return found


def counts(found: Case) -> dict[str, int]:
    sums: dict[str, int] = {}
    for finding in found["findings"]:
        sums[finding["code"]] = sums.get(finding["code"], 0) + finding["count"]
    return sums


@pytest.fixture(scope="module")
def etcd36(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """etcd 3.6, built from its Go module."""
    binary = tmp_path_factory.mktemp("etcd36") / "etcd36"
    subprocess.run(["go", "build", "-o", binary, "."], cwd=ROOT / "conformance-vectors/gen/etcd36", check=True, timeout=600)
    with subprocess.Popen([binary], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        version, endpoint = process.stdout.readline().decode().split()
        assert version.startswith("3.6.")
        yield endpoint
        process.stdin.close()


@pytest.fixture(scope="module")
def etcd34(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Debian's etcd."""
    with etcd(tmp_path_factory.mktemp("etcd34")) as endpoint:
        yield endpoint


@pytest.mark.parametrize("server", ["etcd34", "etcd36"])
def test_a_live_etcd(server: str, request: pytest.FixtureRequest) -> None:
    endpoint = request.getfixturevalue(server)
    cases = [case for case in load("wire") if case["config"] == "configs/aesgcm-256.yaml" and case["expect"]["result"] == "opened"]
    stored = {case["etcdKey"]: bytes.fromhex(case["stored"]) for case in cases if case.get("etcdKey", "").startswith("/registry/secrets/")}
    assert stored
    for key, value in stored.items():
        put(endpoint, key, value)
    for number in range(12):
        put(endpoint, f"/registry/secrets/default/plain-{number}", secret(f"plain-{number}"))
    target = endpoint.replace("http://", "etcd+http://")
    found = report(target, "-c", ROOT / "conformance-vectors/configs/aesgcm-256.yaml", "--rate", "100000", code=1)
    assert found["snapshot"]["source"] == "etcd" and found["snapshot"]["liveKeys"] == len(stored) + 12
    assert found["totals"]["live"] == len(stored) + 12
    assert counts(found)["exposed-plaintext"] == 12
    sealed = [group for group in found["groups"] if group["provider"] == "aesgcm"]
    assert sum(group["live"] for group in sealed) == len(stored) and not any(group["unreadable"] for group in sealed)
    # Pages of one key at a time give the same, whatever is written meanwhile.
    with EtcdClient(endpoint) as client:
        rows = EtcdRows(client, rate=1, sleep=lambda _: None)
        seen = []
        while (batch := rows.next_batch()) is not None:
            seen += batch
            put(endpoint, "/registry/secrets/default/zz-later", b"x")
    assert len(seen) == rows.total == len(stored) + 12
    etcdctl(endpoint, "del", "/registry/secrets/default/zz-later")


@pytest.mark.parametrize("server", ["etcd34", "etcd36"])
def test_compaction_in_the_middle_ends_with_what_to_do(server: str, request: pytest.FixtureRequest) -> None:
    endpoint = request.getfixturevalue(server)
    for number in range(3):
        put(endpoint, f"/compacted/{number}", b"1")
    with EtcdClient(endpoint) as client:
        rows = EtcdRows(client, rate=1, sleep=lambda _: None)
        rows.next_batch()
        put(endpoint, "/compacted/0", b"2")
        etcdctl(endpoint, "compact", str(client.status().revision))
        with pytest.raises(RemoteError, match=r"compacted.*higher --rate, or read a snapshot"):
            rows.next_batch()
    etcdctl(endpoint, "del", "/compacted/", "--prefix")


def test_a_live_etcd_with_tls_and_password(tmp_path: Path) -> None:
    ca, server, client = _pki(tmp_path)
    tls = Tls(ca, *client)
    options = ["--client-cert-auth", "--trusted-ca-file", str(ca), "--cert-file", str(server[0]), "--key-file", str(server[1])]
    with etcd(tmp_path / "data", *options, scheme="https", tls=tls) as endpoint:
        certificates = ["--cacert", str(ca), "--cert", str(client[0]), "--key", str(client[1])]
        put(endpoint, "/registry/secrets/default/a", secret("a"), *certificates)
        target = endpoint.replace("https://", "etcd://")
        assert report(target, *certificates)["totals"]["exposed"] == 1
        run = k8senc("audit", target, "--cacert", ca)
        assert run.returncode == 5 and "does not answer" in sentence(run)
        run = k8senc("audit", target, "--cacert", ca, "--cert", client[0])
        assert run.returncode == 2 and "together" in sentence(run)
        etcdctl(endpoint, *certificates, "user", "add", "root:a long password")
        etcdctl(endpoint, *certificates, "user", "grant-role", "root", "root")
        etcdctl(endpoint, *certificates, "auth", "enable")
        # The name in the certificate is nobody's.
        run = k8senc("audit", target, *certificates)
        assert run.returncode == 5 and sentence(run)
        for password, code in (("a long password", 1), ("another", 5)):
            command = [*COMMAND, "audit", target, *certificates, "--user", "root"]
            asked = subprocess.run(command, capture_output=True, timeout=60, check=False, env={**ENVIRONMENT, "K8SENC_ETCD_PASSWORD": password})
            assert asked.returncode == code, asked.stderr.decode()
            assert b"password" not in asked.stderr or code == 5
            assert password.encode() not in asked.stdout + asked.stderr
        (tmp_path / "password").write_text("a long password\n")
        assert k8senc("audit", target, *certificates, "--etcd-user", "root", "--etcd-password", f"file:{tmp_path}/password").returncode == 1
        run = k8senc("audit", target, *certificates, "--user", "root")
        assert run.returncode == 2 and "password of 'root'" in sentence(run)


def test_nobody_at_the_endpoint() -> None:
    run = k8senc("audit", f"etcd+http://127.0.0.1:{free_port()}")
    assert run.returncode == 5 and "does not answer" in sentence(run)


def test_an_interrupt_ends_a_paced_read(etcd34: str) -> None:
    for number in range(20):
        put(etcd34, f"/paced/{number:02}", b"x")
    asked = 0

    def rest(_: float) -> None:
        nonlocal asked
        asked += 1
        time.sleep(0.2)

    def interrupt(done: int, total: int) -> None:
        assert 0 <= done <= total
        if asked > 2:
            raise KeyboardInterrupt

    with EtcdClient(etcd34) as client:
        run = Audit.of_rows(lambda: EtcdRows(client, rate=1, sleep=rest))
        with pytest.raises(KeyboardInterrupt):
            run.finish(interrupt)
    assert 2 < asked < 20
    etcdctl(etcd34, "del", "/paced/", "--prefix")


def test_the_data_directory_of_a_member(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with etcd(folder) as endpoint:
        for number in range(30):
            put(endpoint, f"/registry/secrets/default/s-{number}", secret(f"s-{number}"))
        for number in range(30):
            put(endpoint, f"/registry/secrets/default/s-{number}", b"k8s:enc:aesgcm:v1:key1:" + os.urandom(80))
        etcdctl(endpoint, "del", "/registry/secrets/default/s-7")
        revision = json.loads(etcdctl(endpoint, "endpoint", "status", "-w", "json"))[0]["Status"]["header"]["revision"]
        etcdctl(endpoint, "compact", "--physical", str(revision))
        etcdctl(endpoint, "defrag")
        run = k8senc("audit", folder)
        assert run.returncode == 3
        assert "etcd runs on this folder" in sentence(run) and "--running" in sentence(run)
        run = k8senc("audit", folder, "--running", "--format", "json")
        assert b"may be torn" in run.stderr and json.loads(run.stdout)["log"]["exposed"] == 30
    for given in (folder, folder / "member"):
        found = report(given, code=1)
        # Nothing is left in the file, everything in the log.
        assert (found["totals"]["live"], found["totals"]["exposed"], found["totals"]["historyExposed"]) == (29, 0, 0)
        assert found["residue"]["exposed"] == 0
        log = found["log"]
        assert (log["exposed"], log["pending"], log["unsound"]) == (30, 0, 0)
        assert [group["only"] for group in log["groups"] if group["exposed"]] == [30]
        assert counts(found)["log-plaintext"] == 30 and "log-pending" not in counts(found)
    # The 29 ciphertexts that rows hold are not in the log alone.
    assert [group["only"] for group in log["groups"] if not group["exposed"]] == [1]
    (folder / "member/snap/db.tmp.1").write_bytes(b"x")
    assert b"db.tmp.1 was not read and may hold values" in k8senc("audit", folder).stderr


def test_a_killed_member_has_values_in_its_log_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with killed_etcd(folder) as client:
        put(client, "/registry/secrets/default/early", secret("early"))
        # A snapshot commits what there is.
        etcdctl(client, "snapshot", "save", str(tmp_path / "early.db"))
        for number in range(5):
            put(client, f"/registry/secrets/default/k-{number}", secret(f"k-{number}"))
    found = report(folder, code=1)
    assert counts(found)["log-pending"] == 5 and found["log"]["pending"] == 5
    assert found["totals"]["live"] == 1
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    log = next((damaged / "member/wal").glob("*.wal"))
    content = bytearray(log.read_bytes())
    content[content.index(b"k-3")] ^= 1
    log.write_bytes(content)
    assert counts(report(damaged))["log-damaged"] == 1 and "log-damaged" not in counts(found)


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    run = k8senc("audit", tmp_path)
    assert run.returncode == 3 and "member/snap/db" in sentence(run)


_KINE = """CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, created INTEGER, deleted INTEGER,
create_revision INTEGER, prev_revision INTEGER, lease INTEGER, value BLOB, old_value BLOB)"""
# What kine's compaction deletes up to a revision: what somebody replaced, and what is a deletion.
_COMPACT = """DELETE FROM kine WHERE id IN (SELECT prev_revision FROM kine WHERE name != 'compact_rev_key' AND prev_revision != 0 AND id <= ?
UNION ALL SELECT id FROM kine WHERE deleted != 0 AND id <= ?)"""


class _Kine:
    """Writes as kine does, with its schema: each row keeps the value of the row before it. Not kine itself."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        # As the SQLite in kine is built: what is deleted is not wiped.
        self._database.execute("PRAGMA secure_delete=0")
        self._database.execute(_KINE)
        self._last: dict[str, tuple[int, int, bytes]] = {}

    def write(self, name: str, value: bytes | None) -> int:
        previous, born, old = self._last.get(name, (0, 0, b""))
        row = (name, int(not previous), int(value is None), born, previous, 0, value if value is not None else b"", old or None)
        written = self._database.execute("INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value, old_value) VALUES (?,?,?,?,?,?,?,?)", row)
        revision = written.lastrowid
        assert revision
        self._last[name] = (revision, born or revision, value or b"")
        return revision

    def compact(self, revision: int) -> None:
        self._database.execute(_COMPACT, (revision, revision))
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._database.close()


def test_kine(tmp_path: Path) -> None:
    """Forty plaintext Secrets, thirty rewritten, six deleted, compacted; then some written twice. Made by kine's schema and statements."""
    file = tmp_path / "state.db"
    kine = _Kine(file)
    kine.write("compact_rev_key", b"0")
    names = [f"/registry/secrets/default/s-{number}" for number in range(40)]
    for number, name in enumerate(names):
        kine.write(name, secret(f"s-{number}") + b"\x22\x78" + b"p" * 120)
    last = 0
    for name in names[:30]:
        last = kine.write(name, b"k8s:enc:aesgcm:v1:key1:" + os.urandom(200))
    for name in names[27:33]:
        last = kine.write(name, None)
    before = report(file, code=1)
    assert before["snapshot"]["source"] == "kine" and before["snapshot"]["revision"] == last
    assert (before["totals"]["live"], before["totals"]["exposed"], before["totals"]["historyExposed"]) == (34, 7, 33)
    # Each copy is of a row that is still there.
    assert before["residue"]["exposed"] == 0 and before["residue"]["fragments"] == 0

    kine.compact(last)
    after = report(file, code=1)
    assert (after["totals"]["live"], after["totals"]["exposed"], after["totals"]["historyExposed"]) == (34, 7, 0)
    # The 27 that were rewritten keep their plaintext beside them; the others' is in free pages, which SQLite does not wipe.
    assert after["residue"]["exposed"] == counts(after)["residue-plaintext"] == 27
    assert after["residue"]["fragments"] == counts(after)["residue-fragment"] > 0
    assert "residue-fragment" not in counts(before)

    for name in names[:27]:
        last = kine.write(name, b"k8s:enc:aesgcm:v1:key1:" + os.urandom(200))
    kine.compact(last)
    twice = report(file)
    assert twice["residue"]["exposed"] == 0 and "residue-plaintext" not in counts(twice)
    kine.close()
    assert report(tmp_path)["totals"] == twice["totals"]


def test_kine_with_its_log_beside_it(tmp_path: Path) -> None:
    kine = _Kine(tmp_path / "state.db")
    kine.write("/registry/secrets/default/a", secret("a"))
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(tmp_path / name, copied)
    run = k8senc("audit", copied)
    assert b"write-ahead log lies beside it" in run.stderr and run.returncode == 1
    kine.close()
    assert report(tmp_path / "state.db")["totals"]["live"] == 1


def test_a_database_that_is_no_kine(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE other (id INTEGER)")
    connection.close()
    run = k8senc("audit", tmp_path)
    assert run.returncode == 3 and "without the table kine" in sentence(run)
    file.write_bytes(file.read_bytes()[:300])
    run = k8senc("audit", file)
    assert run.returncode == 3 and "SQLite cannot read it" in sentence(run)


def test_standard_input() -> None:
    run = k8senc("audit", "-", "-c", CONFIG, "--format", "json", stdin=SNAPSHOT.read_bytes())
    assert json.loads(run.stdout) == report(SNAPSHOT, "-c", CONFIG)
    run = k8senc("audit", "-", stdin=b"no snapshot")
    assert run.returncode == 3 and "standard input" in sentence(run)
    run = k8senc("drill", "-", "-c", CONFIG, stdin=SNAPSHOT.read_bytes())
    assert run.returncode == 1 and b"live objects of stdin open" in run.stdout


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_url_on_the_web(tmp_path: Path) -> None:
    shutil.copy(SNAPSHOT, tmp_path / "etcd.db")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: _Quiet(*args, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        assert report(f"{base}/etcd.db", "-c", CONFIG) == report(SNAPSHOT, "-c", CONFIG)
        run = k8senc("audit", f"http://user:secret@127.0.0.1:{server.server_address[1]}/none.db")
        assert run.returncode == 5 and "secret" not in sentence(run)
        # A signed URL opens the file for whoever reads the report.
        run = k8senc("audit", f"{base}/etcd.db?X-Signature=abc%2Bsigned%2F%3D", "-c", CONFIG, "--format", "html")
        assert b"etcd.db" in run.stdout and b"signed" not in run.stdout + run.stderr
        run = k8senc("audit", f"{base}/none.db?X-Signature=abc%2Bsigned%2F%3D#signed")
        assert run.returncode == 5 and "none.db" in sentence(run) and "signed" not in sentence(run)
    finally:
        server.shutdown()
        server.server_close()


def test_a_url_in_memory() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe("/snapshot.db", SNAPSHOT.read_bytes())
    held = from_url("memory://snapshot.db")
    assert held.path.read_bytes() == SNAPSHOT.read_bytes()
    held.close()


def test_several_configurations(tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = (AUDIT_DATA / "keys.yaml").read_text()
    at = text.index('            - name: "gcm-new"') if '            - name: "gcm-new"' in text else text.index("gcm-new")
    start = text.rindex("\n", 0, at) + 1
    end = text.index("\n", text.index("\n", at) + 1) + 1
    other.write_text(text[:start] + text[end:])
    found = report(AUDIT_DATA / "keys.snap", "-c", AUDIT_DATA / "keys.yaml", "-c", other, code=1)
    assert [one["name"] for one in found["configurations"]] == ["keys.yaml", "other.yaml"]
    assert counts(found)["configurations-differ"] == 4


@pytest.mark.parametrize(("days", "code"), [("90d", 1), ("36500", None), ("soon", 2)])
def test_the_age_of_keys(days: str, code: int | None) -> None:
    run = k8senc("audit", AUDIT_DATA / "keys.snap", "-c", AUDIT_DATA / "keys.yaml", "--max-key-age", days, "--format", "json")
    if code == 2:
        assert run.returncode == 2 and b"90d" in run.stderr
        return
    assert ("key-age" in counts(json.loads(run.stdout))) == (code == 1)
