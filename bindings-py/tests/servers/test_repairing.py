"""reseal, encrypt and unreadable on a real etcd: what they change, what they keep, and what they refuse."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from k8senc import Config
from k8senc.etcd_client import EtcdClient, KeyValue

from tests.etcd_server import etcd
from tests.fake_api import Answer, FakeApi, status
from tests.test_cli import k8senc, sentence
from tests.vectors import SAMPLE

FIRST, SECOND = (base64.b64encode(bytes([letter]) * 32).decode() for letter in b"ab")


def configuration(provider: str, *keys: tuple[str, str]) -> str:
    named = ", ".join(f"{{name: {name}, secret: {secret}}}" for name, secret in keys)
    return (
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
        f"resources:\n- resources: [secrets]\n  providers:\n  - {provider}: {{keys: [{named}]}}\n"
    )


OLD, NEW = configuration("aescbc", ("key1", FIRST)), configuration("aesgcm", ("key2", SECOND))
RENAMED = configuration("aesgcm", ("renamed", SECOND))


def secret(name: str) -> bytes:
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "shop", "name": name}, "data": {"password": "aHVudGVyMg=="}}).encode()


def key(name: str) -> str:
    return f"/registry/secrets/shop/{name}"


def sealed(config: str, name: str, under: str | None = None) -> bytes:
    return Config.parse(config).chain("secrets").seal(secret(name), key(under or name))


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with etcd(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"old": OLD, "new": NEW, "renamed": RENAMED}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def stored(endpoint: str, etcd_key: str) -> KeyValue:
    with EtcdClient(endpoint) as client:
        found = client.get(etcd_key.encode())
    assert found is not None
    return found


def write(endpoint: str, etcd_key: str, value: bytes) -> None:
    with EtcdClient(endpoint) as client:
        seen = client.get(etcd_key.encode())
        assert (client.create(etcd_key.encode(), value) if seen is None else client.replace(seen, value)) is not None


def test_a_value_is_sealed_anew_only_when_told(endpoint: str, folder: Path) -> None:
    before = sealed(OLD, "db")
    write(endpoint, key("db"), before)
    words = ["reseal", key("db"), "--endpoint", endpoint, "-c", folder / "new.yaml", "--from", folder / "old.yaml", "--backup", folder]
    shown = k8senc(*words)
    assert shown.returncode == 0, shown.stderr
    assert "now: aescbc key1" in shown.stdout.decode() and "new: aesgcm key2" in shown.stdout.decode() and "--write does it" in shown.stdout.decode()
    assert stored(endpoint, key("db")).value == before

    done = k8senc(*words, "--write", "-y")
    assert done.returncode == 0, done.stderr
    after = stored(endpoint, key("db"))
    opened = Config.parse(NEW).chain("secrets").open(after.value, key("db"))
    assert opened.reveal() == secret("db") and opened.stale is False
    (kept,) = folder.glob("before-*.value")
    assert kept.read_bytes() == before and stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert b"hunter2" not in done.stdout + done.stderr and FIRST.encode() not in done.stdout + done.stderr


def test_what_does_not_open_is_not_written(endpoint: str, folder: Path) -> None:
    before = sealed(OLD, "shut")
    write(endpoint, key("shut"), before)
    run = k8senc("reseal", key("shut"), "--endpoint", endpoint, "-c", folder / "new.yaml", "--write", "-y", "--backup", folder)
    assert run.returncode == 1 and "does not open" in sentence(run)
    assert stored(endpoint, key("shut")).value == before and not list(folder.glob("before-*"))


def test_the_right_secret_under_another_name_is_taken_when_told(endpoint: str, folder: Path) -> None:
    write(endpoint, key("named"), sealed(RENAMED, "named"))
    words = ["reseal", key("named"), "--endpoint", endpoint, "-c", folder / "new.yaml", "--backup", folder, "--write", "-y"]
    refused = k8senc(*words)
    assert refused.returncode == 1 and "key2" in sentence(refused)
    assert k8senc(*words, "--any-key").returncode == 0
    assert Config.parse(NEW).chain("secrets").open(stored(endpoint, key("named")).value, key("named")).reveal() == secret("named")


def test_a_key_from_a_file_opens_too(endpoint: str, folder: Path) -> None:
    write(endpoint, key("lost"), sealed(OLD, "lost"))
    (folder / "key").write_text(FIRST + "\n")
    run = k8senc("reseal", key("lost"), "--endpoint", endpoint, "-c", folder / "new.yaml", "--key", f"file:{folder / 'key'}", "--any-key", "--write", "-y", "--backup", folder)
    assert run.returncode == 0, run.stderr
    assert Config.parse(NEW).chain("secrets").open(stored(endpoint, key("lost")).value, key("lost")).reveal() == secret("lost")


def test_an_object_of_another_name_is_refused(endpoint: str, folder: Path) -> None:
    # aescbc binds a value to nothing, so that a copy of it opens.
    write(endpoint, key("copy"), sealed(OLD, "db", under="copy"))
    words = ["reseal", key("copy"), "--endpoint", endpoint, "-c", folder / "new.yaml", "--from", folder / "old.yaml"]
    refused = k8senc(*words)
    assert refused.returncode == 1 and "another name" in sentence(refused)
    assert k8senc(*words, "--moved").returncode == 0


def test_reseal_without_etcd_makes_a_file(folder: Path) -> None:
    (folder / "value").write_bytes(sealed(OLD, "db"))
    run = k8senc("reseal", key("db"), "--value", folder / "value", "-c", folder / "new.yaml", "--from", folder / "old.yaml", "-o", folder / "made")
    assert run.returncode == 0, run.stderr
    assert stat.S_IMODE((folder / "made").stat().st_mode) == 0o600
    assert Config.parse(NEW).chain("secrets").open((folder / "made").read_bytes(), key("db")).reveal() == secret("db")
    again = k8senc("reseal", key("db"), "--value", folder / "value", "-c", folder / "new.yaml", "--from", folder / "old.yaml", "-o", folder / "made")
    assert again.returncode == 2 and b"cannot be made" in again.stderr
    both = k8senc("reseal", key("db"), "-c", folder / "new.yaml")
    assert both.returncode == 2 and "--endpoint" in sentence(both)


def test_encrypt_makes_and_replaces(endpoint: str, folder: Path) -> None:
    (folder / "a.json").write_bytes(secret("made"))
    words = ["encrypt", key("made"), folder / "a.json", "-c", folder / "new.yaml", "--endpoint", endpoint, "--backup", folder]
    assert k8senc(*words).returncode == 0
    with EtcdClient(endpoint) as client:
        assert client.get(key("made").encode()) is None
    for kept in (0, 1):
        run = k8senc(*words, "--write", "-y")
        assert run.returncode == 0, run.stderr
        assert Config.parse(NEW).chain("secrets").open(stored(endpoint, key("made")).value, key("made")).reveal() == secret("made")
        assert len(list(folder.glob("before-*"))) == kept


@pytest.mark.parametrize(
    ("etcd_key", "content", "says"),
    [(key("other"), secret("db"), "another name"), (key("db"), b"not an object", "no Kubernetes object"), ("/somewhere", secret("db"), "not the etcd key")],
    ids=["another name", "no object", "no key"],
)
def test_encrypt_refuses(folder: Path, etcd_key: str, content: bytes, says: str) -> None:
    (folder / "a").write_bytes(content)
    run = k8senc("encrypt", etcd_key, folder / "a", "-c", folder / "new.yaml", "-o", folder / "out")
    assert run.returncode == 2 and says in sentence(run) and not (folder / "out").exists()


def test_encrypt_with_a_kms(folder: Path) -> None:
    (folder / "a").write_bytes(secret("db"))
    config, keks = SAMPLE / "encryption-config.yaml", SAMPLE / "local-kek.json"
    without = k8senc("encrypt", key("db"), folder / "a", "-c", config, "-o", folder / "out")
    assert without.returncode == 2 and "only the plugin can encrypt a seed" in sentence(without)
    run = k8senc("encrypt", key("db"), folder / "a", "-c", config, "--kms", f"cloud-kms={keks}", "-o", folder / "out")
    assert run.returncode == 0, run.stderr
    back = k8senc("decrypt", "--value", folder / "out", "--etcd-key", key("db"), "-c", config, "--kms", f"cloud-kms={keks}", "--format", "raw")
    assert back.stdout == secret("db")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Five objects that open and three that do not: another key, plaintext, and noise under the right name of an aescbc key."""
    with etcd(tmp_path / "etcd") as found:
        for number in range(5):
            write(found, key(f"good-{number}"), sealed(NEW, f"good-{number}"))
        write(found, key("bad-key"), sealed(configuration("aesgcm", ("key2", FIRST)), "bad-key"))
        write(found, key("bad-plain"), secret("bad-plain"))
        write(found, key("bad-provider"), sealed(OLD, "bad-provider"))
        write(found, "/registry/configmaps/shop/c", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"shop"}}')
        yield found


