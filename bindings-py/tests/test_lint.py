"""The commands about configurations, run as processes on what people have: good, bad, hostile, unreadable."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import k8senc
import pytest

from tests.vectors import ROOT

COMMAND = [sys.executable, "-c", "from k8senc.cli import run; run()"]
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "error"}
KEY = "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw="
OTHER = "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ="
PUBLIC = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="


def config(providers: str, resources: str = "secrets") -> str:
    return f"apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [{resources}]\n  providers:\n{providers}"


def secretbox(key: str = KEY, name: str = "key1") -> str:
    return f"  - secretbox:\n      keys:\n      - name: {name}\n        secret: {key}\n"


IDENTITY = "  - identity: {}\n"
KMS = "  - kms:\n      apiVersion: v2\n      name: cloud\n      endpoint: unix:///var/run/kmsplugin/socket.sock\n"
GOOD = config(secretbox() + IDENTITY)
FIRST = config(IDENTITY + secretbox())
REFUSED = config("  - aescbc:\n      keys:\n      - name: key1\n        secret: bm90IGEga2V5IG9mIHRoZSByaWdodCBzaXpl\n" + IDENTITY)
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: kube-apiserver, namespace: kube-system}}
spec:
  hostNetwork: true
  containers:
  - name: kube-apiserver
    image: registry.k8s.io/kube-apiserver:v1.34.2
    command:
    - kube-apiserver
    - --encryption-provider-config=/etc/kubernetes/enc/enc.yaml
    - --encryption-provider-config-automatic-reload=true
    volumeMounts:
    - {{name: enc, mountPath: /etc/kubernetes/enc, readonly: true}}
  volumes:
  - {{name: enc, hostPath: {{path: {host}, type: Directory}}}}
"""


def k8senc_(*arguments: str | Path, stdin: str | bytes = b"", columns: int | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**ENVIRONMENT, "COLUMNS": str(columns)} if columns else ENVIRONMENT
    data = stdin.encode() if isinstance(stdin, str) else stdin
    run = subprocess.run([*COMMAND, *map(str, arguments)], input=data, capture_output=True, timeout=60, check=False, env=environment)
    return subprocess.CompletedProcess(run.args, run.returncode, run.stdout.decode(), run.stderr.decode())


def write(path: Path, text: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def no_key(text: str, *keys: str) -> None:
    """No six characters of a key in a row, nor of what it decodes to."""
    for key in keys or (KEY, OTHER, PUBLIC):
        parts = [key, base64.b64decode(key).hex()]
        for part in parts:
            assert not any(part[i : i + 8] in text for i in range(len(part) - 8)), text


def test_lint_says_what_where_and_how(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", FIRST)
    run = k8senc_("lint", file)
    assert run.returncode == 1 and run.stderr == ""
    lines = run.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✗ K8E001 identity-first"))
    block = "\n".join(lines[at : at + 8])
    assert f"{file.name}:6:5" in block.replace("\n", "")
    assert "6 |   - identity: {}" in block and "^^^^^^^^^^^^" in block
    assert "put identity last (--fix does it)" in block
    no_key(run.stdout)


def test_lint_of_a_good_file_is_short(tmp_path: Path) -> None:
    run = k8senc_("lint", write(tmp_path / "enc.yaml", GOOD), "--migration", "encrypting")
    assert run.returncode == 0
    assert "✓ nothing to say" in run.stdout and len(run.stdout.splitlines()) <= 3


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)])
def test_fail_on(tmp_path: Path, level: str, code: int) -> None:
    text = config(f"  - aescbc:\n      keys:\n      - name: key1\n        secret: {KEY}\n" + IDENTITY)
    assert k8senc_("lint", write(tmp_path / "enc.yaml", text), "--fail-on", level).returncode == code


