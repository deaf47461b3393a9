"""The offline install: one archive, one line, no index."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from k8senc.manpages import pages

from tests.ops.cluster import ENVIRONMENT
from tests.vectors import ROOT, SAMPLE


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive unpacked, and k8senc installed in `venv`."""
    folder = tmp_path_factory.mktemp("node")
    built = subprocess.run([ROOT / "scripts" / "wheelhouse"], capture_output=True, text=True, check=False, env={**ENVIRONMENT, "PYTHONWARNINGS": ""})
    assert built.returncode == 0, built.stderr
    told = re.fullmatch(r"tar xf (\S+) && (pip install --no-index .*)\n", built.stdout)
    assert told is not None, built.stdout
    with tarfile.open(ROOT / "dist" / told[1]) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    installed = subprocess.run(["sh", "-c", told[2]], cwd=folder, env=alone(folder), check=False, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    return folder


def alone(folder: Path) -> dict[str, str]:
    """Neither an index, nor the configuration of this machine, nor a way out."""
    away = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "all_proxy")}
    return {"PATH": f"{folder / 'venv' / 'bin'}:/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null", "HOME": str(folder), "NO_COLOR": "1", "LANG": "C.UTF-8", **away}


def k8senc(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["k8senc", *arguments], env=alone(folder), cwd=folder, check=False, capture_output=True, text=True)


def test_it_does_the_work(node: Path) -> None:
    assert k8senc(node, "--version").stdout.startswith("k8senc, version ")
    run = k8senc(node, "audit", SAMPLE / "snapshot.db", "-c", SAMPLE / "encryption-config.yaml", "--format", "json")
    assert run.returncode == 1 and json.loads(run.stdout)["totals"]["live"] == 1999
    # What the extras are for: an API server, a KMS plugin.
    assert "storageversionmigrations" in k8senc(node, "reencrypt", "--resource", "secrets", "--print-rbac").stdout
    assert k8senc(node, "kms", "check", "unix:///nowhere.sock").returncode == 5
    checks = {one["what"]: one["outcome"] for one in json.loads(k8senc(node, "doctor", "--format", "json").stdout)["checks"]}
    assert {name for name, outcome in checks.items() if outcome == "ok" and name.startswith("[")} == {"[kms]", "[etcd]", "[cluster]"}


def test_it_brings_manual_pages_and_completion(node: Path) -> None:
    share = node / "venv" / "share"
    assert {page.name: page.read_text() for page in (share / "man" / "man1").glob("*.1")} == pages()
    for file, shell in {"bash-completion/completions/k8senc": "bash", "zsh/site-functions/_k8senc": "zsh", "fish/vendor_completions.d/k8senc.fish": "fish"}.items():
        assert (share / file).read_text() == k8senc(node, "completion", shell).stdout
