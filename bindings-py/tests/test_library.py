"""The library's surface: what it takes, what it raises, what it does not show."""

from __future__ import annotations

import inspect as introspection
import re
import threading
from pathlib import Path

import k8senc
import pytest
from k8senc import _native, errors

from tests.vectors import VECTORS, Case, load

PACKAGE = Path(k8senc.__file__).parent
CASES = {(case["suite"], case["id"]): case for case in load("wire")}
SEED = CASES["wire/kmsv2", "spec-example-key"]
CBC = CASES["wire/kmsv1", "cbc-plain-2"]
DEK = bytes(range(32))


class Plugin:
    def __init__(self, dek: bytes = DEK) -> None:
        self.dek, self.asked = dek, 0

    def unwrap(self, request: k8senc.DekRequest) -> bytes:
        self.asked += 1
        return self.dek


def config_of(case: Case) -> k8senc.Config:
    return k8senc.Config.parse((VECTORS / case["config"]).read_bytes())


def test_every_class_names_this_package() -> None:
    classes = [value for module in (k8senc, _native, errors) for value in vars(module).values() if isinstance(value, type) and value.__name__ in (*k8senc.__all__, *_native.__all__)]
    assert len(set(classes)) >= 15
    for found in classes:
        assert found.__module__.startswith("k8senc"), found
    for name in k8senc.__all__:
        assert hasattr(k8senc, name)


def test_no_wire_format_in_python() -> None:
    prefix = "k8s:" + "enc"
    sources = list(PACKAGE.rglob("*.py")) + list(PACKAGE.rglob("*.pyi"))
    assert len(sources) > 5
    for source in sources:
        assert prefix not in source.read_text("utf-8"), source


def test_the_stub_lists_what_there_is() -> None:
    assert sorted(_native.__all__) == sorted(name for name in vars(_native) if not name.startswith("_") or name == "__version__")


def test_errors_have_one_base() -> None:
    for raised in (k8senc.ConfigError, k8senc.StoredValueError, k8senc.SnapshotError, k8senc.UsageError):
        assert issubclass(raised, k8senc.K8sEncError) and raised.__module__ == "k8senc"


def test_staleness_is_unknown_without_a_key_id() -> None:
    opened = config_of(SEED).chain("secrets", kms={"p": Plugin()}).open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])
    assert opened.stale is None and opened.reasons == ()
    assert (opened.provider, opened.key, opened.authenticated) == ("kms-v2", "p", True)


def test_staleness_follows_the_plugin() -> None:
    plugin = Plugin()
    chain = config_of(SEED).chain("secrets", kms={"p": plugin})

    def open_again() -> k8senc.Opened:
        return chain.open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])

    plugin.key_id, plugin.uses_seed = "1", False  # type: ignore[attr-defined]
    assert open_again().stale is False
    plugin.key_id = "2"  # type: ignore[attr-defined]
    assert open_again().reasons == ("key-id",)
    plugin.uses_seed = True  # type: ignore[attr-defined]
    assert open_again().reasons == ("key-id", "source-type")
    plugin.never_healthy = True  # type: ignore[attr-defined]
    with pytest.raises(k8senc.StoredValueError) as caught:
        open_again()
    assert caught.value.code == "kms-never-healthy"
    assert plugin.asked == 1


def test_a_legacy_body_is_not_authenticated() -> None:
    opened = config_of(CBC).chain("secrets", kms={"p": Plugin()}).open(bytes.fromhex(CBC["stored"]), CBC["etcdKey"])
    assert opened.authenticated is False and opened.stale is True and opened.reasons == ("legacy-body",)


def test_a_provider_without_plugin() -> None:
    with pytest.raises(k8senc.StoredValueError) as caught:
        config_of(SEED).chain("secrets").open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])
    assert (caught.value.code, caught.value.upstream) == ("dek-needed", None)
    assert "'p'" in str(caught.value) or '"p"' in str(caught.value)


