"""`k8senc decrypt` as a process, and its YAML as an independent reader takes it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from k8senc import Config
from k8senc._native import Recovery, render
from k8senc.command import Failure
from k8senc.commands.decrypt import _Stdout

from tests.test_cli import COMMAND, CONFIG, ENVIRONMENT, KEKS, SNAPSHOT, k8senc, sentence
from tests.vectors import SAMPLE, load

KEYS = ["-c", str(CONFIG), f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]
DECODED = [case for case in load("object") if case["suite"] == "object/decode"]
TRICKY = [
    "", " ", "a", "y", "No", "null", "~", "1", "0x1f", "0o7", "1_000", "1:30", "1e3", ".5", "-", "- a", "a: b", "a #b", "#", "{}", "[a]", "*a", "&a", "!t", "|", ">", "%d",
    "@x", "`", "'", '"', "a'b\"c", "trailing ", " leading", "tab\there", "2024-01-01", "2024-01-01T00:00:00Z", "=", "<<", "line\n", "line", "two\nlines", "two\nlines\n",
    "more\n\n", "\n", "\nfirst", "  indent\nx\n", "x\n  y\n\n z\n", "x \ny\n", "\ttab\n", "crlf\r\nx", "\x00\x07\x1b[31m", "\x7f", "\x85", "\u2028", "\u202e", "\ufeff", "\U0001f600", "é",
    "key:", "a:b", "http://x/y?z=1", "---", "...", "--- a\n", "x\n---\ny\n", "x" * 3000, ("word " * 400).strip(),
]  # fmt: skip


@pytest.mark.parametrize("case", DECODED, ids=lambda case: case["id"])
def test_every_kind_as_yaml(case: dict) -> None:
    text, unknown = render(bytes.fromhex(case["plaintext"]))
    assert unknown == 0
    assert yaml.safe_load(text) == json.loads(case["expect"]["json"])


def test_yaml_of_every_text_reads_back() -> None:
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "data": {key: key for key in TRICKY}, "list": TRICKY, "nested": [[TRICKY, {"a": TRICKY}], [], {}, [[]], {"b": {}}]}
    text, _ = render(json.dumps(whole).encode())
    assert yaml.safe_load(text) == whole
    assert all(char in "\n\t" or char.isprintable() for char in text)
    assert json.loads(render(json.dumps(whole).encode(), "json")[0]) == whole


def test_one_object_goes_to_stdout() -> None:
    run = k8senc("decrypt", SNAPSHOT, "secrets/app-0600", "-n", "default", *KEYS)
    assert run.returncode == 0
    secret = yaml.safe_load(run.stdout)
    assert (secret["kind"], secret["metadata"]["name"]) == ("Secret", "app-0600")
    assert run.stderr.decode().splitlines() == ["KMS cloud-kms, key_id kek-2026-10: 1 call"]
    raw = k8senc("decrypt", SNAPSHOT, "--etcd-key", "/registry/secrets/default/app-0600", "--format", "raw", *KEYS)
    assert raw.stdout[:4] == b"k8s\0" and base64.b64decode(secret["data"]["token"]) in raw.stdout


def test_more_than_one_object_needs_a_word() -> None:
    refused = k8senc("decrypt", SNAPSHOT, "leases", "-c", CONFIG)
    assert refused.returncode == 2
    assert "--output DIR" in sentence(refused)
    run = k8senc("decrypt", SNAPSHOT, "leases", "-c", CONFIG, "--stdout")
    assert run.returncode == 0
    assert len(list(yaml.safe_load_all(run.stdout))) == json.loads((SAMPLE / "expected.json").read_text())["resources"]["leases.coordination.k8s.io"]["live"]


def test_a_folder_holds_everything_that_opens(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = k8senc("decrypt", SNAPSHOT, "--all", *KEYS, "-o", out)
    assert run.returncode == 1
    assert run.stdout.decode().startswith("1,995 of 1,999 objects are in ")
    told = run.stderr.decode()
    for name in ("damaged", "copied", "gone-0001", "garbage"):
        assert name in told
    files = [file for file in out.rglob("*") if file.is_file()]
    assert len(files) == 1996
    # Names as an attacker would choose them stay below their folders, and are no control characters.
    assert all(file.relative_to(out).as_posix().isprintable() and ".." not in file.parts for file in files)
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert oct(out.stat().st_mode & 0o777) == "0o700"
    again = k8senc("decrypt", SNAPSHOT, "--all", *KEYS, "-o", out)
    assert again.returncode == 2
    assert "exists" in sentence(again)


def test_what_waits_for_a_kms_is_told(tmp_path: Path) -> None:
    run = k8senc("decrypt", SNAPSHOT, "secrets/app-0600", "-n", "default", "-c", CONFIG)
    assert run.returncode == 4 and run.stdout == b""
    assert "the KMS was not asked" in run.stderr.decode()


def test_what_is_not_there_is_told() -> None:
    run = k8senc("decrypt", SNAPSHOT, "secrets/none", "-n", "default", "-c", CONFIG)
    assert run.returncode == 1
    assert f"nothing in {SNAPSHOT} is named so" in sentence(run)


def test_a_key_on_the_command_line_is_refused_and_not_repeated() -> None:
    for secret in ("c2VjcmV0LWtleS1tYXRlcmlhbA==", "file", "env:", "hunter2:x"):
        run = k8senc("decrypt", SNAPSHOT, "--all", "--key", secret)
        assert run.returncode == 2
        assert "seen by every process" in sentence(run)
        assert "c2Vj" not in run.stderr.decode() and "hunter2" not in run.stderr.decode()


def test_keys_by_file_descriptor_and_environment(tmp_path: Path) -> None:
    key = "XYUEJKsDqwqomQBxQOjyMA1lxevJYnsaW7paI2Qo6c0="
    stored = next(name for name in json.loads((SAMPLE / "expected.json").read_text())["groups"] if name["key"] == "2026-q4")
    assert stored["live"] > 10
    (tmp_path / "key").write_text(key + "\n")
    counts = []
    for source in (f"file:{tmp_path / 'key'}", "env:LOST_KEY", "fd:FD"):
        read, write = os.pipe()
        os.write(write, key.encode())
        os.close(write)
        out = tmp_path / f"out{len(counts)}"
        run = subprocess.run(
            [*COMMAND, "decrypt", str(SNAPSHOT), "configmaps", "--key", source.replace("FD", str(read)), "-o", str(out)],
            capture_output=True, timeout=60, check=False, env={**ENVIRONMENT, "LOST_KEY": key}, pass_fds=[read],
        )  # fmt: skip
        os.close(read)
        assert key not in run.stderr.decode() + run.stdout.decode()
        counts.append(sum("2026-q4" in line and '"outcome":"written"' in line for line in (out / "index.jsonl").read_text().splitlines()))
    assert counts[0] == counts[1] == counts[2] >= stored["live"] - 1
    bad = k8senc("decrypt", SNAPSHOT, "configmaps", "--key", "env:NOT_THERE_AT_ALL", "-o", tmp_path / "none")
    assert bad.returncode == 2 and "no such environment variable" in sentence(bad)


def test_a_renamed_key_is_hinted_at(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.read_text().replace('name: "2026-q4"', 'name: "other"'))
    run = k8senc("decrypt", SNAPSHOT, "configmaps", "-c", config, "-o", tmp_path / "out")
    assert run.returncode == 1
    assert "add the same secret under that name" in run.stderr.decode()


def test_one_stored_value() -> None:
    case = next(case for case in load("wire") if case["suite"] == "wire/aesgcm" and case["expect"]["result"] == "opened" and case.get("etcdKey"))
    config = SAMPLE.parent / case["config"]
    answer = {"header": {}, "kvs": [{"key": base64.b64encode(case["etcdKey"].encode()).decode(), "value": base64.b64encode(bytes.fromhex(case["stored"])).decode()}]}
    run = k8senc("decrypt", "--value", "-", "-c", config, "--format", "raw", stdin=json.dumps(answer).encode())
    assert run.returncode == 0, run.stderr
    assert run.stdout == bytes.fromhex(case["expect"]["plaintext"])
    alone = k8senc("decrypt", "--value", "-", "-c", config, stdin=case["stored"].encode())
    for select in (["--all"], ["-n", "shop"], ["--revision", "7"]):
        run = k8senc("decrypt", "--value", "-", *select, "-c", config, stdin=json.dumps(answer).encode())
        assert run.returncode == 2 and "select nothing" in sentence(run)
    assert alone.returncode == 2 and "--etcd-key" in sentence(alone)


def test_a_damaged_snapshot_is_no_empty_one(tmp_path: Path) -> None:
    cut = tmp_path / "cut.db"
    cut.write_bytes(SNAPSHOT.read_bytes()[:200_000])
    run = k8senc("decrypt", cut, "--all", "-c", CONFIG, "-o", tmp_path / "out")
    assert run.returncode == 3
    assert "cut.db" in run.stderr.decode()


def test_an_interrupt_leaves_whole_files(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen([*COMMAND, "decrypt", str(SNAPSHOT), "--all", *KEYS, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    while process.poll() is None and not (out / "index.jsonl").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode in (1, 130)
    last = json.loads((out / "index.jsonl").read_text().splitlines()[-1])
    # An interrupt behind the last object finds all of them written.
    assert last["complete"] or process.returncode == 130
    assert not (out / ".partial").exists()
    if process.returncode == 130:
        assert "every file that was written is whole" in told.decode()


def test_plaintext_on_its_way_to_stdout_is_wiped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Recovery(SNAPSHOT, Config.parse(CONFIG.read_bytes()), format="json", resource="leases")
    for many in (True, False):
        seen: list[bytearray] = []
        with (tmp_path / f"out-{many}").open("w") as file:
            monkeypatch.setattr("sys.stdout", file)
            with suppress(Failure), _Stdout("json", many) as out:

                def document(content: bytearray, extension: str, out: _Stdout = out, seen: list[bytearray] = seen) -> None:
                    assert b'"Lease"' in content
                    seen.append(content)
                    out.document(content, extension)

                run.to_functions(document, lambda _: None)
            monkeypatch.undo()
        # With one alone, the second is refused, and neither was written.
        assert len(seen) == (210 if many else 2)
        assert all(isinstance(content, bytearray) and content.count(0) == len(content) for content in seen)
        assert (tmp_path / f"out-{many}").read_text().count('"kind": "Lease"') == (210 if many else 0)


def test_a_key_file_with_a_line_feed(tmp_path: Path) -> None:
    key = b"thirty-two characters, as it is!"
    text = json.dumps({"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1", "resources": [{"resources": ["secrets"], "providers": [{"aesgcm": {"keys": [{"name": "k", "secret": base64.b64encode(key).decode()}]}}]}]})
    etcd_key = "/registry/secrets/shop/db"
    stored = Config.parse(text).chain("secrets").seal(b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"shop"}}', etcd_key)
    (tmp_path / "value").write_bytes(stored)
    for name, content in [("editor", key + b"\n"), ("echo", base64.b64encode(key + b"\n"))]:
        (tmp_path / name).write_bytes(content)
        run = k8senc("decrypt", "--value", tmp_path / "value", "--etcd-key", etcd_key, "--key", f"file:{tmp_path / name}")
        assert run.returncode == 0, run.stderr
        assert b"name: db" in run.stdout
        assert f"the key in {tmp_path / name} (without the line feed at its end) opens it" in run.stderr.decode()
