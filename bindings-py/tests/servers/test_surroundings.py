"""What surrounds a command: a full disk, closed streams, names and alphabets that are no UTF-8."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from pathlib import Path

import pytest
from k8senc.command import Failure
from k8senc.repairing import keep

from tests.test_cli import COMMAND, CONFIG, ENVIRONMENT, KEKS, SNAPSHOT, k8senc, sentence

KEYS = ["-c", str(CONFIG), f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]
# What the shell is told to do with the words behind it.
RUN = '"$@"'


def shell(script: str, *words: str | Path | bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command: list[str | bytes | Path] = ["bash", "-c", f"set -o pipefail; {script}", "-", *COMMAND, *words]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env={**ENVIRONMENT, **environment})


@pytest.mark.parametrize("words", [["audit", SNAPSHOT], ["audit", SNAPSHOT, "--format", "json"], ["decrypt", SNAPSHOT, "leases", "-c", CONFIG, "--stdout"], ["doctor"], ["show", CONFIG]], ids=lambda words: "-".join(map(str, words[::2])).replace("/", "_")[:30])
def test_output_that_takes_no_more_is_said(words: list[str | Path]) -> None:
    run = shell(f"{RUN} > /dev/full", *words)
    assert run.returncode == 74
    assert sentence(run) == "k8senc: the output cannot be written: No space left on device"


def test_a_reader_who_has_enough_is_no_finding() -> None:
    run = shell(f"{RUN} | head -1", "decrypt", SNAPSHOT, "--all", "--stdout", *KEYS)
    assert (run.returncode, run.stdout) == (141, b"apiVersion: v1\n")
    assert b"Traceback" not in run.stderr and b"Exception" not in run.stderr


def test_closed_streams() -> None:
    stdin = shell(f"{RUN} <&-", "audit", "-")
    assert (stdin.returncode, sentence(stdin)) == (3, "k8senc: standard input: not an etcd backend file: the file is empty")
    stdout = shell(f"{RUN} >&-", "decrypt", SNAPSHOT, "leases", "-c", CONFIG, "--stdout")
    assert (stdout.returncode, sentence(stdout)) == (74, "k8senc: the output cannot be written: Bad file descriptor")
    stderr = shell(f"{RUN} 2>&-", "audit", SNAPSHOT, "--format", "json")
    assert stderr.returncode == 1
    assert json.loads(stderr.stdout)["kind"] == "k8senc-audit"


def test_a_report_that_finds_no_room_leaves_the_old_one(tmp_path: Path) -> None:
    report = tmp_path / "k8senc.prom"
    report.write_text("before")
    run = shell(f"ulimit -f 1; {RUN} > /dev/null", "audit", SNAPSHOT, "--report", f"json={report}")
    assert (run.returncode, sentence(run)) == (74, f"k8senc: {report} cannot be written: File too large")
    assert report.read_text() == "before" and list(tmp_path.iterdir()) == [report]


def test_a_report_replaces_neither_pipes_nor_links(tmp_path: Path) -> None:
    run = k8senc("audit", SNAPSHOT, "--report", "json=-")
    assert run.returncode == 2 and "--format json writes to stdout" in sentence(run)
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real)
    assert k8senc("audit", SNAPSHOT, "--report", f"json={link}").returncode == 1
    assert link.is_symlink() and json.loads(real.read_text())["kind"] == "k8senc-audit"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run = shell(f'cat "{pipe}" & {RUN} > /dev/null; wait', "audit", SNAPSHOT, "--report", f"json={pipe}")
    assert pipe.is_fifo() and json.loads(run.stdout)["kind"] == "k8senc-audit"
    assert sorted(tmp_path.iterdir()) == [link, pipe, real]


def test_recovery_that_finds_no_room_says_what_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    # An object fits into a file of 4 KiB; the index of so many does not.
    run = shell(f"ulimit -f 4; {RUN}", "decrypt", SNAPSHOT, "leases", *KEYS, "-o", out)
    assert run.returncode == 74
    *_, what, why = run.stderr.decode().splitlines()
    assert what.endswith(f"{out} holds what was read until its disk took no more; every file that was written is whole, and index.jsonl lists them")
    assert "cannot be written: File too large" in why
    entries = [json.loads(line) for line in (out / "index.jsonl").read_text().splitlines()]
    files = {str(path.relative_to(out)) for path in out.rglob("*.yaml")}
    assert entries and {entry["file"] for entry in entries} <= files
    assert all(path.read_text().startswith("apiVersion:") and path.read_text().endswith("\n") for path in out.rglob("*.yaml"))
    assert not (out / ".partial").exists()


def test_what_is_kept_is_kept_whole(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(Failure, match=r"value cannot be written: File too large; nothing was changed") as raised:
            keep(tmp_path, "new.value", bytes(1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert raised.value.exit_code == 74
    assert not list(tmp_path.iterdir())


def test_nothing_is_not_taken_for_a_value(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name in ("empty", "/proc/self/mem"):
        run = k8senc("decrypt", tmp_path / name, "secrets/db", "-c", CONFIG)
        assert run.returncode == 3
        assert sentence(run).endswith("not an etcd backend file: the file is empty")


def test_what_may_not_be_read(tmp_path: Path) -> None:
    # Root may read everything, unless it gives that up.
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *COMMAND] if os.geteuid() == 0 else COMMAND
    config, folder = tmp_path / "enc.yaml", tmp_path / "etcd"
    config.write_bytes(CONFIG.read_bytes())
    (folder / "member" / "snap").mkdir(parents=True)
    (folder / "member" / "wal").mkdir()
    (folder / "member" / "snap" / "db").write_bytes(SNAPSHOT.read_bytes()[:-32])
    for closed, cases in [
        (config, [(3, ["validate", config]), (3, ["lint", config]), (3, ["show", config]), (3, ["outage", config]), (3, ["diff", config, CONFIG]), (2, ["audit", SNAPSHOT, "-c", config])]),
        (folder, [(3, ["audit", folder]), (3, ["drill", folder, "-c", CONFIG]), (3, ["audit", folder / "member"])]),
        # Its plaintext would be missed without a word.
        (folder / "member" / "wal", [(3, ["audit", folder])]),
        (folder / "member" / "snap", [(3, ["audit", folder])]),
    ]:
        mode = closed.stat().st_mode
        closed.chmod(0)
        try:
            for code, words in cases:
                run = subprocess.run([*command, *map(str, words)], capture_output=True, timeout=60, check=False, env=ENVIRONMENT)
                assert run.returncode == code, (words, run.stderr)
                assert b"Traceback" not in run.stderr and (b"Permission denied" in run.stderr or code == 2), (words, run.stderr)
        finally:
            closed.chmod(mode)
    assert k8senc("audit", folder).returncode == 1


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    snapshot, config, kek, out = (folder + b"/" + name for name in (b"n\xff\x1b[31m.db", b"c\xff.yaml", b"k\xff.json", b"o\xff"))
    for name, content in ((snapshot, SNAPSHOT), (config, CONFIG), (kek, KEKS)):
        Path(os.fsdecode(name)).write_bytes(content.read_bytes())
    shown = str(tmp_path)
    for code, words in [
        (1, [b"audit", snapshot, b"-c", config, b"-c", str(CONFIG).encode(), b"--kms", b"cloud-kms=" + kek]),
        (1, [b"audit", snapshot, b"--format", b"json", b"--report", b"html=" + out + b".html"]),
        (0, [b"decrypt", snapshot, b"leases", b"-c", config, b"-o", out]),
        (2, [b"decrypt", snapshot, b"leases", b"--key", b"file:" + kek]),
        (1, [b"drill", snapshot, b"-c", config]),
        (1, [b"validate", config]),
        (1, [b"lint", config]),
        (0, [b"show", config]),
        (0, [b"diff", config, config]),
        (3, [b"audit", folder + b"/absent\xff"]),
        (2, [b"decrypt", snapshot, b"secrets\xff", b"-c", config]),
    ]:
        run = shell(RUN, *words)
        assert run.returncode == code, (words, run.stderr)
        assert b"Traceback" not in run.stderr and b"\x1b" not in run.stdout + run.stderr, words
        assert b"\xff" not in run.stdout + run.stderr, words
    assert (tmp_path / os.fsdecode(b"o\xff") / "index.jsonl").is_file() and (tmp_path / os.fsdecode(b"o\xff.html")).is_file()
    run = shell(RUN, b"audit", snapshot + b".absent")
    assert sentence(run).startswith(f"k8senc: {shown}" + "/n\\xff\\u{1b}[31m.db.absent: ")


def test_an_alphabet_without_check_marks() -> None:
    run = shell(RUN, "audit", SNAPSHOT, PYTHONIOENCODING="latin-1")
    assert run.returncode == 1
    assert run.stdout.startswith(b"? of 1,999 live objects")
    # A report says itself that it is UTF-8.
    same = ["audit", SNAPSHOT, "--format", "html"]
    assert shell(RUN, *same, PYTHONIOENCODING="latin-1").stdout == shell(RUN, *same).stdout