def test_a_refusal_is_asked_again() -> None:
    class Flaky(Plugin):
        def unwrap(self, request: k8senc.DekRequest) -> bytes:
            if super().unwrap(request) and self.asked == 1:
                raise OSError("try later")
            return self.dek

    plugin = Flaky()
    chain = config_of(SEED).chain("secrets", kms={"p": plugin})
    with pytest.raises(k8senc.StoredValueError) as caught:
        chain.open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])
    assert caught.value.code == "dek-refused" and caught.value.upstream == "failed to decrypt DEK, error: try later"
    assert chain.open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"]).reveal() == b"{}\n"
    assert plugin.asked == 2


def test_an_answer_of_no_bytes_is_a_refusal() -> None:
    class Odd:
        def unwrap(self, request: k8senc.DekRequest) -> bytes:
            return "text"  # type: ignore[return-value]

    with pytest.raises(k8senc.StoredValueError) as caught:
        config_of(SEED).chain("secrets", kms={"p": Odd()}).open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])
    assert caught.value.code == "dek-refused"


def test_an_interrupt_inside_a_plugin_is_no_refusal() -> None:
    class Interrupted:
        def unwrap(self, request: k8senc.DekRequest) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config_of(SEED).chain("secrets", kms={"p": Interrupted()}).open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])


def test_needs_lists_each_question_once() -> None:
    stored = bytes.fromhex(SEED["stored"])
    chain = config_of(SEED).chain("secrets")
    (request,) = chain.needs([stored, stored, b"{}"])
    assert (request.api_version, request.provider, request.key_id, request.annotations) == ("v2", "p", "1", {})
    assert request.ciphertext.hex() == SEED["kms"]["p"]["answers"][0]["ciphertext"]
    assert {request: 1}[chain.needs([stored])[0]] == 1
    chain.supply(request, DEK)
    assert chain.needs([stored]) == []
    assert chain.open(stored, SEED["etcdKey"]).reveal() == b"{}\n"


def test_objects_do_not_show_secrets() -> None:
    opened = config_of(SEED).chain("secrets", kms={"p": Plugin()}).open(bytes.fromhex(SEED["stored"]), SEED["etcdKey"])
    kek = k8senc.LocalKek({"k": DEK})
    for shown in (repr(opened), str(opened), repr(kek), repr(config_of(SEED))):
        assert "{}" not in shown and "\\x00" not in shown and not re.search("00010203", shown)


def test_a_configuration_that_is_refused() -> None:
    with pytest.raises(k8senc.ConfigError) as caught:
        k8senc.Config.parse("kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources: [{resources: [secrets], providers: [{aescbc: {keys: [{name: a, secret: QUJD}]}}]}]\n")
    error = caught.value
    assert error.code == "key-secret-length" and error.upstream and error.verdict is not None and not error.verdict
    assert error.verdict.errors[0].line == 3
    assert "QUJD" not in str(error)


def test_validate_asks_a_release() -> None:
    text = (VECTORS / "configs" / "kmsv1.yaml").read_text()
    assert k8senc.validate(text, version="1.28").ok
    assert not k8senc.validate(text).ok
    assert k8senc.validate(text, kmsv1=True).ok
    with pytest.raises(k8senc.UsageError, match="1.x"):
        k8senc.validate(text, version="1.x")


def test_inspect() -> None:
    found = k8senc.inspect(bytes.fromhex(SEED["stored"]))
    assert (found.provider, found.name, found.name_is_exact, found.key_id, found.source_type) == ("kms-v2", "p", True, "1", "key")
    assert found.annotations == {} and found.problem is None
    assert found.encrypted_dek is not None and found.encrypted_dek.hex() == SEED["kms"]["p"]["answers"][0]["ciphertext"]
    assert k8senc.inspect(b"").provider == "empty"
    assert k8senc.inspect(b"{}").provider == "identity"


def test_inspect_agrees_with_every_recorded_value() -> None:
    for case in CASES.values():
        k8senc.inspect(bytes.fromhex(case["stored"]))


def test_threads_share_a_chain() -> None:
    plugin = Plugin()
    chain = config_of(SEED).chain("secrets", kms={"p": plugin})
    stored, found = bytes.fromhex(SEED["stored"]), []

    def work() -> None:
        found.extend(chain.open(stored, SEED["etcdKey"]).reveal() for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == [b"{}\n"] * 800


def test_signatures_say_what_the_documentation_says() -> None:
    assert list(introspection.signature(k8senc.audit).parameters)[:3] == ["path", "config", "kms"]