BAD = {key("bad-key"), key("bad-plain"), key("bad-provider")}


def test_unreadable_objects_are_found_kept_and_removed(cluster: str, folder: Path) -> None:
    words = ["unreadable", "--endpoint", cluster, "-c", folder / "new.yaml"]
    found = k8senc(*words, "--format", "json")
    assert found.returncode == 1, found.stderr
    assert {json.loads(line)["etcdKey"] for line in found.stdout.splitlines()} == BAD
    assert "9 objects read" in found.stderr.decode() and b"aHVudGVyMg" not in found.stdout + found.stderr
    unkept = k8senc(*words, "--remove", "etcd", "-y")
    assert unkept.returncode == 2 and "--save" in sentence(unkept)

    before = {name: stored(cluster, name).value for name in BAD}
    removed = k8senc(*words, "--save", folder / "lost", "--remove", "etcd", "-y")
    assert removed.returncode == 0, removed.stderr
    lines = [json.loads(line) for line in (folder / "lost" / "index.jsonl").read_text().splitlines()]
    assert {line["etcdKey"]: (folder / "lost" / line["file"]).read_bytes() for line in lines} == before
    assert stat.S_IMODE((folder / "lost").stat().st_mode) == 0o700
    with EtcdClient(cluster) as client:
        assert all(client.get(name.encode()) is None for name in BAD)
        assert client.page(b"/registry/", b"/registry0").count == 6
    assert k8senc(*words).returncode == 0


