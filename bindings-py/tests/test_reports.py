"""Reports of `k8senc audit` in every form, as independent readers take them, and `k8senc drill`."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.test_cli import CONFIG, JUDGED, KEKS, SNAPSHOT, k8senc, sentence
from tests.vectors import ROOT

FORMATS = ("json", "jsonl", "sarif", "csv", "csv-findings", "markdown", "html", "prometheus")
KMS = [f"--kms=cloud-kms={KEKS}", f"--kms=legacy-kms={KEKS}"]
FRESH = ROOT / "etcd-store" / "tests" / "data" / "fresh.snap"
RESIDUE = ROOT / "etcd-store" / "tests" / "data" / "residue.snap"
RESTARTS = ROOT / "audit" / "tests" / "data" / "restarts.snap"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("reports")
    run = k8senc(*JUDGED, "--examples", "1000", *(f"--report={name}={folder / name}" for name in FORMATS))
    assert run.returncode == 1
    assert run.stdout.decode().startswith("✗ of 1,999 live objects")
    assert sorted(file.name for file in folder.iterdir()) == sorted(FORMATS)
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in folder.iterdir())
    return {name: (folder / name).read_bytes().decode() for name in FORMATS}


def test_stdout_and_file_say_the_same(written: dict[str, str]) -> None:
    for name in FORMATS:
        assert k8senc(*JUDGED, "--examples", "1000", "--format", name).stdout.decode() == written[name], name


def test_html_is_text_and_pictures_only(written: dict[str, str]) -> None:
    tags: set[str] = set()
    attributes: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.add(tag)
            attributes.update(name for name, _ in attrs)

    Reader().feed(written["html"])
    assert tags <= set("html head meta title style body header main footer section p h1 h2 div b span strong table tr th td details summary ul li code svg rect".split())
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"style", "src", "href"}
    style = re.search(r"<style>(.*?)</style>", written["html"], re.S)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in written["html"]
    assert "<script" not in written["html"]


def test_csv_is_read_by_a_csv_reader_and_holds_no_formula(written: dict[str, str]) -> None:
    report = json.loads(written["json"])
    rows = list(csv.DictReader(io.StringIO(written["csv"], newline="")))
    assert [(row["resource"], int(row["live"])) for row in rows] == [(group["resource"], group["live"]) for group in report["groups"]]
    rows = list(csv.DictReader(io.StringIO(written["csv-findings"], newline="")))
    assert [int(row["count"]) for row in rows] == [finding["count"] for finding in report["findings"]]
    assert not any(cell.lstrip()[:1] in ("=", "+", "-", "@") for row in rows for cell in row.values() if cell)


def test_sarif_and_lines_are_json(written: dict[str, str]) -> None:
    report = json.loads(written["json"])
    results = json.loads(written["sarif"])["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == [finding["code"] for finding in report["findings"]]
    lines = [json.loads(line) for line in written["jsonl"].splitlines()]
    assert [line["code"] for line in lines if line["kind"] == "finding"] == [finding["code"] for finding in report["findings"]]


def test_metrics_are_numbers_of_the_report(written: dict[str, str]) -> None:
    line = re.compile(r'([a-z0-9_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (\d+)')
    metrics = {}
    for text in written["prometheus"].splitlines():
        if not text.startswith("#"):
            matched = line.fullmatch(text)
            assert matched, text
            metrics[matched[1], matched[2]] = int(matched[3])
    totals = json.loads(written["json"])["totals"]
    exposed = [value for (name, labels), value in metrics.items() if name == "k8senc_objects" and 'state="exposed"' in labels]
    assert sum(exposed) == totals["exposed"]
    assert metrics["k8senc_audit_exit_code", 'file="snapshot.db"'] == 1


def test_redacted_reports_hold_no_name() -> None:
    for name in FORMATS:
        text = k8senc(*JUDGED, "--redact-names", "--format", name).stdout.decode()
        assert "app-0004" not in text and "payments" not in text, name


def test_a_report_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    for spec in ("html", "pdf=x", "html=", f"html={tmp_path}/none/x"):
        run = k8senc("audit", SNAPSHOT, "--report", spec)
        assert run.returncode == 2
        assert "--report" in sentence(run)


def test_requirements_and_severities_decide_the_exit_code(tmp_path: Path) -> None:
    assert k8senc("audit", FRESH, "--require", "secrets=rot13").returncode == 2
    plain = k8senc("audit", FRESH, "--format", "json")
    report = json.loads(plain.stdout)
    assert all(finding["code"] != "required-provider" for finding in report["findings"])
    required = json.loads(k8senc("audit", SNAPSHOT, "--require", "secrets=kms", "--format", "json").stdout)
    assert sum(finding["count"] for finding in required["findings"] if finding["code"] == "required-provider") == 100 + 90 + 5 + 53
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes(k8senc(*JUDGED, "--format", "json").stdout)
    assert k8senc(*JUDGED, "--baseline", baseline).returncode == 0
    assert k8senc(*JUDGED, "--baseline", baseline, "--require", "secrets=kms").returncode == 1
    assert k8senc(*JUDGED, "--baseline", CONFIG).returncode == 2
    assert k8senc(*JUDGED, "--baseline", baseline, "--fail-on", "info").returncode == 1


def test_presets_of_benchmarks_say_what_is_proven_and_decide_the_exit_code() -> None:
    met = k8senc("audit", RESTARTS, "--require", "cis-kubernetes", "--require", "cis-kms", "--format", "json")
    said = {finding["message"].split(":")[0]: finding for finding in json.loads(met.stdout)["findings"] if finding["code"] == "policy-preset"}
    assert met.returncode == 0
    assert len(said) == 2
    assert all("met by what is stored, 60 live values" in finding["message"] and "--encryption-provider-config" in finding["advice"] for finding in said.values())
    failed = k8senc("audit", SNAPSHOT, "--require", "cis-kubernetes")
    assert failed.returncode == 1
    assert "not met, 5 of 616 live values" in " ".join(failed.stdout.decode().split())
    unknown = k8senc("audit", RESTARTS, "--require", "cis-openshift")
    assert unknown.returncode == 2
    assert "cis-kubernetes, cis-kms" in sentence(unknown)
    assert "cis-kms" in k8senc("audit", "--help").stdout.decode()


def test_residue_of_a_real_member_is_told_apart() -> None:
    report = json.loads(k8senc("audit", RESIDUE, "--format", "json").stdout)
    classes = {finding["code"]: finding["class"] for finding in report["findings"]}
    assert classes["residue-plaintext"] == "residue"
    assert report["residue"]["exposed"] > 10
    assert f"{report['residue']['exposed']} recoverable in plaintext" in k8senc("audit", RESIDUE).stdout.decode().splitlines()[0]


def test_a_drill_says_whether_the_keys_are_enough(tmp_path: Path) -> None:
    run = k8senc("drill", SNAPSHOT, "-c", CONFIG, *KMS)
    assert run.returncode == 1
    assert run.stdout.decode().startswith("✗ 1,995 of 1,999 live objects of snapshot.db open")
    assert "events-2024" in run.stdout.decode()
    answer = json.loads(k8senc("drill", SNAPSHOT, "-c", CONFIG, "--format", "json").stdout)
    assert answer["restorable"] is False
    assert {one["key"] for one in answer["missing"] if one["code"] == "dek-missing"} == {"cloud-kms", "legacy-kms"}


def test_a_drill_of_a_backup_that_opens(tmp_path: Path) -> None:
    run = k8senc("drill", RESIDUE, "-c", CONFIG)
    report = json.loads(k8senc("drill", RESIDUE, "-c", CONFIG, "--format", "json").stdout)
    assert report["live"] > 0 and report["restorable"] is True
    assert run.returncode == 0 and run.stdout.decode().startswith("✓ all ")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(RESIDUE.read_bytes()[:-1] + b"x")
    assert k8senc("drill", damaged, "-c", CONFIG).returncode == 3


def test_a_drill_that_waits_for_the_kms_is_undecided(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    provider = "- kms: {apiVersion: v2, name: cloud-kms, endpoint: 'unix:///x'}\n      - identity: {}\n"
    config.write_text(f"apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n    providers:\n      {provider}")
    assert k8senc("drill", SNAPSHOT, "-c", config).returncode == 1
    assert k8senc("drill", tmp_path / "none.db", "-c", config).returncode == 3


def test_prometheus_reads_the_metrics(written: dict[str, str]) -> None:
    """As the collector's own parser takes them."""
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(written["prometheus"])}
    assert all(family.documentation and family.type == "gauge" for family in families.values())
    [code] = families["k8senc_audit_exit_code"].samples
    assert code.value == 1 and code.labels == {"file": SNAPSHOT.name}
    report = json.loads(written["json"])
    live = {sample.labels["resource"]: sample.value for sample in families["k8senc_objects"].samples if sample.labels["state"] == "live"}
    assert live == {resource["resource"]: resource["live"] for resource in report["resources"]}
    found = sum(sample.value for sample in families["k8senc_findings"].samples)
    assert found == sum(finding["count"] for finding in report["findings"])