def test_lint_json(tmp_path: Path) -> None:
    run = k8senc_("lint", write(tmp_path / "enc.yaml", FIRST, 0o644), "--format", "json")
    report = json.loads(run.stdout)
    assert (report["format"], report["kind"]) == (1, "k8senc-lint")
    found = {one["code"]: one for one in report["files"][0]["findings"]}
    assert found["K8E001"]["fix"] == {"title": "put identity last", "safe": True}
    assert "0644" in found["K8E036"]["message"]
    assert report["totals"]["error"] == 2
    no_key(run.stdout)


def test_github_annotations_cannot_be_broken_out_of(tmp_path: Path) -> None:
    text = config("  - secretbox:\n      keys:\n" + f'      - name: "a\\n::error::x%0A,b:c"\n        secret: {KEY}\n' + IDENTITY)
    file = write(tmp_path / "a,b:c\n::stop.yaml", text)
    run = k8senc_("lint", file, "--format", "github")
    lines = run.stdout.splitlines()
    assert len(lines) == len(k8senc.lint(text))
    for line in lines:
        assert line.startswith(("::error file=", "::warning file=", "::notice file="))
        properties = line.removeprefix("::").split("::", 1)[0].split(" ", 1)[1]
        assert set(part.split("=", 1)[0] for part in properties.split(",")) <= {"file", "line", "endLine", "col", "endColumn", "title"}
        assert "a%2Cb%3Ac\\n%3A%3Astop.yaml" in properties
    assert any("%250A" in line for line in lines)
    no_key(run.stdout)


def test_sarif_has_the_shape_of_2_1_0(tmp_path: Path) -> None:
    """What the schema (tests/ops/test_sarif.py) leaves open: our own members, and that rules and results fit."""
    one = write(tmp_path / "a b.yaml", FIRST)
    two = write(tmp_path / "pod.yaml", POD.format(host=tmp_path))
    run = k8senc_("lint", one, two, "--format", "sarif")
    log = json.loads(run.stdout)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    [only] = log["runs"]
    assert set(only) <= {"tool", "columnKind", "results"} and only["columnKind"] in {"utf16CodeUnits", "unicodeCodePoints"}
    driver = only["tool"]["driver"]
    assert driver["name"] == "k8senc" and len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for rule in driver["rules"]:
        assert set(rule) == {"id", "name", "shortDescription", "fullDescription", "help", "defaultConfiguration"}
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}
    assert only["results"]
    for result in only["results"]:
        assert set(result) <= {"ruleId", "ruleIndex", "level", "message", "locations", "relatedLocations"}
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"} and set(result["message"]) == {"text"}
        for location in [*result["locations"], *result.get("relatedLocations", [])]:
            physical = location["physicalLocation"]
            assert " " not in physical["artifactLocation"]["uri"] and physical["artifactLocation"]["uri"].startswith("file:///")
            region = physical["region"]
            assert "snippet" not in region and min(region.values()) >= 1
            if "endLine" in region:
                assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])
    no_key(run.stdout)


def test_fix_changes_the_file_at_once_and_keeps_its_mode(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", FIRST, 0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    before = file.stat().st_ino
    run = k8senc_("lint", link, "--fix")
    assert file.read_text() == GOOD and link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640 and file.stat().st_ino != before
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["enc.yaml", "link.yaml"]
    assert "-  - identity: {}" in run.stdout and "+  - identity: {}" in run.stdout
    assert "changed: put identity last" in run.stderr
    no_key(run.stdout + run.stderr)
    again = k8senc_("lint", file, "--fix")
    assert "nothing that is safe to change" in again.stderr and file.read_text() == GOOD


def test_stdin_is_judged_and_not_changed() -> None:
    run = k8senc_("lint", "-", "--fix", stdin=FIRST)
    assert run.returncode == 2 and "stdin cannot be changed" in run.stderr
    assert "would change: put identity last" in k8senc_("lint", "-", "--diff", stdin=FIRST).stderr


def test_a_file_that_git_tracks_is_told(tmp_path: Path) -> None:
    """The index is git's own."""
    (tmp_path / "a").mkdir()
    tracked, other = write(tmp_path / "a" / "enc.yaml", GOOD), write(tmp_path / "enc.yaml", GOOD)
    git = ["git", "-c", "init.defaultBranch=main", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "a/enc.yaml"], check=True)
    assert "K8E037" in k8senc_("lint", tracked).stdout
    assert "K8E037" not in k8senc_("lint", other).stdout


