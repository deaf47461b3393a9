"""A real etcd for tests, on loopback, ended by pid."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from k8senc.etcd_client import EtcdClient, Tls
from k8senc.errors import RemoteError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def etcd(folder: Path, *options: str, scheme: str = "http", tls: Tls | None = None, kill: bool = False) -> Iterator[str]:
    """A member with its data in `folder`, as the endpoint its clients use."""
    client, peer = f"{scheme}://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    command = ["etcd", "--data-dir", str(folder), "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}", "--logger", "zap", "--log-level", "error", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(client, tls, process)
            yield client
        finally:
            if kill:
                process.kill()
            else:
                process.terminate()
            process.wait(20)


def killed_etcd(folder: Path) -> AbstractContextManager[str]:
    """A member that writes its file rarely and is killed: what was put last is in its log alone."""
    return etcd(folder, "--backend-batch-interval", "1h", "--backend-batch-limit", "1000000", kill=True)


def _wait(endpoint: str, tls: Tls | None, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while True:
        assert process.poll() is None, "etcd ended"
        try:
            with EtcdClient(endpoint, tls, timeout=2) as client:
                client.status()
            return
        except RemoteError as error:
            assert time.monotonic() < until, error
            time.sleep(0.1)
