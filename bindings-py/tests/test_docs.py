"""What documents promise: the code in them runs, examples are what Kubernetes takes, the first run is of use."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from k8senc.cli import COMMANDS, main
from k8senc.manpages import pages

from tests.test_cli import k8senc
from tests.vectors import ROOT

MYTHS = (ROOT / "docs" / "myths.md").read_text()


def test_every_myth_is_disproved() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", MYTHS, re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^## ", MYTHS, re.MULTILINE)
    assert len(blocks) == len(headings) + 1
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "myths.md", "exec"), names)


def test_first_run_says_what_to_type() -> None:
    run = k8senc()
    assert (run.returncode, run.stderr) == (0, b"")
    told = run.stdout.decode()
    named = re.findall(r"k8senc (\w+)", told)
    assert {"audit", "decrypt", "plan", "reencrypt", "preflight", "doctor"} <= set(named)
    assert all(name in COMMANDS for name in named)
    assert k8senc("no-such-command").returncode == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    script = k8senc("completion", shell).stdout.decode()
    assert "_K8SENC_COMPLETE" in script
    if shell == "bash":
        (tmp_path / "k8senc").write_text(script)
        subprocess.run(["bash", "-n", tmp_path / "k8senc"], check=True)


@pytest.mark.parametrize("words,offered", [("k8senc re", {"reencrypt"}), ("k8senc kms d", {"doctor"}), ("k8senc reencrypt --pr", {"--prove", "--prove-with", "--print-rbac"})])
def test_what_is_completed(words: str, offered: set[str]) -> None:
    from click.shell_completion import ShellComplete

    *before, last = words.split()[1:]
    found = {one.value for one in ShellComplete(main, {}, "k8senc", "_K8SENC_COMPLETE").get_completions(before, last)}
    assert found >= offered and all(one.startswith(last) for one in found)


QUOTED = re.compile(r"(?<![\w./-])k8senc (?=(?:" + "|".join(COMMANDS) + r")(?=[ `\"\n]|$))([^`|#;\"\\&>)\n]*)")


def mistaken(words: list[str]) -> str | None:
    """What of a quoted command line k8senc does not know."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        inner = command.get_command(click.Context(command), words[0])
        if inner is None:
            return words[0]
        command, words = inner, words[1:]
    known = {"-h", "--help"}.union(*({*one.opts, *one.secondary_opts} for one in command.params))
    named = [found[0] for word in words if (found := re.match(r"--?[a-z][a-z-]*", word))]
    return next((one for one in named if one not in known), None)


def test_a_mistaken_quote_is_seen() -> None:
    assert mistaken("audit snapshot.db --config enc.yaml --format json".split()) is None
    assert mistaken("audit snapshot.db -o json".split()) == "-o"
    assert mistaken("kms check unix:///run/kms.sock --watch=10".split()) is None
    assert mistaken("kms chek unix:///run/kms.sock".split()) == "chek"


def test_every_quoted_command_exists() -> None:
    """Documents, helps, errors and alerts of all languages: an option that they name is one of that command."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    kinds = (".md", ".rs", ".go", ".py", ".yaml", ".json", ".mjs", ".js", ".ts", ".html", ".txt")
    files = [name for name in listed if name.endswith(kinds) and not re.search("(^|/)(tests|conformance-vectors)/", name) and (ROOT / name).is_file()]
    quotes = [(name, line) for name in files for line in QUOTED.findall((ROOT / name).read_text())]
    assert len(quotes) > 300
    wrong = [(name, line, bad) for name, line in quotes if (bad := mistaken(line.replace("'", " ").split()))]
    assert wrong == []


def test_manual_pages(tmp_path: Path) -> None:
    made = pages()
    assert {f"k8senc-{name}.1" for name in COMMANDS} | {"k8senc.1", "k8senc-kms-doctor.1"} <= set(made)
    for name, text in made.items():
        assert text.startswith('.TH "') and ".SH NAME\n" in text and ".SH SYNOPSIS\n" in text
        # A line that begins with a dot is a request; what is text must not.
        requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
        assert requests <= {".TH", ".SH", ".PP", ".TP", ".B", ".BR", ".nf", ".fi"}, name
        assert "\b" not in text
    assert ".SH EXIT STATUS" in made["k8senc-audit.1"]


def documents(file: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(file.read_text()) if one]


def test_nightly_audit_has_least_privilege() -> None:
    """The fields that matter; the names are those of batch/v1 and v1, which a strict kubectl would want."""
    (job,) = [one for one in documents(ROOT / "docs" / "examples" / "nightly-audit.yaml") if one["kind"] == "CronJob"]
    assert job["apiVersion"] == "batch/v1" and job["spec"]["concurrencyPolicy"] == "Forbid"
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False and pod["restartPolicy"] == "Never"
    assert not pod.get("hostPID") and not pod.get("hostIPC")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for container in [*pod["initContainers"], *pod["containers"]]:
        limits = container["securityContext"]
        assert limits["allowPrivilegeEscalation"] is False and limits["readOnlyRootFilesystem"] is True
        assert limits["capabilities"]["drop"] == ["ALL"]
        for mount in container["volumeMounts"]:
            assert mount["name"] in volumes
            # Of the host nothing may be written but the collector's folder.
            assert mount.get("readOnly") or "emptyDir" in volumes[mount["name"]] or mount["name"] == "textfile"
    (audit,) = pod["containers"]
    # Its command line is one that k8senc takes.
    from k8senc.commands.audit import audit as command

    words = audit["args"]
    assert words[0] == "audit"
    parsed = command.make_context("audit", [re.sub(r"=/\S+/", "=/tmp/", word) for word in words[1:]])
    assert len(parsed.params["config_files"]) == 1
    names = {mount["mountPath"] for mount in audit["volumeMounts"]}
    assert all(any(f"={name}/" in word or word.startswith(f"{name}/") for name in names) for word in words if "/" in word)
