"""Every writing case that was recorded from kube-apiserver's own code, under the random bytes that it drew."""

from __future__ import annotations

import k8senc
import pytest
from k8senc import _native

from tests.test_vectors_wire import config_of, same_text
from tests.vectors import Case, load, name_of

CASES = load("write")
KNOWN = {"id", "why", "config", "resource", "etcdKey", "etcdKeyHex", "plaintext", "random", "kms", "expect", "suite"}
# Random bytes in the caller's hands are no part of the package's face, so the stubs are silent on them.
seal_with_random = getattr(_native, "_seal_with_random")
key_form = getattr(_native, "_key_form")


def state_of(told: Case) -> k8senc.KmsState | None:
    assert not told.keys() - {"apiVersion", "seed", "dek", "encryptedDek", "keyId", "annotations", "counter", "neverHealthy"}
    if told["apiVersion"] == "v1" or told.get("neverHealthy"):
        return None
    annotations = {name: bytes.fromhex(value) for name, value in told.get("annotations", {}).items()}
    sealed = k8senc.Sealed(bytes.fromhex(told["encryptedDek"]), told["keyId"], annotations)
    if "seed" in told:
        return k8senc.KmsState(bytes.fromhex(told["seed"]), sealed)
    state: k8senc.KmsState = key_form(bytes.fromhex(told["dek"]), told["counter"], sealed)
    return state


def writer(case: Case) -> str | None:
    """Name of the KMS provider that writes, by what it wrote or would have."""
    config = config_of(case["config"])
    names = [name for name, _ in config.kms_providers if name in case.get("kms", {})]
    return names[0] if names else None


def seal(case: Case) -> bytes:
    assert not case.keys() - KNOWN
    chain = config_of(case["config"]).chain(case["resource"])
    etcd_key = bytes.fromhex(case["etcdKeyHex"]) if "etcdKeyHex" in case else case["etcdKey"]
    told = case["kms"][writer(case)] if case.get("kms") else {}
    encrypted_dek = bytes.fromhex(told["encryptedDek"]) if told.get("apiVersion") == "v1" else None
    state = state_of(told) if told else None
    random, plaintext = bytes.fromhex(case["random"]), bytes.fromhex(case["plaintext"])
    sealed: bytes = seal_with_random(chain, plaintext, etcd_key, random, encrypted_dek=encrypted_dek, state=state)
    return sealed


def check(case: Case) -> None:
    expect = case["expect"]
    try:
        sealed = seal(case)
    except k8senc.StoredValueError as error:
        result, _, code = expect["result"].partition(":")
        assert result in ("refused", "upstream-panics") and error.code == code, f"{error.code}: {error}"
        assert error.upstream is None or same_text(error.upstream, expect), error.upstream
    else:
        assert expect["result"] == "sealed"
        if expect["compare"] == "exact":
            assert sealed.hex() == expect["stored"]
        else:
            # Two annotations or more: Go writes them in random order, so what is said is compared.
            ours, theirs = k8senc.inspect(sealed), k8senc.inspect(bytes.fromhex(expect["stored"]))
            assert len(sealed) * 2 == len(expect["stored"])
            assert (ours.annotations, ours.encrypted_dek, ours.key_id) == (theirs.annotations, theirs.encrypted_dek, theirs.key_id)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_write(case: Case) -> None:
    try:
        check(case)
    except AssertionError as error:
        raise AssertionError(f"{case['why']}: {error}") from error