def test_diff_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", FIRST)
    run = k8senc_("lint", file, "--diff")
    assert run.returncode == 0 and file.read_text() == FIRST
    assert "-  - identity: {}" in run.stdout and "would change: put identity last" in run.stderr
    no_key(run.stdout)
    assert k8senc_("lint", file, "--diff", "--format", "json").returncode == 2


def test_fix_leaves_a_file_alone_that_cannot_be_written(tmp_path: Path) -> None:
    from k8senc import fixing
    from k8senc.command import Failure

    file = write(tmp_path / "enc.yaml", GOOD)
    with pytest.raises(Failure, match="by somebody else"):
        fixing.replace(file, FIRST.encode(), b"x")
    assert file.read_text() == GOOD and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(Failure, match="cannot be changed"):
        fixing.replace(tmp_path / "nothing" / "enc.yaml", b"", b"x")


def test_the_masked_diff_hides_a_key_that_moves() -> None:
    from k8senc import fixing

    text = "\n".join(fixing.diff(FIRST.encode(), config(secretbox(OTHER) + IDENTITY).encode(), "f"))
    assert "***" in text
    no_key(text)


def test_a_static_pod_brings_its_file(tmp_path: Path) -> None:
    write(tmp_path / "enc.yaml", config(KMS + IDENTITY))
    pod = write(tmp_path / "kube-apiserver.yaml", POD.format(host=tmp_path), 0o644)
    run = k8senc_("lint", pod)
    assert run.returncode == 1
    assert "\nKubernetes manifest, kube-apiserver 1.34 with automatic reload\n" in run.stdout
    assert "\nread by kube-apiserver of the pod kube-apiserver, kube-apiserver 1.34" in run.stdout
    assert "K8M006" in run.stdout and "/var/run/kmsplugin/socket.sock is not mounted" in " ".join(run.stdout.split())
    fixed = k8senc_("lint", pod, "--fix")
    assert "readOnly: true" in pod.read_text() and "K8M009" not in fixed.stdout
    (tmp_path / "enc.yaml").unlink()
    absent = k8senc_("lint", pod)
    assert f"reads {tmp_path}/enc.yaml, which is not here" in absent.stderr
    copy = write(tmp_path / "copy.yaml", REFUSED)
    both = k8senc_("validate", pod, copy)
    assert both.returncode == 1 and "kube-apiserver 1.34 refuses it" in " ".join(both.stdout.split()) and both.stderr == ""


