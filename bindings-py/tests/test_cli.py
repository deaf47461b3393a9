"""The command, run as a process: what it prints where, and how it ends."""

from __future__ import annotations

import base64
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.vectors import ROOT, SAMPLE, VECTORS, load

COMMAND = [sys.executable, "-c", "from k8senc.cli import run; run()"]
SNAPSHOT = SAMPLE / "snapshot.db"
CONFIG = SAMPLE / "encryption-config.yaml"
KEKS = SAMPLE / "local-kek.json"
JUDGED = ["audit", str(SNAPSHOT), "--config", str(CONFIG), f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]
STORED = next(bytes.fromhex(case["stored"]) for case in load("wire") if case["id"] == "spec-example-key")
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "error"}


def k8senc(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False, env=ENVIRONMENT)


def sentence(run: subprocess.CompletedProcess[bytes]) -> str:
    """What went wrong; one line, and nothing on stdout."""
    assert run.stdout == b""
    lines = run.stderr.decode().splitlines()
    assert len(lines) == 1 and lines[0].startswith("k8senc: ")
    return lines[0]


def test_audit_table() -> None:
    run = k8senc(*JUDGED)
    assert run.returncode == 1
    table = run.stdout.decode()
    assert table.splitlines()[0] == "✗ of 1,999 live objects: 5 in plaintext, 4 unreadable, 883 stale, 55 old versions in plaintext"
    assert max(map(len, table.splitlines())) <= 100
    assert "\x1b" not in table
    assert run.stderr.decode().splitlines() == [
        "KMS cloud-kms, key_id kek-2025-10: 5 calls",
        "KMS cloud-kms, key_id kek-2026-10: 4 calls",
        "KMS legacy-kms: 120 calls",
    ]


@pytest.mark.parametrize("words", ["audit SNAPSHOT", "audit SNAPSHOT --format json", "decrypt SNAPSHOT secrets -c CONFIG --stdout", "explain --all", "--help"])
def test_a_full_disk_is_no_finding(words: str) -> None:
    """Exit code 1 would say that something was found, or that a file is refused."""
    with open("/dev/full", "wb") as full:
        run = subprocess.run([*COMMAND, *words.replace("SNAPSHOT", str(SNAPSHOT)).replace("CONFIG", str(CONFIG)).split()], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False, env=ENVIRONMENT)
    assert run.returncode == 74 and run.stderr.endswith(b"k8senc: the output cannot be written: No space left on device\n")
    assert b"Traceback" not in run.stderr


def test_a_full_disk_is_no_damaged_snapshot(tmp_path: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    words = ["decrypt", str(SNAPSHOT), "secrets", "-c", str(CONFIG), "-o", str(tmp_path / "new")]
    run = subprocess.run([*COMMAND, *words], capture_output=True, timeout=60, check=False, env=ENVIRONMENT, preexec_fn=full)
    assert run.returncode == 74 and b"File too large" in run.stderr.splitlines()[-1]


def test_a_fault_of_ours_is_no_finding() -> None:
    code = "import k8senc.commands.audit as a\na.read_config = None\nfrom k8senc.cli import run; run()"
    run = subprocess.run([sys.executable, "-c", code, "audit", SNAPSHOT, "-c", CONFIG], capture_output=True, timeout=60, check=False, env=ENVIRONMENT)
    assert run.returncode == 70 and b"nothing is decided" in run.stderr.splitlines()[-1]


def test_a_report_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.prom").mkdir()
    run = k8senc("audit", SNAPSHOT, "--report", f"prometheus={tmp_path / 'a.prom'}")
    assert run.returncode == 74 and b"a.prom cannot be written" in run.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "a.prom"]


def test_a_log_that_is_not_there_is_not_blamed_on_the_snapshot(tmp_path: Path) -> None:
    run = k8senc("audit", SNAPSHOT, "--wal", tmp_path / "none.wal")
    assert run.returncode == 2 and "none.wal: there is no such file" in sentence(run)


