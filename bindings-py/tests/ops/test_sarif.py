"""SARIF of `audit` and `lint` against the schema of its makers, which a package of theirs carries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.test_cli import CONFIG, KEKS, SNAPSHOT, k8senc
from tests.vectors import ROOT

PACKAGE = Path(__file__).parent / "sarif" / "node_modules" / "@microsoft" / "jest-sarif"
KMS = [f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]
FILES = ROOT / "etcd-store" / "tests" / "data"


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads((PACKAGE / "lib" / "schemas" / "sarif-2.1.0-rtm.5.json").read_bytes())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def complaints(validator: Any, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


def test_the_schema_refuses_what_is_wrong(validator: Any) -> None:
    good = json.loads(k8senc("audit", SNAPSHOT, "--format", "sarif").stdout)
    for break_it in (
        lambda log: log.pop("version"),
        lambda log: log["runs"][0].update(tool={}),
        lambda log: log["runs"][0]["results"][0].update(level="fatal"),
        lambda log: log["runs"][0]["results"][0].update(message="text"),
        lambda log: log["runs"][0].update(ourOwn=1),
    ):
        bad = json.loads(json.dumps(good))
        break_it(bad)
        assert complaints(validator, bad)


@pytest.mark.parametrize("options", [
    [SNAPSHOT],
    [SNAPSHOT, "--config", CONFIG],
    [SNAPSHOT, "--config", CONFIG, *KMS, "--examples", "1000"],
    [SNAPSHOT, "--config", CONFIG, *KMS, "--redact-names", "--require", "secrets=kms-v2"],
    [FILES / "residue.snap"],
    [FILES / "fresh.snap"],
], ids=["unjudged", "judged", "asked", "redacted", "residue", "clean"])
def test_audit(validator: Any, options: list[str | Path]) -> None:
    run = k8senc("audit", *map(str, options), "--format", "sarif")
    assert run.returncode in (0, 1, 4), run.stderr
    log = json.loads(run.stdout)
    assert complaints(validator, log) == []
    assert len(log["runs"]) == 1


def test_lint(validator: Any, tmp_path: Path) -> None:
    hostile = tmp_path / 'a "b" \u001b[31m%0A c.yaml'
    hostile.write_text("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n  - aescbc: {keys: [{name: k, secret: AAECAwQFBgcICQoLDA0ODw==}]}\n")
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: EncryptionConfiguration\nresources: [\n")
    for files in ([hostile], [broken], [hostile, broken], [CONFIG]):
        run = k8senc("lint", *map(str, files), "--format", "sarif")
        log = json.loads(run.stdout)
        assert complaints(validator, log) == [], files
    assert log["runs"][0]["tool"]["driver"]["name"] == "k8senc"
