"""Every configuration case: the verdict, its text, and the providers it gives."""

from __future__ import annotations

import k8senc
import pytest

from tests.vectors import Case, load, name_of

CASES = load("config")


def text_of(case: Case) -> bytes:
    return bytes.fromhex(case["textHex"]) if "textHex" in case else case["text"].encode()


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_config(case: Case) -> None:
    expect = case["expect"]
    verdict = k8senc.validate(text_of(case), reload=case["reload"], kmsv1=case["kmsv1"], path="<PATH>")
    assert verdict.ok is expect["ok"], case["why"]
    assert bool(verdict) is verdict.ok
    if verdict.ok:
        assert verdict.upstream is None and verdict.errors == ()
        return
    assert verdict.stage == expect["stage"], case["why"]
    assert verdict.errors
    if expect["stage"] == "panic":
        assert verdict.upstream is None
        return
    assert verdict.upstream is not None
    if verdict.redacted:
        return
    if expect["compare"] == "exact":
        assert verdict.upstream == expect["upstream"], case["why"]
    elif expect["compare"] == "scheme-name":
        before = expect["upstream"].partition(" in scheme ")[0]
        assert verdict.upstream.partition(" in scheme ")[0] == before
    else:
        assert expect["compare"] == "go-yaml"
        assert verdict.upstream.startswith(expect["upstream"].partition("yaml: ")[0])


@pytest.mark.parametrize("case", [case for case in CASES if case["expect"]["ok"]], ids=name_of)
def test_what_loads_parses(case: Case) -> None:
    config = k8senc.Config.parse(text_of(case))
    assert config.content_hash == case["expect"]["contentHash"]
