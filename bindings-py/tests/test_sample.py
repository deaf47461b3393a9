"""The report on the shipped snapshot against what its maker wrote down while filling it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import k8senc
import pytest
from k8senc.kms import local_kek

from tests.vectors import SAMPLE, Case

# The words of the expectations, which are the maker's, in those of the report.
PROVIDERS = {"kmsv1": "kms-v1", "kmsv2": "kms-v2"}
REASONS = {"kmsv1-cbc-body": "legacy-body"}


@pytest.fixture(scope="module")
def expected() -> Case:
    found: Case = json.loads((SAMPLE / "expected.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def kms() -> dict[str, k8senc.Kms]:
    text = (SAMPLE / "local-kek.json").read_bytes()
    return {name: local_kek(text, name) for name in ("cloud-kms", "legacy-kms")}


@pytest.fixture(scope="module")
def config() -> k8senc.Config:
    return k8senc.Config.parse((SAMPLE / "encryption-config.yaml").read_bytes())


@pytest.fixture(scope="module")
def report(config: k8senc.Config, kms: dict[str, k8senc.Kms]) -> Case:
    return k8senc.audit(SAMPLE / "snapshot.db", config, kms, examples=1000)


def test_groups(report: Case, expected: Case) -> None:
    def key(provider: str, group: Case) -> tuple[Any, ...]:
        # With one plugin the expectations name the key_id, with KMS v1 there is none.
        return group["resource"], provider, group.get("key"), group.get("keyId"), group.get("form")

    found = {
        key(group["provider"], group): (
            group["live"],
            group["stale"],
            group["staleWhy"],
            group["unreadable"],
            group["history"],
            group["historyUnreadable"],
        )
        for group in report["groups"]
    }
    wanted = {
        key(PROVIDERS.get(group["provider"], group["provider"]), group): (
            group["live"],
            group["stale"],
            {REASONS.get(reason, reason): count for reason, count in group.get("staleWhy", {}).items()},
            group["unreadable"],
            group["history"],
            group["historyUnreadable"],
        )
        for group in expected["groups"]
    }
    assert found == wanted
    assert len(found) == len(report["groups"])


def test_resources(report: Case, expected: Case) -> None:
    names = {
        "covered": "covered",
        "live": "live",
        "livePlaintext": "plaintext",
        "liveStale": "stale",
        "liveUnreadable": "unreadable",
        "history": "history",
        "historyPlaintext": "historyPlaintext",
        "historyUnreadable": "historyUnreadable",
        "deletedKeys": "deletedKeys",
    }
    found = {resource["resource"]: {theirs: resource[ours] for theirs, ours in names.items()} for resource in report["resources"]}
    assert found == expected["resources"]


def test_snapshot(report: Case, expected: Case) -> None:
    snapshot = report["snapshot"]
    same = ("bytes", "revision", "compactRevision", "liveKeys", "rows", "tombstones", "deletedKeys")
    assert {name: snapshot[name] for name in same} == {name: expected["snapshot"][name] for name in same}
    assert snapshot["sha256"] == {"status": "match", "computed": expected["snapshot"]["sha256"], "stored": expected["snapshot"]["sha256"]}


def test_deks(report: Case, expected: Case) -> None:
    assert {dek["provider"]: {"live": dek["live"], "all": dek["all"]} for dek in report["deks"]} == expected["distinctDeks"]


def test_names(report: Case, expected: Case) -> None:
    findings = report["findings"]
    exposed = [example["etcdKey"] for finding in findings if finding["code"] == "exposed-plaintext" for example in finding["examples"]]
    assert sorted(exposed) == expected["livePlaintextSecrets"]
    unreadable = Counter(
        (example["etcdKey"], example["revision"], why["code"], why["upstream"] or "")
        for group in report["groups"]
        for why in group["unreadableWhy"]
        for example in why["examples"]
    )
    assert unreadable == Counter((row["etcdKey"], row["revision"], row["code"], row["upstream"]) for row in expected["unreadable"])
    assert [example["etcdKey"] for example in report["otherKeys"]["examples"]] == expected["otherKeys"]


def test_without_configuration_nothing_is_judged(expected: Case) -> None:
    report = k8senc.audit(SAMPLE / "snapshot.db")
    assert report["judged"] is False
    live = {resource["resource"]: resource["live"] for resource in report["resources"]}
    assert live == {name: resource["live"] for name, resource in expected["resources"].items()}
    assert report["totals"]["stale"] == report["totals"]["unreadable"] == 0
    assert report["totals"]["plaintext"] == sum(resource["livePlaintext"] for resource in expected["resources"].values())


def test_kms_calls_are_capped(config: k8senc.Config, kms: dict[str, k8senc.Kms]) -> None:
    with pytest.raises(k8senc.UsageError) as caught:
        k8senc.audit(SAMPLE / "snapshot.db", config, kms, max_kms_calls=10)
    assert caught.value.code == "kms-calls"


def test_a_kms_that_refuses(config: k8senc.Config, kms: dict[str, k8senc.Kms]) -> None:
    class Down:
        remote = False

        def unwrap(self, request: k8senc.DekRequest) -> bytes:
            raise OSError("plugin is down")

    report = k8senc.audit(SAMPLE / "snapshot.db", config, {"cloud-kms": Down(), "legacy-kms": kms["legacy-kms"]})
    cloud = [group for group in report["groups"] if group["key"] == "cloud-kms"]
    assert cloud
    for group in cloud:
        assert group["unreadable"] == group["live"]
        assert {why["code"] for why in group["unreadableWhy"]} == {"dek-refused"}
        assert all(why["upstream"].endswith("plugin is down") for why in group["unreadableWhy"])


def test_without_kms_nothing_is_guessed(config: k8senc.Config) -> None:
    report = k8senc.audit(SAMPLE / "snapshot.db", config)
    kms_live = sum(group["live"] for group in report["groups"] if group["provider"].startswith("kms"))
    assert report["totals"]["undecided"] == kms_live > 0
