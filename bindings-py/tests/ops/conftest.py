"""The API server is built once, and filled once: 300 secrets and 100 configmaps under key k1."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ops.cluster import Cluster, configuration

SECRETS = [(f"ns{number % 5}" + ("-x" if number % 3 else ""), f"secret-{number:04d}") for number in range(300)]
MAPS = [("default", f"map-{number:04d}") for number in range(100)]


@pytest.fixture(scope="session")
def server_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    binary = tmp_path_factory.mktemp("apiserver") / "apiserver"
    subprocess.run(["go", "build", "-o", binary, "."], cwd=Path(__file__).parent / "apiserver", check=True, env={**os.environ, "GOTOOLCHAIN": "local"})
    return binary


@pytest.fixture(scope="session")
def filled(server_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    cluster = Cluster(tmp_path_factory.mktemp("filled"), server_binary)
    try:
        cluster.start_etcd()
        cluster.start_server(configuration("k1"))
        cluster.create("secrets", SECRETS)
        cluster.create("configmaps", MAPS)
    finally:
        cluster.close()
    return cluster


@pytest.fixture
def new_cluster(filled: Cluster, tmp_path: Path) -> Iterator[Callable[[str], Cluster]]:
    """Makes clusters that all begin with the same etcd, and a server that writes with k2."""
    made: list[Cluster] = []

    def make(name: str) -> Cluster:
        cluster = filled.copy(tmp_path / name)
        made.append(cluster)
        cluster.start_etcd()
        cluster.start_server(configuration("k2", "k1"))
        return cluster

    yield make
    for cluster in made:
        cluster.close()