def test_a_crash_leaves_no_core() -> None:
    code = "import resource as r\nr.setrlimit(r.RLIMIT_CORE, (r.getrlimit(r.RLIMIT_CORE)[1],) * 2)\ntry:\n    from k8senc.cli import run; run()\nfinally:\n    print(r.getrlimit(r.RLIMIT_CORE)[0])"
    run = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, timeout=60, check=False, env=ENVIRONMENT)
    assert run.stdout.splitlines()[-1] == b"0"


def test_audit_table_in_80_columns() -> None:
    run = subprocess.run([*COMMAND, *JUDGED], capture_output=True, timeout=60, check=False, env={**ENVIRONMENT, "COLUMNS": "80"})
    lines = run.stdout.decode().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("aescbckey-2026-10-05T08:15:30Z" in line for line in lines)


def test_audit_json() -> None:
    run = k8senc(*JUDGED, "--format", "json")
    assert run.returncode == 1
    report = json.loads(run.stdout)
    assert (report["format"], report["kind"], report["judged"]) == (1, "k8senc-audit", True)


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    table = k8senc(*JUDGED).stdout.decode()
    report = k8senc(*JUDGED, "--format", "json", "--examples", "1000").stdout.decode()
    for text in (table, report):
        assert all(char == "\n" or char.isprintable() for char in text)


def test_markup_in_names_is_text() -> None:
    from k8senc.audit_table import render
    from rich.console import Console

    report = json.loads(k8senc(*JUDGED, "--format", "json").stdout)
    name = "[bold red]x[/bold red]:boom:"
    report["groups"][0]["key"] = report["resources"][0]["resource"] = name
    report["groups"][0]["resource"] = name
    console = Console(markup=False, emoji=False, highlight=False, width=100, record=True, file=open(os.devnull, "w"))
    with console.file:
        console.print(render(report, "[blink]file[/blink]"))
    text = console.export_text()
    assert name in text and "[blink]file[/blink]" in text


def test_findings_beat_undecided_values() -> None:
    """The sample's configuration without its KMS leaves values undecided, and findings remain findings."""
    run = k8senc("audit", SNAPSHOT, "--config", CONFIG)
    assert run.returncode == 1
    assert b"KMS cloud-kms: 9 calls not made" in run.stderr
    assert b"undecided" in run.stdout


def test_no_objects_are_not_called_clean() -> None:
    run = k8senc("audit", ROOT / "etcd-store" / "tests" / "data" / "synced.db")
    assert run.returncode == 4
    assert run.stdout.startswith("! no Kubernetes objects".encode()) and b"--etcd-prefix" in run.stderr


def test_a_report_without_findings() -> None:
    from k8senc.audit_table import _headline

    report = json.loads(k8senc(*JUDGED, "--format", "json").stdout)
    report["findings"] = []
    report["totals"] = {name: 0 for name in report["totals"]} | {"live": 7, "plaintext": 2}
    assert _headline(report).plain == "✓ 5 of 7 live objects encrypted, current and readable"
    report["judged"] = False
    assert _headline(report).plain == "✓ 5 of 7 live objects encrypted (not opened: no configuration was given)"


def test_a_cap_on_kms_calls() -> None:
    run = k8senc(*JUDGED, "--max-kms-calls", "100")
    assert run.returncode == 4
    assert b"asks for 129 KMS calls, more than the 100 of --max-kms-calls: none was made" in run.stderr
    assert b"undecided" in run.stdout


