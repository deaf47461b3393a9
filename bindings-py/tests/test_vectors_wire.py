"""Every reading case that was recorded from kube-apiserver's own code."""

from __future__ import annotations

from functools import cache
from typing import Any

import k8senc
import pytest

from tests.vectors import VECTORS, Case, load, name_of

CASES = load("wire")
KNOWN = {"id", "why", "config", "resource", "etcdKey", "etcdKeyHex", "stored", "kms", "expect", "suite"}
EXPECTED = {"result", "plaintext", "stale", "upstream", "compare", "upstreamPrefix", "upstreamParts"}


class Recorded:
    """A plugin that answers what the real one was recorded to answer."""

    def __init__(self, name: str, told: Case) -> None:
        assert not told.keys() - {"apiVersion", "status", "answers"}
        self.name, self.told = name, told
        self.answers: list[tuple[Case, Case]] = []
        for answer in told["answers"]:
            assert not answer.keys() - {"ciphertext", "keyId", "annotations", "dek", "error"}
            said = {name: answer[name] for name in ("dek", "error") if name in answer}
            self.answers.append(({name: value for name, value in answer.items() if name not in said}, said))
        self.asked: list[Case] = []
        status = told.get("status")
        self.key_id = status["keyId"] if status else None
        self.uses_seed = status["usesSeed"] if status else True
        self.never_healthy = told["apiVersion"] == "v2" and status is None

    def unwrap(self, request: k8senc.DekRequest) -> bytes:
        assert request.provider == self.name and request.api_version == self.told["apiVersion"]
        found: dict[str, Any] = {"ciphertext": request.ciphertext.hex()}
        if request.key_id:
            found["keyId"] = request.key_id
        if request.annotations:
            found["annotations"] = {name: value.hex() for name, value in request.annotations.items()}
        for question, said in self.answers:
            if question == found:
                self.asked.append(question)
                if "error" in said:
                    raise RuntimeError(said["error"])
                return bytes.fromhex(said["dek"])
        raise AssertionError(f"a call that the recorded run did not make: {found}")


@cache
def config_of(name: str) -> k8senc.Config:
    return k8senc.Config.parse((VECTORS / name).read_bytes())


def same_text(found: str | None, expect: Case) -> bool:
    if expect["compare"] == "exact":
        return found == expect["upstream"]
    if expect["compare"] == "proto-space":
        return found is not None and found.replace("\u00a0", " ") == expect["upstream"].replace("\u00a0", " ")
    assert expect["compare"] == "map-order"
    prefix = expect["upstreamPrefix"]
    return found is not None and found.startswith(prefix) and all(part in found for part in expect["upstreamParts"])


def check(case: Case) -> None:
    assert not case.keys() - KNOWN and not case["expect"].keys() - EXPECTED
    expect = case["expect"]
    plugins = {name: Recorded(name, told) for name, told in case.get("kms", {}).items()}
    chain = config_of(case["config"]).chain(case["resource"], kms=plugins)
    etcd_key = bytes.fromhex(case["etcdKeyHex"]) if "etcdKeyHex" in case else case["etcdKey"]
    try:
        opened = chain.open(bytes.fromhex(case["stored"]), etcd_key)
    except k8senc.StoredValueError as error:
        result, _, code = expect["result"].partition(":")
        assert result in ("refused", "upstream-panics") and error.code == code, f"{error.code}: {error}"
        if result == "upstream-panics":
            assert error.upstream is None
        else:
            assert same_text(error.upstream, expect), error.upstream
    else:
        assert expect["result"] == "opened"
        assert opened.reveal().hex() == expect["plaintext"]
        assert opened.stale is expect["stale"]
        assert bool(opened.reasons) is expect["stale"]
    for plugin in plugins.values():
        # kube-apiserver may ask the same twice; a set of questions is what counts.
        assert all(question in plugin.asked for question, _ in plugin.answers)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_wire(case: Case) -> None:
    try:
        check(case)
    except AssertionError as error:
        raise AssertionError(f"{case['why']}: {error}") from error
