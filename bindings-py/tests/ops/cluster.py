"""A cluster for tests: etcd as Debian ships it, and an API server of k8s.io/apiserver with real encryption at rest."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k8senc.cluster import kubeconfig
from k8senc.cluster.api import Api

TOKEN = "token-of-the-test"
COMMAND = [sys.executable, "-c", "from k8senc.cli import run; run()"]
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "error", "ETCDCTL_API": "3"}
KEYS = {"k1": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=", "k2": "MjIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="}


def configuration(*keys: str, provider: str = "aescbc") -> str:
    listed = "".join(f"\n      - {{name: {name}, secret: {KEYS[name]}}}" for name in keys)
    return f"""apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, configmaps]
  providers:
  - {provider}:
      keys:{listed}
  - identity: {{}}
"""


def k8senc(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False, env=ENVIRONMENT, cwd=cwd, stdin=subprocess.DEVNULL)


@dataclass
class Cluster:
    """etcd and one API server in a folder."""

    folder: Path
    binary: Path
    etcd_url: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def config(self) -> Path:
        return self.folder / "encryption-config.yaml"

    def start_etcd(self) -> None:
        client, peer = _free_port(), _free_port()
        self.etcd_url = f"http://127.0.0.1:{client}"
        urls = {
            "--listen-client-urls": self.etcd_url,
            "--advertise-client-urls": self.etcd_url,
            "--listen-peer-urls": f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
            "--initial-cluster": f"default=http://127.0.0.1:{peer}",
        }
        options = [part for pair in urls.items() for part in pair]
        self._start("etcd", ["etcd", "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync", "--log-level", "error", "--force-new-cluster", *options])
        _wait(lambda: self.etcdctl("endpoint", "health", check=False).returncode == 0, "etcd does not start")

    def start_server(self, config: str) -> None:
        """With a configuration; one that runs is stopped first."""
        self.stop("apiserver")
        self.kubeconfig.unlink(missing_ok=True)
        self.config.write_text(config)
        flags = ["--etcd", self.etcd_url, "--encryption-provider-config", str(self.config), "--kubeconfig", str(self.kubeconfig), "--token", TOKEN]
        self._start("apiserver", [str(self.binary), *flags])
        _wait(self.kubeconfig.is_file, "the API server does not start")

        def answers() -> bool:
            try:
                self.api().text("/readyz")
            except Exception:
                return False
            return True

        _wait(answers, "the API server is not ready")

    def api(self) -> Api:
        return Api(kubeconfig.load(str(self.kubeconfig)), connections=16)

    def create(self, resource: str, places: Iterable[tuple[str, str]]) -> None:
        api, kind = self.api(), {"secrets": "Secret", "configmaps": "ConfigMap"}[resource]

        def make(place: tuple[str, str]) -> None:
            namespace, name = place
            value = f"value of {namespace}/{name} " * 20
            data = base64.b64encode(value.encode()).decode() if kind == "Secret" else value
            api.post(f"/api/v1/namespaces/{namespace}/{resource}", {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"text": data}})

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(make, places))

    def etcdctl(self, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["etcdctl", "--endpoints", self.etcd_url, *map(str, arguments)], capture_output=True, check=check, env=ENVIRONMENT, timeout=60)

    def snapshot(self, name: str) -> Path:
        file = self.folder / name
        self.etcdctl("snapshot", "save", file)
        return file

    def stored(self) -> dict[str, tuple[int, bytes]]:
        """Each etcd key of an object with how often it was written and its bytes."""
        found = json.loads(self.etcdctl("get", "/registry/", "--prefix", "-w", "json").stdout)
        return {base64.b64decode(row["key"]).decode(): (row["version"], base64.b64decode(row["value"])) for row in found["kvs"] if b"/apiserver" not in base64.b64decode(row["key"])}

    def revision(self) -> int:
        status: Any = json.loads(self.etcdctl("endpoint", "status", "-w", "json").stdout)
        return int(status[0]["Status"]["header"]["revision"])

    def stop(self, name: str) -> None:
        process = self.processes.pop(name, None)
        if process is not None:
            process.terminate()
            process.wait(20)

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)

    def copy(self, folder: Path) -> Cluster:
        """A cluster with the same etcd, which must be stopped."""
        folder.mkdir()
        shutil.copytree(self.folder / "etcd", folder / "etcd")
        return Cluster(folder, self.binary)

    def _start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**ENVIRONMENT, "PYTHONWARNINGS": ""})


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(ready: Any, otherwise: str) -> None:
    end = time.monotonic() + 120
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(otherwise)
        time.sleep(0.1)
