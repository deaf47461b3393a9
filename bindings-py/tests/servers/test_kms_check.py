"""`k8senc kms check` against plugins that keep the contract and plugins that break it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import k8senc
import pytest
from k8senc import kms_check
from k8senc._native import KmsProbe
from k8senc.kms_client import PluginClient, Refusal, Status

from tests import plugin as plugins

# What each bad plugin breaks: rule, outcome and a piece of what is said.
BROKEN = [
    (plugins.Sick, "K8P02", "fail", "healthz 'sick'"),
    (plugins.Sick, "K8P04", "fail", "kmsv2 Provider plugin is not healthy, error: got unexpected healthz status: sick"),
    (plugins.WrongVersion, "K8P04", "fail", "expected KMSv2 API version v2, got v1"),
    (plugins.NoKeyId, "K8P02", "fail", 'got invalid KMSv2 KeyID hash "": keyID is empty'),
    (plugins.NoKeyId, "K8P03", "fail", "keyID is empty"),
    (plugins.LongKeyId, "K8P02", "fail", "keyID is 1025 bytes, which exceeds the max size of 1024"),
    (plugins.OtherKeyId, "K8P03", "fail", "another key_id than Status"),
    (plugins.OtherKeyId, "K8P04", "fail", "failed to rotate DEK"),
    (plugins.BadAnnotation, "K8P03", "fail", "should be a domain with at least two segments separated by dots"),
    (plugins.LongCiphertext, "K8P03", "fail", "is 1025 bytes, which exceeds the max size of 1024"),
    (plugins.LongCiphertext, "K8P05", "untested", "Encrypt gave nothing"),
    (plugins.OtherPlaintext, "K8P05", "fail", "other bytes"),
    (plugins.OtherPlaintext, "K8P13", "fail", "20 of 20 calls failed"),
    (plugins.Plain, "K8P06", "fail", "contains the seed"),
    (plugins.Malleable, "K8P07", "fail", "at byte"),
    (plugins.Malleable, "K8P08", "fail", "random input of 1024, 65536 bytes"),
    (plugins.Credulous, "K8P09", "warn", "not looked at"),
    (plugins.Credulous, "K8P10", "warn", "not needed"),
    (plugins.Flapping, "K8P11", "fail", "2 different key_ids"),
    (plugins.Slow, "K8P12", "warn", "median 3"),
    (plugins.Overwhelmed, "K8P13", "fail", "too many calls"),
    (plugins.Exhausted, "K8P15", "fail", "calls that gave up"),
]


def checked(plugin: plugins.Plugin, folder: Path) -> kms_check.Report:
    with plugins.served(plugin, folder / "kms.sock") as endpoint:
        return kms_check.check(endpoint, requests=20, concurrency=8)


def test_a_good_plugin(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    report = checked(plugins.Plugin(), tmp_path)
    assert {one.rule: one.outcome for one in report.checks} == {rule: "untested" if rule == "K8P16" else "pass" for rule in kms_check.RULES}
    assert report.key_id == "kek-1" and not report.failed
    assert report.latency["Decrypt"]["calls"] >= 20


@pytest.mark.parametrize(("kind", "rule", "outcome", "said"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_bad_plugin(kind: type[plugins.Plugin], rule: str, outcome: str, said: str, tmp_path: Path) -> None:
    (found,) = [one for one in checked(kind(), tmp_path).checks if one.rule == rule]
    assert (found.outcome, said in found.found) == (outcome, True), found


def test_every_rule_can_be_missed() -> None:
    elsewhere = {"K8P01", "K8P14", "K8P16"}  # the tests below
    assert {rule for _, rule, _, _ in BROKEN} | elsewhere == set(kms_check.RULES)


def test_who_may_reach_the_socket(tmp_path: Path) -> None:
    with plugins.served(plugins.Plugin(), tmp_path / "kms.sock") as endpoint:
        for socket, folder, outcome in ((0o666, 0o755, "fail"), (0o666, 0o700, "pass"), (0o600, 0o777, "fail"), (0o600, 0o755, "pass")):
            (tmp_path / "kms.sock").chmod(socket)
            tmp_path.chmod(folder)
            assert kms_check.check(endpoint, requests=0).checks[0].outcome == outcome, (socket, folder)


def test_a_plugin_that_refuses_the_old_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """grpcio's server does not show the authority; that of Rust's h2 ends the connection."""

    class Picky(PluginClient):
        def __init__(self, endpoint: str, *, timeout: float = 3, authority: str = "localhost") -> None:
            super().__init__(endpoint, timeout=timeout, authority=authority)
            self.authority = authority

        def status(self, *, timeout: float | None = None) -> Status:
            if self.authority != "localhost":
                assert self.authority == f"{tmp_path}/kms.sock".replace("/", "%2F")
                raise Refusal("Internal", "stream terminated by RST_STREAM with error code: PROTOCOL_ERROR")
            return super().status(timeout=timeout)

    monkeypatch.setattr(kms_check, "PluginClient", Picky)
    (found,) = [one for one in checked(plugins.Plugin(), tmp_path).checks if one.rule == "K8P14"]
    assert found.outcome == "warn" and "PROTOCOL_ERROR" in found.found


def test_a_plugin_that_is_gone_is_not_said_to_refuse_the_old_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(PluginClient):
        def __init__(self, endpoint: str, *, timeout: float = 3, authority: str = "localhost") -> None:
            super().__init__(endpoint, timeout=timeout, authority=authority)
            if authority != "localhost":
                Path(endpoint.removeprefix("unix://")).unlink()
                running.__exit__(None, None, None)

    monkeypatch.setattr(kms_check, "PluginClient", Gone)
    running = plugins.served(plugins.Plugin(), tmp_path / "kms.sock")
    endpoint = running.__enter__()
    (found,) = [one for one in kms_check.check(endpoint, requests=5, concurrency=2).checks if one.rule == "K8P14"]
    assert found.outcome == "fail" and "does not answer" in found.found


def test_a_restart(tmp_path: Path) -> None:
    """The plugin is really stopped and started again, once with its KEK and once with another."""
    for keeps, outcome in ((True, "pass"), (False, "fail")):
        first = plugins.Plugin()
        running = plugins.served(first, tmp_path / "kms.sock")
        endpoint = running.__enter__()
        later = []

        def restart(old=running, keeps=keeps, first=first, later=later) -> None:  # type: ignore[no-untyped-def]
            old.__exit__(None, None, None)
            again = plugins.served(first if keeps else plugins.Plugin(), tmp_path / "kms.sock")
            again.__enter__()
            later.append(again)

        try:
            report = kms_check.check(endpoint, requests=0, restart=restart)
        finally:
            for one in later:
                one.__exit__(None, None, None)
        assert report.checks[-1].rule == "K8P16" and report.checks[-1].outcome == outcome, report.checks[-1]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "from k8senc.cli import run; run()", "kms", "check", *arguments], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)


def test_the_command(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with plugins.served(plugins.Plugin(), tmp_path / "kms.sock") as endpoint:
        shown = command(endpoint, "--requests=20")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert shown.stdout.splitlines()[-1] == "15 passed, 0 failed, 1 not tested"
        told = json.loads(command(endpoint, "--requests=20", "--format=json").stdout)
    assert (told["kind"], told["keyId"], told["summary"]["pass"]) == ("k8senc-kms-check", "kek-1", 15)
    assert all(one["title"] for one in told["checks"])


def test_the_command_says_what_is_broken(tmp_path: Path) -> None:
    with plugins.served(plugins.Plain(), tmp_path / "kms.sock") as endpoint:
        shown = command(endpoint, "--requests=0")
    assert shown.returncode == 1 and "the ciphertext contains the seed" in shown.stdout


def test_nobody_there(tmp_path: Path) -> None:
    shown = command(f"unix://{tmp_path}/none.sock")
    assert (shown.returncode, shown.stdout) == (5, "") and "does not answer" in shown.stderr


def test_a_wrong_endpoint() -> None:
    shown = command("localhost:8080")
    assert shown.returncode == 2 and "unix:///path" in shown.stderr


def test_the_probe_refuses_nonsense() -> None:
    probe = KmsProbe("plugin")
    assert probe.poll(0.0) == ("status", None) and probe.poll(0.0) == ("pending", None)
    with pytest.raises(k8senc.UsageError, match="either an answer or"):
        probe.status_answered(0.0)
    with pytest.raises(k8senc.UsageError, match="seed has 32 bytes"):
        probe.encrypt_answered(0.0, b"short", "uid", failure="no")
    with pytest.raises(k8senc.UsageError, match="not negative"):
        probe.health(-1.0)