def test_damaged_files_end_with_a_sentence(tmp_path: Path) -> None:
    whole = SNAPSHOT.read_bytes()
    noise = random.Random(7)
    files = {
        "empty": b"",
        "text": b"apiVersion: v1\nkind: List\n" * 1000,
        "random": noise.randbytes(100_000),
        "first page": whole[:4096],
        "half": whole[: len(whole) // 2],
        "without its end": whole[:-100],
        "zeros": bytes(200_000),
    }
    for name, data in files.items():
        file = tmp_path / "damaged.db"
        file.write_bytes(data)
        run = k8senc("audit", file)
        assert run.returncode == 3, name
        assert len(sentence(run)) > 40, name


def test_no_bit_flip_goes_unnoticed(tmp_path: Path) -> None:
    whole = bytearray(SNAPSHOT.read_bytes())
    noise = random.Random(11)
    file = tmp_path / "flipped.db"
    for place in [noise.randrange(len(whole)) for _ in range(25)] + [16, 4096 + 80, len(whole) - 1]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << noise.randrange(8)
        file.write_bytes(flipped)
        run = k8senc("audit", file)
        assert run.returncode == 3, place
        assert run.stderr.startswith(b"k8senc: "), place


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["audit", "no-such-file.db"], "no-such-file.db"),
        (["audit", str(SAMPLE)], "file"),
    ],
)
def test_what_is_no_file(arguments: list[str], says: str) -> None:
    run = k8senc(*arguments)
    assert run.returncode == 3
    assert says in sentence(run)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["audit", str(SNAPSHOT), "--config", "no-such.yaml"], "no-such.yaml cannot be read: No such file"),
        (["audit", str(SNAPSHOT), "--config", str(KEKS)], "kube-apiserver refuses "),
        (["audit", str(SNAPSHOT), f"--kms=cloud-kms={KEKS}"], "--kms needs --config"),
        ([*JUDGED, f"--kms=cloud-kms={KEKS}"], "twice"),
        ([*JUDGED, f"--kms=other={KEKS}"], "'cloud-kms', 'legacy-kms'"),
        ([*JUDGED[:4], "--kms=cloud-kms"], "NAME=FILE.json"),
        ([*JUDGED[:4], f"--kms=cloud-kms={CONFIG}"], "the file is not"),
        (["validate", str(CONFIG), "--kubernetes", "1.x"], "1.x"),
        (["inspect", "--input", "hex", str(CONFIG)], "not hex"),
    ],
)
def test_wrong_usage(arguments: list[str], says: str) -> None:
    run = k8senc(*arguments)
    assert run.returncode == 2
    assert says in sentence(run)


def test_wrong_options() -> None:
    for arguments in (["audit"], ["audit", SNAPSHOT, "--format", "xml"], ["nothing"]):
        run = k8senc(*arguments)
        assert run.returncode == 2 and run.stdout == b"" and b"Error: " in run.stderr


def test_help_and_version() -> None:
    assert k8senc("--version").stdout.startswith(b"k8senc")
    for command in ([], ["audit"], ["inspect"], ["validate"]):
        run = k8senc(*command, "--help")
        assert run.returncode == 0 and b"Examples:" in run.stdout
        assert max(map(len, run.stdout.decode().splitlines())) <= 100


