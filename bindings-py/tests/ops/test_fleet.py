"""Many snapshots, from files and from S3, here and on Dask, with workers that die."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet
import pytest
from distributed import Client, LocalCluster
from k8senc import UsageError, fleet
from k8senc.fleet.running import with_client
from moto.server import ThreadedMotoServer

from tests.ops.cluster import COMMAND, ENVIRONMENT
from tests.vectors import SAMPLE

CONFIG = SAMPLE / "encryption-config.yaml"
KEYS = re.findall(rb"secret: (\S+?)[,}\s]", CONFIG.read_bytes())
GOOD = ["prod-1.db", "prod-2.db", "stage-1.db", "stage-2.db"]


@pytest.fixture
def snapshots(tmp_path: Path) -> Path:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    whole = (SAMPLE / "snapshot.db").read_bytes()
    for name in GOOD:
        (folder / name).write_bytes(whole)
    (folder / "torn.db").write_bytes(whole[:5000])
    return folder


@pytest.fixture
def config_map(tmp_path: Path) -> Path:
    copy = tmp_path / "stage.yaml"
    copy.write_bytes(CONFIG.read_bytes())
    file = tmp_path / "map.yaml"
    file.write_text(f"prod-*: {CONFIG}\nstage-*: {copy}\n'*': env:FLEET_CONFIG\n")
    return file


@pytest.fixture
def s3(snapshots: Path) -> Iterator[dict[str, str]]:
    """The snapshots in a bucket; the environment of who may read it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "secret-of-the-store", "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    client = boto3.client("s3", endpoint_url=access["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="secret-of-the-store", region_name="us-east-1")
    client.create_bucket(Bucket="backups")
    for file in snapshots.iterdir():
        client.upload_file(str(file), "backups", f"etcd/{file.name}")
    client.close()
    yield access
    server.stop()


