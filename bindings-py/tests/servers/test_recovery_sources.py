"""`k8senc decrypt` and `drill` of what is no plain snapshot file, and what tells a snapshot from one stored value."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from k8senc.cli import main
from k8senc.etcd_client import EtcdClient, Tls

from tests.etcd_server import etcd, killed_etcd
from tests.test_cli import COMMAND, CONFIG, ENVIRONMENT, KEKS, SNAPSHOT, k8senc, sentence
from tests.test_etcd_client import _pki, etcdctl
from tests.servers.test_repairing import NEW, OLD, key, sealed, secret, write

SAMPLE_KEYS = ["-c", CONFIG, f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]


@pytest.fixture
def enc(tmp_path: Path) -> Path:
    file = tmp_path / "enc.yaml"
    file.write_text(NEW)
    return file


def password(document: bytes) -> tuple[str, str]:
    found = yaml.safe_load(document)
    return found["metadata"]["name"], found["data"]["password"]


def test_a_live_etcd(tmp_path: Path, enc: Path) -> None:
    with etcd(tmp_path / "data") as endpoint:
        for number in range(12):
            write(endpoint, key(f"s-{number:02}"), sealed(NEW, f"s-{number:02}"))
        write(endpoint, key("shut"), sealed(OLD, "shut"))
        live = endpoint.replace("http://", "etcd+http://")
        run = k8senc("decrypt", live, "secrets/s-07", "-n", "shop", "-c", enc, "--rate", "5000")
        assert run.returncode == 0, run.stderr.decode()
        assert password(run.stdout) == ("s-07", "aHVudGVyMg==")
        # One etcd key is asked for alone: a key a second would take thirteen seconds for all.
        began = time.monotonic()
        run = k8senc("decrypt", live, "--etcd-key", key("s-11"), "-c", enc, "--rate", "1")
        assert password(run.stdout)[0] == "s-11" and time.monotonic() - began < 10
        run = k8senc("decrypt", live, "--all", "-c", enc, "-o", tmp_path / "out")
        assert run.returncode == 1 and b"12 of 13 objects" in run.stdout and b"shut" in run.stderr
        assert len(list((tmp_path / "out/secrets/shop").iterdir())) == 12
        assert k8senc("drill", live, "-c", enc).returncode == 1
        # An older revision, until it is compacted.
        with EtcdClient(endpoint) as client:
            before = client.status().revision
            seen = client.get(key("s-03").encode())
            assert seen is not None and client.remove(seen) is not None
        asked = ["decrypt", live, "secrets/s-03", "-n", "shop", "-c", enc]
        run = k8senc(*asked)
        assert run.returncode == 1 and "nothing in" in sentence(run) and "--revision" in sentence(run)
        assert password(k8senc(*asked, "--revision", str(before)).stdout)[0] == "s-03"
        run = k8senc(*asked, "--revision", str(before + 1000))
        assert run.returncode == 5 and "future revision" in sentence(run)
        etcdctl(endpoint, "compact", str(before + 1))
        run = k8senc(*asked, "--revision", str(before))
        assert run.returncode == 5 and "compacted" in sentence(run)
    run = k8senc(*asked)
    assert run.returncode == 5 and "does not answer" in sentence(run)


@pytest.mark.parametrize("ends", ["we", "etcd"])
def test_an_end_in_the_middle_leaves_whole_files_and_says_so(tmp_path: Path, enc: Path, ends: str) -> None:
    out = tmp_path / "out"
    with etcd(tmp_path / "data") as endpoint:
        for number in range(40):
            write(endpoint, key(f"s-{number:02}"), sealed(NEW, f"s-{number:02}"))
        command = [*COMMAND, "decrypt", endpoint.replace("http://", "etcd+http://"), "--all", "-c", enc, "-o", out, "--rate", "3"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
        until = time.monotonic() + 30
        while not list(out.rglob("*.yaml")):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.1)
        if ends == "we":
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
    if ends == "etcd":
        _, told = process.communicate(timeout=60)
    assert process.returncode == {"we": 130, "etcd": 5}[ends]
    assert b"every file that was written is whole" in told
    files = list(out.rglob("*.yaml"))
    assert 0 < len(files) < 40 and all(password(file.read_bytes())[0] == file.stem for file in files)
    last = json.loads((out / "index.jsonl").read_text().splitlines()[-1])
    assert last["complete"] is False and last["summary"]["written"] == len(files)


def test_a_live_etcd_with_tls(tmp_path: Path, enc: Path) -> None:
    """The client's key is `--cert-key` here, as `--key` is a key of the configuration's."""
    ca, server, client = _pki(tmp_path)
    options = ["--client-cert-auth", "--trusted-ca-file", str(ca), "--cert-file", str(server[0]), "--key-file", str(server[1])]
    tls = Tls(ca, *client)
    with etcd(tmp_path / "data", *options, scheme="https", tls=tls) as endpoint:
        with EtcdClient(endpoint, tls) as ours:
            ours.create(key("db").encode(), sealed(NEW, "db"))
        live = endpoint.replace("https://", "etcd://")
        certificates = ["--cacert", ca, "--cert", client[0], "--cert-key", client[1]]
        run = k8senc("decrypt", live, "secrets/db", "-n", "shop", "-c", enc, *certificates)
        assert run.returncode == 0, run.stderr.decode()
        assert password(run.stdout)[0] == "db"
        assert k8senc("drill", live, "-c", enc, *certificates).returncode == 0
        assert k8senc("audit", live, "-c", enc, *certificates).returncode == 0


def test_the_data_directory_of_a_member(tmp_path: Path, enc: Path) -> None:
    folder = tmp_path / "data"
    with etcd(folder) as endpoint:
        write(endpoint, key("db"), sealed(NEW, "db"))
        asked = ["decrypt", folder, "secrets/db", "-n", "shop", "-c", enc]
        run = k8senc(*asked)
        assert run.returncode == 3 and "etcd runs on this folder" in sentence(run)
    run = k8senc(*asked)
    assert run.returncode == 0 and password(run.stdout)[0] == "db" and run.stderr == b""
    assert k8senc("drill", folder, "-c", enc).returncode == 0


def test_what_a_killed_member_has_in_its_log_alone_is_missed_aloud(tmp_path: Path, enc: Path) -> None:
    folder = tmp_path / "data"
    with killed_etcd(folder) as client:
        write(client, key("early"), sealed(NEW, "early"))
        # A snapshot commits what there is.
        etcdctl(client, "snapshot", "save", str(tmp_path / "early.db"))
        for number in range(5):
            write(client, key(f"k-{number}"), sealed(NEW, f"k-{number}"))
    run = k8senc("decrypt", folder, "secrets/early", "-n", "shop", "-c", enc)
    assert run.returncode == 4 and password(run.stdout)[0] == "early"
    assert b"5 writes are in the write-ahead log" in run.stderr and b"start etcd once on a copy" in run.stderr
    run = k8senc("decrypt", folder, "secrets/k-1", "-n", "shop", "-c", enc)
    assert run.returncode == 4 and b"nothing in" in run.stderr and run.stdout == b""
    run = k8senc("drill", folder, "-c", enc)
    assert run.returncode == 4 and b"5 writes" in run.stderr
    # The recipe holds: etcd reads its log at the next start, and a clean end writes the file.
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with etcd(copy):
        pass
    run = k8senc("decrypt", copy, "secrets/k-1", "-n", "shop", "-c", enc)
    assert run.returncode == 0 and password(run.stdout)[0] == "k-1" and run.stderr == b""
    # A log that cannot be read hides nothing.
    log = next((copy / "member/wal").glob("*.wal"))
    log.write_bytes(b"\0" * 4096)
    run = k8senc("decrypt", copy, "secrets/k-1", "-n", "shop", "-c", enc)
    assert run.returncode == 4 and b"cannot be read" in run.stderr and password(run.stdout)[0] == "k-1"


def test_standard_input_is_a_snapshot_and_value_one_value(tmp_path: Path, enc: Path) -> None:
    asked = ["secrets/app-0600", "-n", "default", *SAMPLE_KEYS]
    run = k8senc("decrypt", "-", *asked, stdin=SNAPSHOT.read_bytes())
    assert run.returncode == 0 and run.stdout == k8senc("decrypt", SNAPSHOT, *asked).stdout
    value = sealed(NEW, "db")
    for form in (value, value.hex().encode()):
        run = k8senc("decrypt", "--value", "-", "--etcd-key", key("db"), "-c", enc, stdin=form)
        assert run.returncode == 0 and password(run.stdout)[0] == "db"
        # Each given for the other is told.
        file = tmp_path / "value"
        file.write_bytes(form)
        run = k8senc("decrypt", file, "--all", "-c", enc)
        assert run.returncode == 2 and "give it with --value" in sentence(run)
        run = k8senc("decrypt", "-", "--all", "-c", enc, stdin=form)
        assert run.returncode == 2 and "--value -" in sentence(run)
    for given, stdin in ((SNAPSHOT, b""), ("-", SNAPSHOT.read_bytes())):
        run = k8senc("decrypt", "--value", given, "--etcd-key", key("db"), "-c", enc, stdin=stdin)
        assert run.returncode == 2 and "without --value" in sentence(run)
    run = k8senc("decrypt", "-", "--all", "-c", enc, stdin=b"\x00 no such thing")
    assert run.returncode == 3 and "not an etcd backend file" in sentence(run)
    run = k8senc("decrypt", "-", "--all", "-c", "-", stdin=NEW.encode())
    assert run.returncode == 2 and "either the snapshot or the configuration" in sentence(run)


def test_a_url(enc: Path, tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://backups/etcd.db", "wb") as file:
        file.write(SNAPSHOT.read_bytes())
    words = ["decrypt", "memory://backups/etcd.db", "secrets/app-0600", "-n", "default", *map(str, SAMPLE_KEYS)]
    run = CliRunner().invoke(main, words)
    assert run.exit_code == 0, run.output
    assert run.stdout.encode() == k8senc("decrypt", SNAPSHOT, *words[2:]).stdout
    run = k8senc("decrypt", (tmp_path / "none.db").as_uri(), "--all", "-c", enc)
    assert run.returncode == 5 and "cannot be read" in sentence(run)


def test_the_summary_of_a_folder_is_the_same_by_url(tmp_path: Path) -> None:
    runs = [k8senc("decrypt", source, "leases", "-c", CONFIG, "-o", tmp_path / name) for name, source in {"file": SNAPSHOT, "url": SNAPSHOT.as_uri()}.items()]
    assert [run.returncode for run in runs] == [0, 0]
    first, second = ((tmp_path / name / "index.jsonl").read_text() for name in ("file", "url"))
    assert first == second and json.loads(first.splitlines()[-1])["complete"] is True