HEXDUMP = "\n".join(
    f"{at:08x}  {' '.join(f'{byte:02x}' for byte in STORED[at : at + 8])}  {' '.join(f'{byte:02x}' for byte in STORED[at + 8 : at + 16])}".ljust(60)
    + f"|{''.join(chr(byte) if 32 <= byte < 127 else '.' for byte in STORED[at : at + 16])}|"
    for at in range(0, len(STORED), 16)
)
PAIR = {"key": base64.b64encode(b"/registry/secrets/default/a").decode(), "mod_revision": 7, "value": base64.b64encode(STORED).decode()}
FORMS = {
    "raw": STORED,
    "hex": STORED.hex().encode() + b"\n",
    "base64": base64.encodebytes(STORED),
    "hexdump": f"{HEXDUMP}\n{len(STORED):08x}\n".encode(),
    "etcdctl": b"/registry/secrets/default/a\n" + STORED + b"\n",
    "etcdctl --hex": b"".join(b"\\x%02x" % byte for byte in b"/a") + b"\n" + b"".join(b"\\x%02x" % byte for byte in STORED) + b"\n",
    "etcdctl-json": json.dumps({"header": {"revision": 9}, "kvs": [PAIR], "count": 1}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_inspect_takes_every_form(form: str) -> None:
    run = k8senc("inspect", "--format", "json", stdin=FORMS[form])
    assert run.returncode == 0 and run.stderr == b""
    answer = json.loads(run.stdout)
    assert (answer["format"], answer["kind"]) == (1, "k8senc-inspect")
    (value,) = answer["values"]
    assert (value["inputForm"], value["bytes"], value["provider"], value["name"], value["keyId"]) == (form, len(STORED), "kms-v2", "p", "1")
    assert (value["etcdKey"] is not None) is form.startswith("etcdctl")


RECORDED = json.loads((VECTORS / "pastes" / "pastes.json").read_text("utf-8"))


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: f"{case['value']}: {case['command']}")
def test_what_real_tools_print_is_read_back(case: dict[str, str | None]) -> None:
    from k8senc import read_pasted

    printed = base64.b64decode(str(case["printed"]))
    (found,) = read_pasted(printed)
    if case["form"] is None:
        assert (found.form, found.stored) == ("raw", printed)
    else:
        assert (found.form, found.stored.hex()) == (case["form"], RECORDED["values"][case["value"]])
        assert found.etcd_key == (case["etcdKey"] and str(case["etcdKey"]).encode())


def test_a_form_that_does_not_exist_is_a_usage_error() -> None:
    from k8senc import UsageError, read_pasted

    for form in ("auto ", "hex"):
        with pytest.raises(UsageError, match="known forms are auto, raw, hex"):
            read_pasted(b"{}", form)


def test_inspect_table(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_bytes(STORED)
    run = k8senc("inspect", file)
    assert run.returncode == 0
    assert "encrypted with KMS v2" in run.stdout.decode() and "key_id" in run.stdout.decode()


def test_a_whole_snapshot_is_no_value() -> None:
    run = k8senc("inspect", SNAPSHOT)
    assert run.returncode == 2 and "k8senc audit reads it" in sentence(run)
    run = k8senc("inspect", stdin=SNAPSHOT.read_bytes())
    assert run.returncode == 2 and sentence(run).startswith("k8senc: <stdin> is a whole")


def test_inspect_names_what_is_wrong() -> None:
    run = k8senc("inspect", stdin=STORED[:-5])
    assert run.returncode == 1
    assert b"kube-apiserver: " in run.stdout


def test_inspect_of_hostile_text() -> None:
    run = k8senc("inspect", stdin=b"k8s:enc:aescbc:v1:\x1b[31m[bold]:" + bytes(32))
    assert b"\\u{1b}[31m[bold]" in run.stdout and b"\x1b" not in run.stdout


def test_inspect_of_nothing_found() -> None:
    run = k8senc("inspect", stdin=b'{"header":{"revision":9}}')
    assert run.returncode == 3
    assert "no key" in sentence(run)


def test_validate() -> None:
    assert k8senc("validate", CONFIG, "--kmsv1", "true").returncode == 0
    run = k8senc("validate", CONFIG)
    assert run.returncode == 1
    assert b"KMSv1 is deprecated" in run.stdout
    assert k8senc("validate", "-", stdin=(VECTORS / "configs" / "kmsv2.yaml").read_bytes()).stdout.startswith("✓ stdin".encode())


def test_interrupted() -> None:
    # A pipe that never ends stands for a long read.
    run = subprocess.Popen([*COMMAND, "inspect"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130 and out == b"" and b"Traceback" not in err


def test_interrupted_while_rust_reads(tmp_path: Path) -> None:
    # A member's own db file with gigabytes of free pages; it takes no room on the disk.
    file = tmp_path / "sparse.db"
    file.write_bytes(SNAPSHOT.read_bytes()[:-32])
    os.truncate(file, 24 << 30)
    run = subprocess.Popen([*COMMAND, "audit", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    sent = time.monotonic()
    out, err = run.communicate(timeout=60)
    assert time.monotonic() - sent < 5
    assert run.returncode == 130 and out == b"" and err.strip() == b"k8senc: interrupted; nothing was changed"


def test_a_closed_pipe_is_no_error() -> None:
    run = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" --format json --examples 1000 | head -c 10', "-", *COMMAND, *JUDGED], capture_output=True, timeout=60, check=False, env=ENVIRONMENT)
    assert b"Traceback" not in run.stderr and b"Exception" not in run.stderr


def test_a_guessed_key_name_is_said_to_be_one() -> None:
    table = k8senc("audit", SNAPSHOT).stdout.decode()
    assert "aescbc aescbckey ?" in table
    assert "? key name up to its first colon: a guess" in table
    assert "a guess" not in k8senc("inspect", stdin=b"{}").stdout.decode()