def run(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    wanted = {**ENVIRONMENT, "FLEET_CONFIG": CONFIG.read_text(), **(env or {})}
    wanted.pop("PYTHONWARNINGS")
    return subprocess.run([*COMMAND, "fleet", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300, env=wanted, stdin=subprocess.DEVNULL)


def told(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ran.stdout)
    return report


@pytest.mark.parametrize("where", ["serial", "processes", "dask"])
def test_s3_everywhere_the_same(s3: dict[str, str], config_map: Path, tmp_path: Path, where: str) -> None:
    ran = run("s3://backups/etcd/*.db", "--config-map", config_map, "--on", where, "--workers", "2", "--format", "json", "--parquet", tmp_path / "out", env=s3)
    assert ran.returncode == 3, ran.stderr
    report = told(ran)
    assert [one["name"] for one in report["clusters"]] == [f"s3://backups/etcd/{name}" for name in GOOD]
    assert [(one["snapshot"], "truncated" in one["reason"]) for one in report["failed"]] == [("s3://backups/etcd/torn.db", True)]
    live = report["clusters"][0]["totals"]["live"]
    assert report["totals"]["live"] == 4 * live and live == 1999
    # The same keys in two configurations.
    assert report["sharedKeys"] and all(one["configs"] == sorted([str(CONFIG), str(tmp_path / "stage.yaml")]) for one in report["sharedKeys"])
    for secret in [*(key.decode() for key in KEYS), "secret-of-the-store"]:
        assert secret not in ran.stdout + ran.stderr
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "snapshots.parquet").to_pylist()
    assert [row["snapshot"] for row in rows if row["failed"]] == ["s3://backups/etcd/torn.db"]
    assert sum(row["live"] or 0 for row in rows) == report["totals"]["live"]
    groups = pyarrow.parquet.read_table(tmp_path / "out" / "groups.parquet").to_pylist()
    assert sum(row["stale"] for row in groups) == report["totals"]["stale"]
    findings = pyarrow.parquet.read_table(tmp_path / "out" / "findings.parquet").to_pylist()
    assert len(findings) == sum(len(one["findings"]) for one in report["clusters"])


def test_serial_is_what_dask_and_processes_find(snapshots: Path, config_map: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEET_CONFIG", CONFIG.read_text())
    todo = fleet.tasks(fleet.find([f"{snapshots}/*.db"]), fleet.ConfigMap.parse(config_map.read_bytes()))
    here = reduce(fleet.merge, fleet.one_by_one(todo), fleet.EMPTY)
    assert reduce(fleet.merge, fleet.in_processes(todo, 2), fleet.EMPTY) == here
    assert reduce(fleet.merge, fleet.on_dask(todo, None, 2), fleet.EMPTY) == here
    # Keys are in no task, and so in nothing that Dask sends, logs or shows.
    assert KEYS and not any(key in pickle.dumps(todo) or key in json.dumps(here).encode() for key in KEYS)


def test_merge_knows_no_order(snapshots: Path, config_map: Path) -> None:
    todo = fleet.tasks(fleet.find([f"{snapshots}/*.db"]), fleet.ConfigMap.parse(config_map.read_bytes()))
    results = list(fleet.one_by_one(todo))
    # A task that ran twice, and failed once.
    results += [results[0], {todo[1].snapshot: {"config": None, "failed": "its worker failed"}}]
    whole = reduce(fleet.merge, results, fleet.EMPTY)
    assert "failed" not in whole[todo[1].snapshot]
    chance = random.Random(5)

    def fold(parts: list[Any]) -> Any:
        """Put together in a random tree."""
        if len(parts) == 1:
            return parts[0]
        cut = chance.randrange(1, len(parts))
        return fleet.merge(fold(parts[:cut]), fold(parts[cut:]))

    for _ in range(200):
        shuffled = chance.sample(results, len(results))
        assert fold(shuffled) == whole
        assert fleet.merge(whole, fold(shuffled)) == whole
        assert fleet.merge(fleet.EMPTY, whole) == whole == fleet.merge(whole, fleet.EMPTY)


def test_a_dask_worker_killed_in_the_middle(snapshots: Path, config_map: Path) -> None:
    for number in range(30):
        (snapshots / f"prod-more-{number}.db").symlink_to(snapshots / "prod-1.db")
    todo = fleet.tasks(fleet.find([f"{snapshots}/prod-*.db"]), fleet.ConfigMap.parse(config_map.read_bytes()))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        pids = client.run(os.getpid)
        found, killed = fleet.EMPTY, False
        for result in with_client(client, todo):
            found = fleet.merge(found, result)
            if not killed and len(found) >= 3:
                os.kill(next(iter(pids.values())), signal.SIGKILL)
                killed = True
    assert killed
    assert sorted(found) == sorted(task.snapshot for task in todo)
    assert not any("failed" in one for one in found.values())


def test_a_process_killed_in_the_middle(snapshots: Path, config_map: Path) -> None:
    for number in range(20):
        (snapshots / f"prod-more-{number}.db").symlink_to(snapshots / "prod-1.db")
    todo = fleet.tasks(fleet.find([f"{snapshots}/prod-*.db"]), fleet.ConfigMap.parse(config_map.read_bytes()))
    found, killed = fleet.EMPTY, False
    for result in fleet.in_processes(todo, 2):
        found = fleet.merge(found, result)
        if not killed:
            child = multiprocessing.active_children()[0]
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)
            killed = True
    assert sorted(found) == sorted(task.snapshot for task in todo)
    assert not any("failed" in one for one in found.values())


def test_exit_codes_and_sentences(snapshots: Path, tmp_path: Path) -> None:
    assert run(snapshots / "none-*.db").returncode == 2
    for who in ("user:password", "token"):
        assert run(f"https://{who}@backups.example/a.db").stderr.startswith("k8senc: a URL with a password")
    assert run(snapshots / "prod-1.db", "--scheduler", "tcp://127.0.0.1:1", "--on", "serial").returncode == 2
    signed = run("https://backups.example/a.db?X-Signature=abc")
    assert signed.returncode == 2 and signed.stderr.startswith("k8senc: a signed URL") and "abc" not in signed.stderr
    missing = tmp_path / "missing.json"
    missing.write_text('{"*": "/nowhere/enc.yaml"}')
    ran = run(snapshots / "prod-1.db", "--config-map", missing, "--format", "json")
    assert ran.returncode == 3 and "cannot be read where this runs" in told(ran)["failed"][0]["reason"]
    missing.write_text('{"*": "env:NOT_THERE"}')
    assert "the environment has no NOT_THERE" in told(run(snapshots / "prod-1.db", "--config-map", missing, "--format", "json"))["failed"][0]["reason"]
    # Without keys: plaintext is found all the same.
    assert run(snapshots / "prod-1.db", "--format", "json").returncode == 1


def test_config_map(tmp_path: Path) -> None:
    configs = fleet.ConfigMap.parse(b'{"s3://b/prod/*": "/a", "prod-*.db": "/b", "*": "env:C"}')
    assert [configs.of(name) for name in ("s3://b/prod/x.db", "/backups/prod-1.db", "/backups/x.db")] == ["/a", "/b", "env:C"]
    assert fleet.ConfigMap(()).of("x") is None
    for text in (b"[]", b'{"a": 1}', b"a: [", b"plain"):
        with pytest.raises(UsageError):
            fleet.ConfigMap.parse(text)