def test_validate_shows_text_place_and_cure(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", REFUSED)
    run = k8senc_("validate", file)
    assert run.returncode == 1
    text = " ".join(run.stdout.split())
    assert "error while parsing file: resources[0].providers[0].aescbc.keys[0].secret: Invalid value:" in text
    assert f"{file}:9:17" in run.stdout.replace("\n", "").replace(" ", "") or f"{file}:9:17" in text
    assert "secret: ***" in run.stdout and "^^^" in run.stdout
    assert "do: Make a key with head -c 32 /dev/urandom" in text
    assert "bm90" not in run.stdout
    ok = k8senc_("validate", "-", stdin=GOOD)
    assert ok.returncode == 0 and ok.stdout.splitlines() == ["✓ stdin  kube-apiserver 1.37 starts with it"]


def test_nothing_validated_is_not_fine(tmp_path: Path) -> None:
    worker = write(tmp_path / "worker.yaml", "version: v1alpha1\nmachine: {type: worker}\ncluster: {}\n")
    run = k8senc_("validate", worker)
    assert run.returncode == 3 and run.stderr == f"k8senc: {worker} neither holds nor names a configuration: nothing was validated\n"
    run = k8senc_("validate", write(tmp_path / "pod.yaml", POD.format(host="/nowhere")))
    assert run.returncode == 3 and "/nowhere/enc.yaml, which is not here" in run.stderr


def test_validate_json(tmp_path: Path) -> None:
    run = k8senc_("validate", write(tmp_path / "enc.yaml", REFUSED), "--format", "json", "--kubernetes", "1.30")
    [file] = json.loads(run.stdout)["files"]
    assert (file["ok"], file["kubernetes"], file["stage"]) == (False, "1.30", "validate")
    [problem] = file["problems"]
    assert problem["code"] == "key-secret-length" and problem["line"] == 9 and "urandom" in problem["advice"]


def test_one_bad_file_of_several(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "good.yaml", GOOD), write(tmp_path / "bad.yaml", REFUSED)
    run = k8senc_("validate", good, bad)
    assert run.returncode == 1 and "✓" in run.stdout and "✗" in run.stdout
    run = k8senc_("lint", good, tmp_path / "none.yaml", tmp_path)
    assert run.returncode == 3 and str(good) in run.stdout
    assert run.stderr.splitlines() == [
        f"k8senc: {tmp_path}/none.yaml cannot be read: No such file or directory",
        f"k8senc: {tmp_path} cannot be read: Is a directory",
    ]


GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)) * 64,
    "bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((97 + i, 97 + i) + (96 + i,) * 8) for i in range(1, 9)),
    "deep": b"[" * 100_000,
    "text": b"\x1b[2Jkind: \x1b]0;x\x07\xe2\x80\xae",
    "utf16": "kind: EncryptionConfiguration\n".encode("utf-16"),
    "protobuf": b"k8s\0\n",
    "other": b"kind: Deployment\napiVersion: apps/v1\n",
    "nul": b"\0" * 100,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_refused_and_never_obeyed(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "f\x1b[31m.yaml", GARBAGE[name])
    for arguments in (["lint"], ["validate"], ["lint", "--format", "json"], ["lint", "--format", "sarif"], ["lint", "--format", "github"], ["lint", "--fix"]):
        run = k8senc_(*arguments, file)
        assert run.returncode == 1, run
        assert "Traceback" not in run.stderr
        assert all(char == "\n" or char.isprintable() for char in run.stdout + run.stderr)
    assert file.read_bytes() == GARBAGE[name]
    for command in ("show", "outage"):
        run = k8senc_(command, file)
        assert run.returncode == 2 and len(run.stderr.splitlines()) == 1, run


def test_a_huge_file_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(100 << 20)
    for command in ("lint", "validate", "show", "outage"):
        run = k8senc_(command, file)
        assert run.returncode == 3 and "more than 16 MiB" in run.stderr


