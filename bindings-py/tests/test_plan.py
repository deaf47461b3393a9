"""`k8senc plan` and `k8senc.plan`."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest

import k8senc
from k8senc.plan_table import folded
from tests.test_cli import CONFIG, SNAPSHOT, sentence
from tests.test_cli import k8senc as run_k8senc

KEYS = ["pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=", "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ="]


def file(*keys: tuple[str, int], identity: bool = True) -> str:
    listed = "".join(f"      - name: {name}\n        secret: {KEYS[number]}\n" for name, number in keys)
    last = "  - identity: {}\n" if identity else ""
    return f"apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n{listed}{last}"


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text(file(("key1", 0)))
    return path


def test_a_plan_is_typed() -> None:
    plan = k8senc.plan(file(("key1", 0)), goal="rotate-key", servers=3)
    assert plan.ok and plan.exit_code == 0 and plan.last_way_back == 2
    assert [step.name for step in plan.steps][1:4] == ["add-reader", "promote", "rewrite"]
    added = plan.steps[1]
    assert added.file is not None and added.checked is not None and added.checked.ok and added.back.safe
    assert "+      - name: \"key2\"" in added.file.diff
    assert plan.files.names == ["step-02-add-reader.yaml", "step-03-promote.yaml", "step-09-remove.yaml"]
    assert json.loads(plan.json)["kind"] == "k8senc-plan"


def test_new_keys_are_random_and_shown_nowhere() -> None:
    seen = set()
    for _ in range(3):
        plan = k8senc.plan(file(("key1", 0)), goal="rotate-key", keep_files=True)
        text = plan.files.reveal("step-09-remove.yaml").decode()
        found = re.findall(r'secret: "?([A-Za-z0-9+/]{43}=)', text)
        assert len(found) == 1 and found[0] not in KEYS
        seen.add(found[0])
        assert found[0] not in plan.json and KEYS[0] not in plan.json and found[0] not in repr(plan)
        assert re.search(r"<key key2, fingerprint [0-9a-f]{16}>", plan.json)
        assert k8senc.Config.parse(text)
    assert len(seen) == 3


def test_a_pair_that_fails_is_told() -> None:
    plan = k8senc.plan(file(("key1", 0)), file(("key2", 1)))
    assert not plan.ok and plan.exit_code == 1
    assert plan.direct is not None and "cannot read what was stored before with secretbox key key1" in (plan.direct.counterexample or "")
    assert [step.name for step in plan.steps][-1] == "new-file"
    assert all(step.checked.ok for step in plan.steps if step.checked is not None)
    assert "K8D01" in {hazard.code for hazard in plan.hazards}


def test_counts_decide() -> None:
    old, new = file(("key2", 1), ("key1", 0)), file(("key2", 1))
    done = k8senc.Inventory((("secrets", "secretbox", "key2", None, 1_000_000, 0, 0),))
    assert k8senc.plan(old, new, inventory=done).exit_code == 0
    left = k8senc.Inventory((*done.groups, ("secrets", "secretbox", "key1", None, 1, 0, 0)))
    assert k8senc.plan(old, new, inventory=left).exit_code == 1
    with pytest.raises(k8senc.UsageError, match="rot13"):
        k8senc.plan(old, new, inventory=k8senc.Inventory((("secrets", "rot13", None, None, 1, 0, 0),)))


def test_an_inventory_is_an_audit_report_made_with_keys() -> None:
    config = k8senc.Config.parse(CONFIG.read_bytes())
    counted = k8senc.Inventory.from_report(k8senc.audit(SNAPSHOT, config))
    assert counted == k8senc.Inventory.from_snapshot(SNAPSHOT, CONFIG.read_bytes())
    with pytest.raises(k8senc.UsageError, match="guesses"):
        k8senc.Inventory.from_report(k8senc.audit(SNAPSHOT))
    with pytest.raises(k8senc.UsageError, match="no report"):
        k8senc.Inventory.from_report({"kind": "other"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"goal": "rotate"}, "known are rotate-key"),
        ({"goal": "break-glass"}, "no KMS block"),
        ({"goal": "converge"}, "needs two files"),
        ({"goal": "rotate-key", "new": file(("key1", 0))}, "one file"),
        ({"goal": "rotate-key", "kubernetes": "2.0"}, "not a Kubernetes version"),
        ({"goal": "rotate-key", "resources": ["configmaps"]}, "looked at rules configmaps"),
    ],
)
def test_what_does_not_fit(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(k8senc.UsageError, match=message):
        k8senc.plan(file(("key1", 0)), **arguments)  # type: ignore[arg-type]


def test_files_are_their_owners_alone(one: Path, tmp_path: Path) -> None:
    directory = tmp_path / "plan"
    ran = run_k8senc("plan", one, "--goal", "rotate-key", "--write-to", directory)
    assert ran.returncode == 0, ran.stderr
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    files = sorted(directory.iterdir())
    assert [path.name for path in files] == ["step-02-add-reader.yaml", "step-03-promote.yaml", "step-09-remove.yaml"]
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert run_k8senc("validate", path).returncode == 0
        for secret in re.findall(r'secret: "?([A-Za-z0-9+/]{43}=)', path.read_text()):
            assert secret.encode() not in ran.stdout + ran.stderr
    before = [path.read_bytes() for path in files]
    again = run_k8senc("plan", one, "--goal", "rotate-key", "--write-to", directory)
    assert again.returncode == 2 and "holds a plan already" in sentence(again)
    assert [path.read_bytes() for path in files] == before


def test_half_a_plan_is_not_left(tmp_path: Path) -> None:
    plan = k8senc.plan(file(("key1", 0)), goal="rotate-key")
    directory = tmp_path / "plan"
    directory.mkdir(mode=0o700)
    (directory / "step-09-remove.yaml").write_text("mine")
    with pytest.raises(OSError, match="there already"):
        plan.files.write(directory)
    assert [path.name for path in directory.iterdir()] == ["step-09-remove.yaml"]
    assert (directory / "step-09-remove.yaml").read_text() == "mine"
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chmod(shared, 0o755)
    with pytest.raises(OSError, match="others can read"):
        plan.files.write(shared)
    assert not list(shared.iterdir())


def test_the_table_fits(tmp_path: Path, one: Path) -> None:
    for arguments in (
        [CONFIG, "--goal", "rotate-key", "--snapshot", SNAPSHOT],
        [CONFIG, "--goal", "change-provider=secretbox"],
        [CONFIG, "--goal", "break-glass=cloud-kms", "--reload"],
        [CONFIG, one],
        [CONFIG, one, "--goal", "converge"],
        [one, "none"],
        ["none", one],
    ):
        ran = run_k8senc("plan", *arguments)
        assert ran.returncode in (0, 1), ran.stderr
        text = ran.stdout.decode()
        assert max(map(len, text.splitlines())) <= 100 and "\x1b" not in text and not ran.stderr
        for key in re.findall(r"[A-Za-z0-9+/]{43}=", CONFIG.read_text() + one.read_text()):
            assert key not in text


def test_commands_can_be_pasted_as_they_are_shown() -> None:
    plan = k8senc.plan(CONFIG.read_bytes(), goal="rotate-key", kubernetes="1.30", rewrite_by="parts")
    commands = [command.text for step in plan.steps for command in step.commands]
    commands += [check.command for step in plan.steps for check in step.checks if check.command]
    long = [text for text in commands if max(map(len, text.split("\n"))) > 74 and " #" not in text]
    assert len(long) > 5
    for text in long:
        assert shlex.split(folded(text, 74).replace("\\\n", "")) == shlex.split(text)
        assert subprocess.run(["bash", "-n", "-c", folded(text, 74)], check=False).returncode == 0
        assert "\\\n" in folded(text, 74)


def test_json_and_markdown(one: Path, tmp_path: Path) -> None:
    ran = run_k8senc("plan", one, "--goal", "rotate-key", "--format", "json")
    assert json.loads(ran.stdout)["steps"][1]["name"] == "add-reader"
    odd = tmp_path / "odd.yaml"
    odd.write_text(file(("key1", 0)).replace("key1", '"a|b`*c"'))
    text = run_k8senc("plan", odd, "--goal", "rotate-key", "--format", "markdown").stdout.decode()
    assert text.startswith("# Put a new key in place of the one that writes\n")
    assert text.count("\n## ") == 9 and "```diff\n" in text and "\x1b" not in text


def test_exit_codes(one: Path, tmp_path: Path) -> None:
    two = tmp_path / "two.yaml"
    two.write_text(file(("key2", 1)))
    assert run_k8senc("plan", one, two).returncode == 1
    assert run_k8senc("plan", one, one).returncode == 0
    for arguments, message in (
        ([one], "--goal is needed"),
        ([one, "--goal", "rotate-key", "--snapshot", SNAPSHOT, "--inventory", one], "one of them"),
        ([tmp_path / "absent.yaml", "--goal", "rotate-key"], "cannot be read"),
        ([one, "--goal", "nothing"], "known are rotate-key"),
    ):
        ran = run_k8senc("plan", *arguments)
        assert ran.returncode == 2 and message in sentence(ran)
    ran = run_k8senc("plan", one, "--goal", "rotate-key", "--inventory", one)
    assert ran.returncode == 3 and "no report" in sentence(ran)
    ran = run_k8senc("plan", one, "--goal", "rotate-key", "--snapshot", one)
    assert ran.returncode == 3
    # A file that is refused is a finding of the change, and of a goal a usage error.
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: x")
    ran = run_k8senc("plan", one, broken, "--reload")
    assert ran.returncode == 1 and "K8D17" in ran.stdout.decode()
    assert run_k8senc("plan", broken, "--goal", "rotate-key").returncode == 2


