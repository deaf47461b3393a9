"""kine itself, as k3s runs it on SQLite: its file while it runs and afterwards, and its etcd API."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from k8senc.etcd_client import EtcdClient

from tests.objects import secret
from tests.test_cli import k8senc, sentence
from tests.servers.test_repairing import NEW, OLD, key, sealed, write

Report = dict[str, Any]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("kine") / "kine"
    subprocess.run(["go", "build", "-o", built, "."], cwd=Path(__file__).parent / "kine", check=True, env={**os.environ, "GOTOOLCHAIN": "local"})
    return built


@contextmanager
def kine(binary: Path, file: Path) -> Iterator[str]:
    with (file.parent / "kine.log").open("ab") as log, subprocess.Popen([binary, file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process:
        assert process.stdin and process.stdout
        try:
            yield process.stdout.readline().decode().strip()
        finally:
            process.stdin.close()
            process.wait(30)


def audit(source: str | Path, *more: str | Path) -> Report:
    run = k8senc("audit", source, *more, "--format", "json")
    assert run.returncode in (0, 1), run.stderr.decode()
    found: Report = json.loads(run.stdout)
    return found


def plaintext(found: Report) -> tuple[int, int, int]:
    """Objects in plaintext: current, superseded, residue."""
    return found["totals"]["exposed"], found["totals"]["historyExposed"], found["residue"]["exposed"]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.3)


def remove(endpoint: str, name: str) -> None:
    with EtcdClient(endpoint) as client:
        seen = client.get(key(name).encode())
        assert seen is not None and client.remove(seen) is not None


def restarted_twice(binary: Path, file: Path) -> None:
    """A start makes the file anew (VACUUM), a checkpoint puts that in place: at a clean end, or at the next start."""
    for _ in range(2):
        with kine(binary, file):
            pass


def test_what_kine_keeps(binary: Path, tmp_path: Path) -> None:
    """Forty plaintext Secrets; thirty encrypted, six deleted, compacted by kine; restarted; those thirty written again."""
    file, names = tmp_path / "state.db", [f"s-{number}" for number in range(40)]
    with kine(binary, file) as endpoint:
        for name in names:
            write(endpoint, key(name), secret(name) + b"\x22\x78" + b"p" * 120)
        assert plaintext(audit(file))[0] == 40
        for name in names[:30]:
            write(endpoint, key(name), sealed(NEW, name))
        for name in names[27:33]:
            remove(endpoint, name)
        # kine compacts each second here, all but the last revision.
        write(endpoint, "/registry/masterleases/x", b"1")
        until(lambda: plaintext(audit(file)) == (7, 0, 27))
        # Beside each of the 27 that live and were rewritten lies their plaintext; pages and log of SQLite hold more.
        running = audit(file)
        assert running["snapshot"]["source"] == "kine" and running["totals"]["live"] == 35
        assert running["residue"]["fragments"] > 0
    assert plaintext(audit(file)) == (7, 0, 27)
    restarted_twice(binary, file)
    cleaned = audit(file)
    assert plaintext(cleaned) == (7, 0, 27) and cleaned["residue"]["fragments"] == 0
    with kine(binary, file) as endpoint:
        for name in names[:27]:
            write(endpoint, key(name), sealed(NEW, name))
        write(endpoint, "/registry/masterleases/x", b"2")
        until(lambda: plaintext(audit(file)) == (7, 0, 0))
        assert audit(file)["residue"]["fragments"] > 0
    restarted_twice(binary, file)
    clean = audit(file)
    assert plaintext(clean) == (7, 0, 0) and clean["residue"]["fragments"] == 0


def as_json(name: str) -> bytes:
    """A Secret as kube-apiserver stores it with --storage-media-type=application/json, and every custom resource."""
    return json.dumps({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, "namespace": "shop", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "X"}]}, "pad": "p" * 120}, separators=(",", ":")).encode() + b"\n"


def test_json_that_kine_keeps_is_seen_as_protobuf_is(binary: Path, tmp_path: Path) -> None:
    """The same steps with objects in either encoding leave as many of them in the file."""
    left = []
    for encoded in (secret, as_json):
        folder = tmp_path / encoded.__name__
        folder.mkdir()
        file, names = folder / "state.db", [f"s-{number:02}" for number in range(40)]
        with kine(binary, file) as endpoint:
            for name in names:
                write(endpoint, key(name), encoded(name) + (b"\x22\x78" + b"p" * 120 if encoded is secret else b""))
            running = audit(file)
            assert running["totals"]["exposed"] == 40 and running["residue"]["fragments"] == 0
            for name in names[:30]:
                write(endpoint, key(name), b"k8s:enc:aesgcm:v1:key2:" + os.urandom(260))
            for name in names[27:33]:
                with EtcdClient(endpoint) as client:
                    seen = client.get(key(name).encode())
                    assert seen is not None and client.remove(seen) is not None
            write(endpoint, "/registry/masterleases/x", b"1")
            until(lambda: plaintext(audit(file)) == (7, 0, 27))
            compacted = audit(file)
            left.append(compacted["residue"]["fragments"])
            (fragment,) = [found for found in compacted["findings"] if found["code"] == "residue-fragment"]
            assert "restart k3s twice" in fragment["advice"] and "defragment" not in json.dumps(compacted)
        restarted_twice(binary, file)
        assert audit(file)["residue"]["fragments"] == 0
    assert all(left) and abs(left[0] - left[1]) <= 3


def test_objects_out_of_kine(binary: Path, tmp_path: Path) -> None:
    """Out of k3s's file while it runs and after it, at an older revision, and through kine's API."""
    file, enc = tmp_path / "state.db", tmp_path / "new.yaml"
    enc.write_text(NEW)
    with kine(binary, file) as endpoint:
        for number in range(8):
            write(endpoint, key(f"s-{number}"), sealed(NEW, f"s-{number}"))
        with EtcdClient(endpoint) as client:
            before = client.status().revision or client.page(b"\0", b"\x7f", limit=1).revision
        write(endpoint, key("s-1"), sealed(OLD, "s-1"))
        live = endpoint.replace("http://", "etcd+http://")
        for source in (file, tmp_path, live):
            run = k8senc("decrypt", source, "secrets/s-2", "-n", "shop", "-c", enc)
            assert run.returncode == 0 and b"name: s-2" in run.stdout, run.stderr.decode()
            run = k8senc("decrypt", source, "secrets/s-1", "-n", "shop", "-c", enc)
            assert run.returncode == 1 and b"not opened" in run.stderr and run.stdout == b""
            run = k8senc("decrypt", source, "--etcd-key", key("s-3"), "-c", enc, "--format", "json")
            assert run.returncode == 0 and json.loads(run.stdout)["metadata"]["name"] == "s-3"
        assert k8senc("drill", live, "-c", enc).returncode == 1
    run = k8senc("decrypt", file, "--all", "-c", enc, "-o", tmp_path / "out")
    assert run.returncode == 1 and b"7 of 8 objects" in run.stdout
    run = k8senc("decrypt", file, "--all", "-c", enc, "-o", tmp_path / "later", "--revision", str(before + 1000))
    assert run.returncode == 3 and "in the future" in sentence(run)
    connection = sqlite3.connect(file)
    connection.execute("UPDATE kine SET prev_revision = ? WHERE name = 'compact_rev_key'", (before,))
    connection.commit()
    connection.close()
    run = k8senc("decrypt", file, "--all", "-c", enc, "-o", tmp_path / "early", "--revision", str(before - 1))
    assert run.returncode == 3 and "compacted" in sentence(run)
    run = k8senc("decrypt", file, "secrets", "-c", enc, "-o", tmp_path / "then", "--revision", str(before))
    # A compaction may have taken the older value of the one that was rewritten; the others are as they were.
    assert b" of 8 objects" in run.stdout or b" of 7 objects" in run.stdout


def test_kine_as_an_etcd(binary: Path, tmp_path: Path) -> None:
    """Whatever database is behind it: read in pages, and repaired one value at a time."""
    for name, text in {"old": OLD, "new": NEW}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    with kine(binary, tmp_path / "state.db") as endpoint:
        for number in range(25):
            write(endpoint, key(f"s-{number:02}"), sealed(OLD if number == 7 else NEW, f"s-{number:02}"))
        live = endpoint.replace("http://", "etcd+http://")
        found = audit(live, "-c", tmp_path / "new.yaml", "--rate", "1000")
        assert (found["snapshot"]["source"], found["totals"]["live"], found["totals"]["unreadable"]) == ("etcd", 25, 1)
        command = ["reseal", key("s-07"), "--endpoint", endpoint, "-c", tmp_path / "new.yaml", "--from", tmp_path / "old.yaml", "--backup", tmp_path]
        assert k8senc(*command).returncode == 0
        assert k8senc("unreadable", "--endpoint", endpoint, "-c", tmp_path / "new.yaml").returncode == 1
        run = k8senc(*command, "--write", "-y")
        assert run.returncode == 0, run.stderr.decode()
        assert k8senc("unreadable", "--endpoint", endpoint, "-c", tmp_path / "new.yaml").returncode == 0
        # What was seen before is not written over.
        with EtcdClient(endpoint) as client:
            seen = client.get(key("s-08").encode())
            assert seen is not None and client.replace(seen, sealed(NEW, "s-08")) is not None
            assert client.replace(seen, b"late") is None and client.remove(seen) is None and client.create(seen.key, b"late") is None


@pytest.mark.parametrize("url", ["mysql://k3s:secret@db/kine", "postgres://k3s:secret@db:5432/kubernetes"])
def test_other_databases_are_read_through_kine(url: str) -> None:
    run = k8senc("audit", url)
    assert run.returncode == 2 and "kine.sock" in sentence(run) and "secret" not in sentence(run)