def test_no_colour_in_a_pipe_and_lines_that_fit(tmp_path: Path) -> None:
    pod = write(tmp_path / "pod.yaml", POD.format(host="/nowhere"))
    json_line = write(tmp_path / "one-line.json", json.dumps({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": [{"resources": ["secret"] * 40, "providers": [{"identity": {}}]}]}))
    file = write(tmp_path / "enc.yaml", config(KMS + secretbox(PUBLIC, "a:b") + IDENTITY, "secret, '*.apps'"))
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "NO_COLOR"}
    for arguments in (["lint", pod, file, json_line], ["validate", json_line], ["show", file], ["outage", file], ["explain", "K8E001"]):
        run = subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, timeout=60, check=False, env={**environment, "COLUMNS": "72"})
        lines = run.stdout.decode().splitlines()
        assert b"\x1b" not in run.stdout and lines
        assert max(map(len, lines)) <= 72, max(lines, key=len)
        assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("command", ["lint", "validate", "show", "outage", "diff", "explain"])
def test_help_has_examples(command: str) -> None:
    run = k8senc_(command, "--help")
    assert run.returncode == 0 and "Examples:" in run.stdout
    assert max(map(len, run.stdout.splitlines())) <= 100


def test_commands_load_what_they_need_alone() -> None:
    """The list of commands and a JSON answer load neither rich nor grpc."""
    script = "import sys; sys.argv = ['k8senc', *{!r}]\nfrom k8senc.cli import main\ntry:\n main.main(standalone_mode=False)\nexcept SystemExit: pass\nprint([m for m in ('rich', 'grpc', 'k8senc.audit_table', 'difflib') if m in sys.modules], file=sys.stderr)"
    for arguments in (["--help"], ["explain", "K8E001", "--format", "json"], ["lint", "-", "--format", "json"]):
        run = subprocess.run([sys.executable, "-c", script.format(arguments)], input=GOOD.encode(), capture_output=True, timeout=60, check=False)
        assert run.stderr.decode().strip() == "[]", arguments


def test_diff_of_servers(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{i}.yaml", text) for i, text in enumerate([GOOD, "# a comment\n" + GOOD, config(secretbox(OTHER) + IDENTITY)])]
    run = k8senc_("diff", *files)
    assert run.returncode == 1
    assert f"{files[1]}: does the same as {files[0]}" in run.stdout
    assert "has other bytes than" in run.stdout and "sha256:" not in run.stdout
    no_key(run.stdout)
    assert k8senc_("diff", *files[:2]).returncode == 0
    hashes = k8senc_("diff", "--hash", *files[:2]).stdout.splitlines()
    assert hashes[0].startswith("sha256:") and hashes[0][:71] != hashes[1][:71]
    assert k8senc_("diff", files[0]).returncode == 2
    public = write(tmp_path / "public.yaml", config(secretbox(PUBLIC) + IDENTITY))
    report = json.loads(k8senc_("diff", files[0], public, "--format", "json").stdout)
    assert report["others"][0]["keys"][0]["fingerprint"] is None and len(report["base"]["keys"][0]["fingerprint"]) == 16
    assert "hash" not in report["base"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("k8e004", "identity-kept"),
        ("identity-first", "K8E001"),
        ("K8M007", "file-mount-with-reload"),
        ("K8D03", "promote it in a"),
        ("padding-bytes", "invalid padding on input"),
        ("exit 4", "not everything could be decided"),
        ("exit 74", "a disk is full"),
        ('E1123 12:00:00.1 1 reflector.go:1] "Unhandled Error" err="unable to transform key \\"/registry/secrets/a/b\\": invalid padding on input"', "invalid padding on input"),
        ("rpc error: code = DeadlineExceeded desc = context deadline exceeded", "DeadlineExceeded"),
    ],
)
def test_explain(asked: str, says: str) -> None:
    run = k8senc_("explain", asked)
    assert run.returncode == 0 and says in run.stdout
    piped = k8senc_("explain", stdin=asked)
    assert piped.stdout == run.stdout


def test_explain_what_nobody_knows() -> None:
    assert "no text to explain" in k8senc_("explain", stdin="\n").stderr
    run = k8senc_("explain", "the identity of this wildcard\x1b[2J")
    assert run.returncode == 1 and run.stdout == "" and "near to it are" in run.stderr and "\x1b" not in run.stderr
    assert k8senc_("explain", "--format", "markdown", "x").returncode == 2


def test_every_code_is_explained() -> None:
    from k8senc import _native

    codes = [rule.code for rule in k8senc.rules()] + [code for code, *_ in _native.hazard_codes()] + [code for code, *_ in _native.error_codes()]
    assert len(codes) == len(set(codes)) >= 110
    for code in codes:
        [one] = k8senc.explain(code)
        assert one.code == code and one.sections
    assert k8senc.explain("nothing like it") == []


def test_the_page_of_rules_is_fresh() -> None:
    run = k8senc_("explain", "--all", "--format", "markdown")
    assert run.stdout == (ROOT / "docs" / "rules.md").read_text(), "write it again: k8senc explain --all --format markdown > docs/rules.md"


def test_show(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", config(secretbox() + IDENTITY, "secrets, secret") + "- resources: ['*.apps']\n  providers:\n" + KMS)
    report = json.loads(k8senc_("show", file, "--format", "json").stdout)["configurations"][0]
    rows = {row["resource"]: row for row in report["resources"]}
    assert rows["secrets"] == {"resource": "secrets", "rule": "secrets", "reason": "named in the file", "encrypted": True, "providers": ["secretbox key1", "identity"]}
    assert rows["deployments.apps"]["providers"] == ["kms v2 cloud"] and not rows["pods"]["encrypted"]
    assert report["matchNothing"] == [{"name": "secret", "meant": "secrets"}]
    table = k8senc_("show", file).stdout
    assert "secretbox key1" in table and "did you mean secrets?" in table and "plain text" in table
    no_key(table)


def test_outage(tmp_path: Path) -> None:
    file = write(tmp_path / "enc.yaml", config(KMS + IDENTITY))
    modes = json.loads(k8senc_("outage", file, "--format", "json").stdout)["configurations"][0]["modes"]
    assert [(m["moment"], m["writes"], m["readsOfKnown"], m["readsOfOthers"]) for m in modes] == [
        ("1-minute", "works", "works", "fails"),
        ("4-minutes", "fails", "works", "fails"),
        ("reload", "for-3-minutes", "works", "fails"),
        ("restart", "fails", "fails", "fails"),
    ]
    assert "Do not restart" in k8senc_("outage", file).stdout
    assert "nothing here depends on one" in k8senc_("outage", "-", stdin=GOOD).stdout


def test_library_lint_and_fix() -> None:
    [first] = [one for one in k8senc.lint(FIRST) if one.code == "K8E001"]
    assert (first.line, first.column, first.severity) == (6, 5, "error")
    assert first.snippet is not None and first.snippet.marked == "identity: {}"
    assert first.fix is not None and first.fix.safe and first.fix.apply(FIRST) == GOOD
    with pytest.raises(k8senc.UsageError):
        first.fix.apply("x")
    with pytest.raises(k8senc.UsageError):
        k8senc.lint(FIRST, migration="never")
    for one in k8senc.lint(FIRST.replace(KEY, PUBLIC)):
        no_key(repr(one) + one.message + str(one.snippet and one.snippet.before + one.snippet.marked + one.snippet.after))


def test_library_diff() -> None:
    assert k8senc.diff([GOOD, "---\n" + GOOD, FIRST])[0] == []
    assert k8senc.diff([GOOD, FIRST]) == [["secrets: identity writes in place of " + k8senc.diff([GOOD, FIRST])[0][0].split("in place of ")[1]]]
    with pytest.raises(k8senc.ConfigError):
        k8senc.diff([GOOD, REFUSED])


def test_library_manifest(tmp_path: Path) -> None:
    manifest = k8senc.Manifest.read(POD.format(host="/srv/enc"), "pod.yaml")
    assert manifest is not None and manifest.version == "1.34" and manifest.reload
    [reference] = manifest.references
    assert (reference.path, reference.host_path) == ("/etc/kubernetes/enc/enc.yaml", "/srv/enc/enc.yaml")
    assert "K8M009" in {one.code for one in manifest.lint()}
    assert k8senc.Manifest.read(GOOD) is None
    inner = "".join(f"    {line}\n" for line in GOOD.splitlines())
    held = k8senc.Manifest.read(f"kind: ConfigMap\ndata:\n  enc.yaml: |\n{inner}")
    assert held is not None and held.embedded[0].origin == "data.enc.yaml" and held.validate()[0].ok
    assert held.config(0).content_hash == k8senc.Config.parse(GOOD).content_hash
    with pytest.raises(k8senc.UsageError):
        held.config(1)
