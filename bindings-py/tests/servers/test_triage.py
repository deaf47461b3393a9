"""`k8senc kms doctor`, `k8senc preflight` and `k8senc doctor`: what they say of real sockets and a server that is told what to say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests import plugin as plugins
from tests.fake_api import SECRET, FakeApi, status
from tests.plugin import Plugin, served
from tests.test_cli import ENVIRONMENT, k8senc
from tests.vectors import ROOT, SAMPLE

KEY_HASH = "sha256:" + hashlib.sha256(b"kek-1").hexdigest()
SEEN = "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds"


def config(folder: Path, endpoint: str, *, timeout: str = "3s", version: str = "v2") -> Path:
    file = folder / "enc.yaml"
    file.write_text(f"""apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {{apiVersion: {version}, name: cloud, endpoint: "{endpoint}", timeout: {timeout}}}
  - identity: {{}}
""")
    return file


def doctor(what: Path | str, *more: str | Path) -> tuple[int, dict[str, Any]]:
    run = k8senc("kms", "doctor", what, "--format", "json", *more)
    (one,) = json.loads(run.stdout)["plugins"]
    assert SECRET.encode() not in run.stdout + run.stderr
    return run.returncode, one


def bad(one: dict[str, Any]) -> list[str]:
    found = [check for check in one["checks"] if check["outcome"] == "bad"]
    assert all(check["next"] for check in found)
    return [f"{check['what']}: {check['found']}" for check in found]


def test_healthy_plugin(tmp_path: Path) -> None:
    with served(Plugin(), tmp_path / "kms.sock") as endpoint:
        code, one = doctor(config(tmp_path, endpoint))
    assert (code, one["healthy"], one["keyIdHash"]) == (0, True, KEY_HASH)
    assert [check["what"] for check in one["checks"]] == ["socket", "connect", "Status", "Encrypt", "Decrypt"]
    assert one["decryptSeconds"] > 0


@pytest.mark.parametrize("kind,told", [
    (plugins.Sick, "Status: healthz is"),
    (plugins.WithoutKMS, "Encrypt: not available: vault: wrap: unavailable: connection refused"),
    (plugins.SlowKMS, "Encrypt: not available: vault: no answer in time"),
    (plugins.WrongVersion, "Status: version is"),
    (plugins.NoKeyId, "Status: key_id is empty"),
    (plugins.LongKeyId, "Status: key_id has"),
    (plugins.OtherKeyId, "Encrypt: its key_id is another one"),
    (plugins.BadAnnotation, "Encrypt: "),
    (plugins.LongCiphertext, "Encrypt: "),
    (plugins.OtherPlaintext, "Decrypt: gives back other bytes"),
])
def test_sick_plugin(tmp_path: Path, kind: type[Plugin], told: str) -> None:
    with served(kind(), tmp_path / "kms.sock") as endpoint:
        code, one = doctor(config(tmp_path, endpoint))
    assert code == 1
    assert any(line.startswith(told) for line in bad(one)), bad(one)


def test_the_plugins_own_reason_comes_first(tmp_path: Path) -> None:
    with served(plugins.Sick(), tmp_path / "kms.sock") as endpoint:
        _, one = doctor(config(tmp_path, endpoint))
    assert ["own reason" in check["next"] for check in one["checks"] if check["what"] == "Status"] == [True]


def test_socket_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "run" / "kms.sock"
    file = config(tmp_path, f"unix://{path}")
    code, one = doctor(file)
    assert code == 1 and bad(one) == [f"socket: {path} is not there; {path.parent} is missing already"]
    path.mkdir(parents=True)
    assert "is a directory" in bad(doctor(file)[1])[0]
    path.rmdir()
    path.write_text("")
    assert "is no socket" in bad(doctor(file)[1])[0]
    path.unlink()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert bad(doctor(file)[1]) == ["connect: nobody listens: the file is left from a plugin that ended"]


def test_plugin_that_hangs(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        code, one = doctor(config(tmp_path, f"unix://{path}", timeout="300ms"))
    assert code == 1 and bad(one) == ["Status: no answer within 0.3 s, the block's timeout"]


def test_open_socket_is_warned_of(tmp_path: Path) -> None:
    with served(Plugin(), tmp_path / "kms.sock") as endpoint:
        (tmp_path / "kms.sock").chmod(0o666)
        code, one = doctor(endpoint)
    assert code == 0
    assert one["checks"][0]["outcome"] == "warn" and "chmod 0600" in one["checks"][0]["next"]


@pytest.mark.parametrize("key_hash,age,outcome", [(KEY_HASH, 20, "ok"), (KEY_HASH, 900, "bad"), ("sha256:other", 20, "warn")])
def test_what_the_server_heard(tmp_path: Path, key_hash: str, age: int, outcome: str) -> None:
    with served(Plugin(), tmp_path / "kms.sock") as endpoint, FakeApi([]) as fake:
        fake.texts["/metrics"] = f'{SEEN}{{key_id_hash="{key_hash}",provider_name="cloud"}} {time.time() - age}\n'
        code, one = doctor(config(tmp_path, endpoint), "--kubeconfig", fake.kubeconfig(tmp_path))
    assert [check["outcome"] for check in one["checks"] if check["what"] == "key_id"] == [outcome]
    assert code == (1 if outcome == "bad" else 0)


def test_failing_health_check_of_the_server(tmp_path: Path) -> None:
    def hook(method: str, path: str, query: dict[str, str]) -> Any:
        return status(500, "InternalError", "kms-provider-0: rpc error") if path == "/readyz/kms-providers" else None

    with served(Plugin(), tmp_path / "kms.sock") as endpoint, FakeApi([], hook) as fake:
        code, one = doctor(config(tmp_path, endpoint), "--kubeconfig", fake.kubeconfig(tmp_path))
    assert code == 1 and "kms-provider-0: rpc error" in bad(one)[0]


def test_consequences_are_said(tmp_path: Path) -> None:
    run = k8senc("kms", "doctor", config(tmp_path, f"unix://{tmp_path}/none.sock"))
    lines = run.stdout.decode().splitlines()
    assert run.returncode == 1
    assert "after a restart of kube-apiserver, secrets: writes fail, reads of what it has in memory fail, other reads fail" in lines
    assert lines[-2].startswith("next: start the plugin")
    assert lines[-1].startswith("do not restart kube-apiserver")


def preflight(*arguments: str | Path) -> tuple[int, dict[str, list[str]]]:
    run = k8senc("preflight", *arguments, "--format", "json")
    told = json.loads(run.stdout)
    answers: dict[str, list[str]] = {}
    for one in told["answers"]:
        answers.setdefault(one["question"], []).append(one["outcome"])
    assert told["verdict"] == {0: "yes", 1: "no", 4: "unknown"}[run.returncode]
    return run.returncode, answers


def inventory(folder: Path, live: int) -> Path:
    file = folder / "inventory.json"
    file.write_text(json.dumps({"kind": "k8senc-audit", "deks": [{"provider": "cloud", "api": "v2", "live": live, "all": live}]}))
    return file


def test_preflight(tmp_path: Path) -> None:
    with served(Plugin(), tmp_path / "kms.sock") as endpoint, FakeApi([]) as fake:
        file = config(tmp_path, endpoint)
        cluster = ["--kubeconfig", str(fake.kubeconfig(tmp_path))]
        info = "apiserver_encryption_config_controller_last_config_info"
        fake.texts["/metrics"] = f'{info}{{hash="sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"}} 1\n'
        few = ["--inventory", str(inventory(tmp_path, 3))]
        assert preflight(file, *cluster, *few) == (0, {"file": ["yes"], "servers": ["yes"], "same file": ["yes"], "KMS": ["yes"], "cold start": ["yes"]})
        # What was not counted or not asked is no yes.
        assert preflight(file, *cluster)[0] == 4
        assert preflight(file, "--no-cluster", *few)[0] == 4
        assert preflight(file, "--no-kms", *cluster, *few)[0] == 4
        # A million seeds at any speed of a socket take longer than a request lasts.
        code, answers = preflight(file, *cluster, "--inventory", inventory(tmp_path, 10_000_000))
        assert (code, answers["cold start"]) == (1, ["no"])
        fake.texts["/metrics"] = f'{info}{{hash="sha256:other"}} 1\n'
        code, answers = preflight(file, *cluster, *few)
        assert (code, answers["same file"]) == (1 if code == 1 else 0, ["careful"])
        fake.texts.pop("/readyz")
        fake.hook = lambda method, path, query: status(500, "InternalError", "etcd failed") if path == "/readyz" else None
        assert preflight(file, *cluster, *few)[1]["servers"] == ["no"]
    code, answers = preflight(file, *cluster, *few)
    assert (code, answers["servers"], answers["KMS"]) == (1, ["no"], ["no"])


def test_preflight_with_a_refused_file(tmp_path: Path) -> None:
    file = tmp_path / "enc.yaml"
    file.write_text("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: []\n")
    with FakeApi([]) as fake:
        code, answers = preflight(file, "--kubeconfig", fake.kubeconfig(tmp_path))
    assert (code, answers["file"]) == (1, ["no"])


def test_doctor(tmp_path: Path) -> None:
    secret = tmp_path / "enc.yaml"
    secret.write_text("x")
    secret.chmod(0o600)
    run = k8senc("doctor", secret, "--format", "json")
    checks = {check["what"]: check for check in json.loads(run.stdout)["checks"]}
    assert checks[str(secret)]["outcome"] == "ok"
    assert checks["[kms]"]["outcome"] == "ok"
    secret.chmod(0o644)
    run = k8senc("doctor", secret)
    assert run.returncode == 1 and b"chmod 0600" in run.stdout


_SAMPLE = [str(SAMPLE / "snapshot.db"), "-c", str(SAMPLE / "encryption-config.yaml"), "-y"]
ABSENT = [
    (["kms", "check", "unix:///run/none.sock"], "grpc", "k8senc[kms]"),
    (["audit", *_SAMPLE, "--kms", "cloud-kms=unix:///run/none.sock"], "grpc", "k8senc[kms]"),
    (["audit", "etcd://127.0.0.1:1"], "grpc", "k8senc[etcd]"),
    (["unreadable", "--endpoint", "https://127.0.0.1:1", "-c", _SAMPLE[2]], "grpc", "k8senc[etcd]"),
    (["reencrypt", "--resource", "secrets", "--kubeconfig", "KUBECONFIG"], "urllib3", "k8senc[cluster]"),
    (["reencrypt", "--resource", "secrets", "--kubeconfig", "KUBECONFIG"], "yaml", "k8senc[cluster]"),
    (["audit", "https://127.0.0.1:1/etcd.db"], "fsspec", "k8senc[remote]"),
    (["fleet", "s3://backups/*.db"], "fsspec", "k8senc[fleet]"),
    (["fleet", _SAMPLE[0], "--on", "dask"], "distributed", "k8senc[fleet]"),
    (["fleet", _SAMPLE[0], "--parquet", "out"], "pyarrow", "k8senc[fleet]"),
    (["audit", *_SAMPLE, "--kms", "cloud-kms=aws:arn:aws:kms:eu-central-1:111122223333:key/a"], "boto3", "k8senc[aws]"),
    (["audit", *_SAMPLE, "--kms", "cloud-kms=gcp:projects/p/locations/l/keyRings/r/cryptoKeys/k"], "google.cloud.kms_v1", "k8senc[gcp]"),
    (["audit", *_SAMPLE, "--kms", "cloud-kms=azure:https://vault.vault.azure.net/keys/k"], "azure.identity", "k8senc[azure]"),
    (["audit", *_SAMPLE, "--kms", "cloud-kms=vault:https://127.0.0.1:1/transit/k"], "hvac", "k8senc[vault]"),
]


def test_every_extra_is_asked_for_where_it_is_absent() -> None:
    made = tomllib.loads((ROOT / "bindings-py" / "pyproject.toml").read_text())["project"]
    assert {f"k8senc[{extra}]" for extra in made["optional-dependencies"]} == {extra for _, _, extra in ABSENT}
    # The base stays small.
    assert {re.split(r"[<>=]", one)[0] for one in made["dependencies"]} == {"click", "rich"}


@pytest.mark.parametrize("arguments,module,told", ABSENT, ids=[f"{arguments[0]}-{module}" for arguments, module, _ in ABSENT])
def test_absent_extra_is_one_clear_line(tmp_path: Path, arguments: list[str], module: str, told: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    }))
    command = [argument.replace("KUBECONFIG", str(kubeconfig)) for argument in arguments]
    hidden = f"import sys; sys.modules[{module!r}] = None; from k8senc.cli import run; run()"
    run = subprocess.run([sys.executable, "-c", hidden, *command], capture_output=True, text=True, check=False, env={**ENVIRONMENT, "VAULT_TOKEN": "t"}, timeout=60, cwd=tmp_path)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert f"pip install '{told}'" in run.stderr


def test_help_loads_nothing_that_is_slow() -> None:
    """What makes `k8senc --help` slow is imported modules: none of these belongs to it."""
    code = "import sys; from k8senc.cli import main; main(['--help'], standalone_mode=False); print(sorted(m for m in sys.modules if m.split('.')[0] in {'rich', 'grpc', 'urllib3', 'yaml', 'asyncio', 'dataclasses', 'ssl', 'subprocess'}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "NO_COLOR": "1"})
    assert run.stdout.splitlines()[-1] == "[]"
