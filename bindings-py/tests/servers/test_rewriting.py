"""The rewrite against an API server that misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from k8senc.cluster import kubeconfig
from k8senc.cluster.api import Api, Refused
from k8senc.cluster.journal import Journal
from k8senc.cluster.migration import Migration, MigrationFailed, served
from k8senc.cluster.pace import Pace
from k8senc.cluster.rewriting import Choice, Rewrite, Stopped, choose
from k8senc.cluster.targets import Target
from k8senc.errors import RemoteError
from tests.fake_api import SECRET, Answer, FakeApi, status

NAMES = [f"{namespace}/s{number:02d}" for namespace in ("a", "a-b", "b") for number in range(10)]
SECRETS = Target("", "v1", "secrets", True, "Secret")
HEADER = {"server": "test"}
Hook = Callable[[str, str, dict[str, str]], Answer | None]


def rewrite(fake: FakeApi, folder: Path, *, budget: int = 0, page: int = 7, namespace: str = "", choice: Choice | None = None) -> Journal:
    """One run; the journal, closed."""
    api = Api(kubeconfig.load(str(fake.kubeconfig(folder))))
    with Journal(folder / "journal", HEADER) as journal:
        run = Rewrite(api, journal, Pace(0, 4, budget), page=page, choice=choice)
        try:
            run.run([SECRETS], namespace=namespace)
        finally:
            run.close()
            api.close()
    return journal


def test_every_object_once(tmp_path: Path) -> None:
    with FakeApi(NAMES) as fake:
        journal = rewrite(fake, tmp_path)
    assert fake.patched == dict.fromkeys(NAMES, 1)
    assert journal.resources["secrets"].rewritten == len(NAMES)
    lists = [query for method, path, query in fake.requests if path.endswith("/secrets")]
    assert len(lists) == 5
    # Never from a cache that may be old, and never without pages.
    assert all("resourceVersion" not in query and query["limit"] == "7" for query in lists)


@pytest.mark.parametrize("token", [True, False], ids=["goes-on", "starts-again"])
def test_expired_continue_token(tmp_path: Path, token: bool) -> None:
    expired: list[str] = []

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if query.get("continue", "").endswith("@10") and fake.patched:
            expired.append(query["continue"])
            return status(410, "Expired", "too old", go_on=query["continue"].replace("@10", "@later") if token else "")
        return None

    with FakeApi(NAMES, hook) as fake:
        journal = rewrite(fake, tmp_path)
    assert expired
    # Nothing is left out. What was done before is not done again.
    assert fake.patched == dict.fromkeys(NAMES, 1)
    assert journal.resources["secrets"].rewritten == len(NAMES)


@pytest.mark.parametrize("code,reason", [(409, "Conflict"), (429, "TooManyRequests"), (500, "InternalError"), (503, "ServiceUnavailable")])
def test_what_passes_is_tried_again(tmp_path: Path, code: int, reason: str) -> None:
    left = {"a/s03": 2, "b/s09": 1}

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        parts = path.split("/")
        name = f"{parts[4]}/{parts[6]}" if method == "PATCH" else ""
        if left.get(name):
            left[name] -= 1
            return status(code, reason, headers={"Retry-After": "0"})
        return None

    with FakeApi(NAMES, hook) as fake:
        journal = rewrite(fake, tmp_path)
    assert left == {"a/s03": 0, "b/s09": 0}
    assert journal.resources["secrets"].failed == {}
    assert fake.patched == dict.fromkeys(NAMES, 1)


def test_what_fails_is_kept_and_tried_first_next_time(tmp_path: Path) -> None:
    broken = True

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if broken and method == "PATCH" and path.endswith("/a-b/secrets/s04"):
            return status(422, "Invalid", f"data: Invalid value: {SECRET}", details={"causes": [{"field": "data.x", "message": SECRET}]})
        return None

    with FakeApi(NAMES, hook) as fake:
        first = rewrite(fake, tmp_path, budget=5)
        assert first.resources["secrets"].failed == {"a-b/s04": "422 Invalid"}
        assert SECRET not in (tmp_path / "journal").read_text()
        broken = False
        fake.requests.clear()
        second = rewrite(fake, tmp_path)
    assert [path for _, path, _ in fake.requests] == ["/api/v1/namespaces/a-b/secrets/s04"]
    assert second.resources["secrets"].failed == {}
    assert second.resources["secrets"].rewritten == len(NAMES)


def test_error_budget_ends_it_and_the_next_run_finishes(tmp_path: Path) -> None:
    broken = True

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        return status(403, "Forbidden", "no") if broken and method == "PATCH" and "/namespaces/b/" in path else None

    with FakeApi(NAMES, hook) as fake:
        with pytest.raises(Stopped):
            rewrite(fake, tmp_path, budget=2)
        assert sum(fake.patched.values()) == 20
        assert sum(method == "PATCH" for method, _, _ in fake.requests) < len(NAMES)
        broken = False
        journal = rewrite(fake, tmp_path)
    assert fake.patched == dict.fromkeys(NAMES, 1)
    assert journal.resources["secrets"].done


def test_deleted_meanwhile_is_no_failure(tmp_path: Path) -> None:
    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if method == "PATCH" and path.endswith("/b/secrets/s00"):
            fake.versions.pop("b/s00", None)
        return None

    with FakeApi(NAMES, hook) as fake:
        journal = rewrite(fake, tmp_path)
    assert (journal.resources["secrets"].gone, journal.resources["secrets"].failed) == (1, {})


def test_one_namespace(tmp_path: Path) -> None:
    with FakeApi(NAMES) as fake:
        rewrite(fake, tmp_path, namespace="a")
    assert set(fake.patched) == {name for name in NAMES if name.startswith("a/")}


def test_only_what_an_audit_names(tmp_path: Path) -> None:
    group = {"resource": "secrets", "stale": 2, "undecided": 0, "staleUnknown": 0, "unreadable": 0}
    examples = [{"etcdKey": "/registry/secrets/a/s01"}, {"etcdKey": "/registry/secrets/b/s02"}]
    report = {"judged": True, "groups": [group], "findings": [{"code": "stale", "resource": "secrets", "examples": examples}]}
    with FakeApi(NAMES) as fake:
        journal = rewrite(fake, tmp_path, choice=choose(report, [SECRETS]))
    assert set(fake.patched) == {"a/s01", "b/s02"}
    assert journal.resources["secrets"].skipped == 28
    # Names that are not all there, or a value that nobody judged, leave nothing out.
    assert choose({**report, "groups": [{**group, "stale": 3}]}, [SECRETS]) == Choice()
    assert choose({**report, "groups": [{**group, "undecided": 1}]}, [SECRETS]) == Choice()
    assert choose({**report, "judged": False}, [SECRETS]) == Choice()
    assert choose({**report, "groups": [{**group, "stale": 0}], "findings": []}, [SECRETS]) == Choice(frozenset({"secrets"}))


@pytest.mark.parametrize("version,fields", [("v1alpha1", {"group", "resource", "version"}), ("v1beta1", {"group", "resource"}), ("v1", {"group", "resource"})])
def test_migration(tmp_path: Path, version: str, fields: set[str]) -> None:
    with FakeApi([]) as fake:
        api = Api(kubeconfig.load(str(fake.kubeconfig(tmp_path))))
        assert served(api) is None
        fake.objects["/apis/storagemigration.k8s.io"] = {"versions": [{"version": version}, {"version": "v0"}]}
        assert served(api) == version
        said: list[str] = []
        states = iter([
            {},
            {"conditions": [{"type": "Running", "status": "True", "message": "3 of 9"}]},
            {"conditions": [{"type": "Running", "status": "False"}, {"type": "Succeeded", "status": "True"}]},
        ])
        one = Migration(api, version, SECRETS, "rewrite-1", sleep=lambda _: fake.objects.update({f"{one.path}/rewrite-1": {"status": next(states)}}))
        fake.objects[f"{one.path}/rewrite-1"] = {}
        one.create()
        one.follow(said.append)
        api.close()
    assert fake.posted[0]["apiVersion"] == f"storagemigration.k8s.io/{version}"
    assert set(fake.posted[0]["spec"]["resource"]) == fields
    assert said == ["3 of 9"]


@pytest.mark.parametrize("state,told", [({"conditions": [{"type": "Failed", "status": "True", "message": "a webhook refused"}]}, "a webhook refused"), ({}, "nobody works on")])
def test_migration_that_fails(tmp_path: Path, state: dict[str, object], told: str) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with FakeApi([]) as fake:
        api = Api(kubeconfig.load(str(fake.kubeconfig(tmp_path))))
        one = Migration(api, "v1", SECRETS, "rewrite-1", clock=lambda: now[0], sleep=sleep)
        fake.objects[f"{one.path}/rewrite-1"] = {"status": state}
        with pytest.raises(MigrationFailed, match=told):
            one.follow(lambda _: None)
        api.close()


def test_pace_slows_down_and_comes_back() -> None:
    pace = Pace(0, 8, 0)
    for _ in range(200):
        pace.answered(0.01)
    assert pace.at_once == 8
    for _ in range(30):
        pace.answered(5.0)
    assert pace.at_once < 8 and pace.slowed
    lowest = pace.at_once
    for _ in range(300):
        pace.answered(0.01)
    assert pace.at_once > lowest
    pace.pushed_back(0.0)
    assert pace.slowed >= 2


def test_pace_keeps_the_rate() -> None:
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(4, 8, 0, clock=lambda: now[0], sleep=sleep)
    for _ in range(9):
        with pace:
            pass
    assert now[0] == pytest.approx(102.0)


def test_journal(tmp_path: Path) -> None:
    from k8senc import UsageError

    file = tmp_path / "journal"
    with Journal(file, HEADER) as journal:
        assert file.stat().st_mode & 0o777 == 0o600
        with pytest.raises(UsageError, match="in use"):
            Journal(file, HEADER)
        journal.progress("secrets").rewritten, journal.progress("secrets").cursor = 5, "a/s05"
        journal.note("secrets")
        journal.progress("secrets").rewritten, journal.progress("secrets").cursor = 9, "a/s09"
        journal.note("secrets")
    # Killed at any byte of its last line, it is as it was before that line.
    whole = file.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(whole)):
        file.write_bytes(whole[:end])
        with Journal(file, HEADER) as torn:
            assert (torn.resources["secrets"].cursor, torn.resumed) == ("a/s05", True)
    for end in range(whole.find(b"\n") + 1):
        file.write_bytes(whole[:end])
        with Journal(file, HEADER) as empty:
            assert not empty.resources
    with pytest.raises(UsageError, match="server differs"):
        Journal(file, {"server": "another"})
    file.write_text(json.dumps({"precious": 1}) + "\n")
    with pytest.raises(UsageError, match="is no journal"):
        Journal(file, HEADER)
    assert json.loads(file.read_text()) == {"precious": 1}


class Answers:
    """An API server's answers, one a poll; time passes between them."""

    def __init__(self, *answers: dict[str, object] | RemoteError) -> None:
        self.left, self.now = list(answers), 0.0

    def get(self, _path: str) -> dict[str, object]:
        answer = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(answer, RemoteError):
            raise answer
        return {"status": answer}

    def sleep(self, _seconds: float) -> None:
        self.now += 50

    def follow(self) -> list[str]:
        said: list[str] = []
        Migration(self, "v1", SECRETS, "rewrite-1", clock=lambda: self.now, sleep=self.sleep).follow(said.append)  # type: ignore[arg-type]
        return said


RUNNING: dict[str, object] = {"conditions": [{"type": "Running", "status": "True", "message": "at it"}]}
DONE: dict[str, object] = {"conditions": [{"type": "Succeeded", "status": "True"}]}


def test_a_short_silence_of_the_server_ends_no_migration() -> None:
    away = RemoteError("api-unreachable", "connection refused")
    assert Answers(RUNNING, *[{}] * 3, away, Refused(503, "ServiceUnavailable", ""), RUNNING, away, DONE).follow()[0] == "at it"
    with pytest.raises(MigrationFailed, match=r"has not answered for 1\d\d s.*run the same command again"):
        Answers(RUNNING, away).follow()


def test_a_migration_without_an_end_is_spoken_of() -> None:
    said = Answers(*[RUNNING] * 12, DONE).follow()
    assert said[0] == "at it" and len(said) == 4
    assert all("never ends if kube-controller-manager is down" in words and " min" in words for words in said[1:])