@pytest.mark.parametrize("wrong", [("--etcd-prefix", "/elsewhere"), ("--resource", "secrtes")])
def test_reading_nothing_is_not_called_clean(cluster: str, folder: Path, wrong: tuple[str, str]) -> None:
    run = k8senc("unreadable", "--endpoint", cluster, "-c", folder / "new.yaml", *wrong)
    assert run.returncode == 4
    assert "so nothing is known to open" in run.stderr.decode() and "--etcd-prefix" in run.stderr.decode()


def test_without_an_answer_nothing_is_removed(cluster: str, folder: Path) -> None:
    run = k8senc("unreadable", "--endpoint", cluster, "-c", folder / "new.yaml", "--save", folder / "lost", "--remove", "etcd")
    assert run.returncode == 130
    assert all(stored(cluster, name).value for name in BAD)


def test_unreadable_objects_are_removed_through_the_api_server(cluster: str, folder: Path) -> None:
    asked: list[str] = []

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if method != "DELETE":
            return None
        assert query == {"ignoreStoreReadErrorWithClusterBreakingPotential": "true"}
        if path.endswith("bad-plain"):
            return status(403, "Forbidden", "not allowed to do unsafe-delete-ignore-read-errors")
        asked.append(path)
        return 200, {"kind": "Status", "status": "Success"}, {}

    with FakeApi([], hook) as api:
        run = k8senc("unreadable", "--endpoint", cluster, "-c", folder / "new.yaml", "--save", folder / "lost", "--remove", "api", "-y", "--kubeconfig", api.kubeconfig(folder))
    assert run.returncode == 1, run.stderr
    assert sorted(asked) == ["/api/v1/namespaces/shop/secrets/bad-key", "/api/v1/namespaces/shop/secrets/bad-provider"]
    assert "unsafe-delete-ignore-read-errors" in run.stderr.decode() and "2 objects are removed" in run.stderr.decode()


def test_what_waits_for_a_kms_is_not_unreadable(tmp_path: Path) -> None:
    config, keks = SAMPLE / "encryption-config.yaml", SAMPLE / "local-kek.json"
    (tmp_path / "a").write_bytes(secret("db"))
    assert k8senc("encrypt", key("db"), tmp_path / "a", "-c", config, "--kms", f"cloud-kms={keks}", "-o", tmp_path / "out").returncode == 0
    with etcd(tmp_path / "etcd") as endpoint:
        write(endpoint, key("db"), (tmp_path / "out").read_bytes())
        assert k8senc("unreadable", "--endpoint", endpoint, "-c", config).returncode == 4
        assert k8senc("unreadable", "--endpoint", endpoint, "-c", config, "--kms", f"cloud-kms={keks}").returncode == 0


def test_what_opens_to_no_object_is_unreadable(tmp_path: Path, folder: Path) -> None:
    with etcd(tmp_path / "etcd") as endpoint:
        write(endpoint, key("good"), sealed(OLD, "good"))
        write(endpoint, key("noise"), Config.parse(OLD).chain("secrets").seal(bytes(range(100)), key("noise")))
        run = k8senc("unreadable", "--endpoint", endpoint, "-c", folder / "old.yaml", "--format", "json")
    assert run.returncode == 1
    (line,) = run.stdout.splitlines()
    assert (json.loads(line)["etcdKey"], json.loads(line)["code"]) == (key("noise"), "not-an-object")
