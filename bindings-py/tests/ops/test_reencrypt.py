"""`k8senc reencrypt` on a real API server and a real etcd."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from k8senc import Config
from tests.ops.cluster import COMMAND, ENVIRONMENT, TOKEN, Cluster, configuration, k8senc
from tests.ops.conftest import MAPS, SECRETS

NewCluster = Callable[[str], Cluster]
ALL = len(SECRETS) + len(MAPS)


def arguments(cluster: Cluster, *more: str | Path) -> list[str]:
    return ["reencrypt", "-c", str(cluster.config), "--kubeconfig", str(cluster.kubeconfig), "--journal", str(cluster.folder / "journal"), "--format", "json", *map(str, more)]


def state(cluster: Cluster) -> dict[str, tuple[int, str | None, bytes]]:
    """Each object with how often it was written, the key it is stored with, and what is in it."""
    config = Config.parse(cluster.config.read_bytes())
    found = {}
    for key, (version, value) in cluster.stored().items():
        opened = config.chain(key.split("/")[2]).open(value, key)
        found[key] = (version, opened.key, opened.reveal())
    return found


def counts(run: subprocess.CompletedProcess[str]) -> dict[str, tuple[int, int, int]]:
    return {row["resource"]: (row["rewritten"], row["fresh"], len(row["failed"])) for row in json.loads(run.stdout)["resources"]}


def test_killed_ten_times_it_ends_as_an_unbroken_run(new_cluster: NewCluster) -> None:
    whole, broken = new_cluster("whole"), new_cluster("broken")
    before = state(whole)
    run = k8senc(*arguments(whole))
    assert run.returncode == 0, run.stderr
    assert counts(run) == {"configmaps": (len(MAPS), 0, 0), "secrets": (len(SECRETS), 0, 0)}

    chance, between = random.Random(8), 0
    for _ in range(10):
        start = broken.revision()
        process = subprocess.Popen([*COMMAND, *arguments(broken, "--rate", "150", "--concurrency", str(chance.choice([1, 3, 8])))], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        goal = start + chance.randint(1, 35)
        while broken.revision() < goal and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        between += start < broken.revision() < start + ALL
    assert between == 10
    assert 0 < sum(key == "k1" for _, key, _ in state(broken).values()) < ALL
    last = k8senc(*arguments(broken))
    assert last.returncode == 0, last.stderr
    assert "going on from" in last.stderr

    ended = state(whole)
    assert ended == state(broken)
    assert len(ended) == ALL
    # Written once more, never twice; and nothing but the key has changed.
    assert {(version, key) for version, key, _ in ended.values()} == {(2, "k2")}
    assert {name: value for name, (_, _, value) in ended.items()} == {name: value for name, (_, _, value) in before.items()}


def test_interrupted_it_says_how_to_go_on(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    start = cluster.revision()
    process = subprocess.Popen([*COMMAND, *arguments(cluster, "--rate", "40")], env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while cluster.revision() < start + 20:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == ""
    assert said.splitlines()[-1].startswith("k8senc: interrupted; what was rewritten is in ")
    run = k8senc(*arguments(cluster))
    assert run.returncode == 0
    # Nothing that the interrupted run answered for is counted as fresh: the journal had it.
    assert sum(row[0] + row[1] for row in counts(run).values()) == ALL
    assert {key for _, key, _ in state(cluster).values()} == {"k2"}


def test_conflicts_with_other_writers_pass(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    done, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        api, chance = cluster.api(), random.Random(3)
        while not done.is_set():
            namespace, name = chance.choice(SECRETS)
            api.merge(f"/api/v1/namespaces/{namespace}/secrets/{name}", {"metadata": {"annotations": {"touched": str(written)}}})
            written += 1

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        run = k8senc(*arguments(cluster))
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert run.returncode == 0, run.stderr
    assert written > 0
    assert sum(row[2] for row in counts(run).values()) == 0
    assert {key for _, key, _ in state(cluster).values()} == {"k2"}


def test_proof_says_which_key_may_go(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    early = cluster.snapshot("early.db")
    run = k8senc(*arguments(cluster, "--canary", "ns1", "--prove-with", f"etcdctl --endpoints {cluster.etcd_url} snapshot save {{}}"))
    assert run.returncode == 0, run.stderr
    proof = json.loads(run.stdout)["proof"]
    assert (proof["holds"], proof["live"], proof["stale"]) == (True, ALL, 0)
    assert [(key["key"], key["removable"]) for key in proof["keys"]] == [("k2", "writes"), ("k1", "after-compaction")]
    assert "ns1 is done without a failure" in run.stderr

    # The journal is done: the same command proves and calls nobody else. A snapshot from before proves nothing.
    again = k8senc(*arguments(cluster, "--canary", "ns1", "--prove", early))
    assert again.returncode == 1
    assert json.loads(again.stdout)["proof"]["tooOld"] is True
    cluster.etcdctl("compact", str(cluster.revision()))
    compacted = k8senc(*arguments(cluster, "--canary", "ns1", "--prove", cluster.snapshot("late.db")))
    assert compacted.returncode == 0
    assert [key["removable"] for key in json.loads(compacted.stdout)["proof"]["keys"]] == ["writes", "yes"]


def test_dry_run_writes_nothing(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    before = cluster.stored()
    run = k8senc(*arguments(cluster, "--dry-run", "server"))
    assert run.returncode == 0, run.stderr
    assert cluster.stored() == before


def test_what_is_fresh_in_a_snapshot_is_not_touched(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    api = cluster.api()
    for namespace, name in MAPS[:60]:
        api.merge(f"/api/v1/namespaces/{namespace}/configmaps/{name}", {})
    assert k8senc(*arguments(cluster, "--resource", "secrets", "--journal", cluster.folder / "other")).returncode == 0
    run = k8senc(*arguments(cluster, "--skip-fresh", cluster.snapshot("seen.db")))
    assert run.returncode == 0, run.stderr
    rows = {row["resource"]: row for row in json.loads(run.stdout)["resources"]}
    assert (rows["configmaps"]["rewritten"], rows["configmaps"]["skipped"]) == (40, 60)
    assert (rows["secrets"]["rewritten"], rows["secrets"]["fresh"]) == (0, 0)
    assert {key for _, key, _ in state(cluster).values()} == {"k2"}


def test_with_etcd_in_sight_it_touches_what_is_stale_and_proves_the_rest(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    api = cluster.api()
    for namespace, name in MAPS[:60]:
        api.merge(f"/api/v1/namespaces/{namespace}/configmaps/{name}", {})
    run = k8senc(*arguments(cluster, "--endpoint", cluster.etcd_url))
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    rows = {row["resource"]: row for row in told["resources"]}
    assert (rows["configmaps"]["rewritten"], rows["configmaps"]["skipped"]) == (40, 60)
    assert (rows["secrets"]["rewritten"], rows["secrets"]["skipped"]) == (len(SECRETS), 0)
    assert (told["proof"]["holds"], told["proof"]["live"], told["proof"]["stale"]) == (True, ALL, 0)
    # What is superseded is not seen in a live etcd, and may need the old key.
    assert [(key["key"], key["removable"]) for key in told["proof"]["keys"]] == [("k2", "writes"), ("k1", "after-compaction")]
    assert {key for _, key, _ in state(cluster).values()} == {"k2"}
    assert k8senc(*arguments(cluster, "--endpoint", "http://127.0.0.1:1", "--journal", cluster.folder / "other")).returncode == 5


def test_a_server_with_another_file_is_not_written_through(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    before = cluster.stored()
    cluster.config.write_text(configuration("k1", "k2"))
    run = k8senc(*arguments(cluster))
    assert run.returncode == 2
    assert "uses another configuration" in run.stderr
    assert cluster.stored() == before


def test_one_unreadable_object_is_said_and_nothing_is_printed_of_any(new_cluster: NewCluster) -> None:
    cluster = new_cluster("cluster")
    namespace, name = SECRETS[7]
    cluster.etcdctl("put", f"/registry/secrets/{namespace}/{name}", "k8s:enc:aescbc:v1:k9:0123456789abcdef0123456789abcdef")
    run = k8senc(*arguments(cluster))
    assert run.returncode == 5
    assert "k8senc audit" in run.stderr
    for text in (run.stdout, run.stderr, (cluster.folder / "journal").read_text()):
        assert TOKEN not in text and "value of" not in text


def test_a_proof_that_needs_a_kms(tmp_path: Path) -> None:
    """Values of a KMS that nobody asks are not proved fresh, nor are they stale."""
    import base64

    from k8senc import KmsState
    from k8senc.kms import local_kek
    from tests.fake_api import FakeApi

    config = tmp_path / "enc.yaml"
    config.write_text(configuration("k1").replace("  - aescbc:", '  - kms: {apiVersion: v2, name: cloud, endpoint: "unix:///run/kms.sock"}\n  - aescbc:'))
    keks = tmp_path / "keks.json"
    kek = base64.b64encode(bytes(32)).decode()
    keks.write_text(json.dumps({"format": 1, "plugins": {"cloud": {"apiVersion": "v2", "currentKeyId": "kek-1", "usesSeed": True, "keks": {"kek-1": kek}}}}))
    kms = local_kek(keks.read_bytes(), "cloud")
    etcd = Cluster(tmp_path, Path())
    try:
        etcd.start_etcd()
        value = tmp_path / "value"
        value.write_bytes(Config.parse(config.read_bytes()).chain("secrets").seal(b"k8s\x00\n\x0c\n\x02v1\x12\x06Secret\x12\x00\x1a\x00\"\x00", "/registry/secrets/a/s", KmsState.create(kms)))
        with value.open("rb") as file:
            subprocess.run(["etcdctl", "--endpoints", etcd.etcd_url, "put", "/registry/secrets/a/s"], stdin=file, check=True, capture_output=True, env=ENVIRONMENT)
        for number in range(20):
            etcd.etcdctl("put", "other", str(number))
        taken = etcd.snapshot("after.db")
    finally:
        etcd.close()
    with FakeApi(["a/s"]) as fake:
        command = ["reencrypt", "-c", config, "--kubeconfig", fake.kubeconfig(tmp_path), "--journal", tmp_path / "journal", "--settled", "--prove", taken]
        undecided = k8senc(*command)
        assert undecided.returncode == 4, undecided.stdout + undecided.stderr
        assert "1 undecided: their KMS was not asked" in undecided.stdout
        decided = k8senc(*command, f"--kms=cloud={keks}")
        assert decided.returncode == 0, decided.stdout + decided.stderr
        assert "of 1 live values none is stale" in decided.stdout
