"""Conformance vectors, found by folder; a count that differs from the manifest is an error."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "conformance-vectors"
SAMPLE = VECTORS / "sample"

Case = dict[str, Any]


@cache
def manifest() -> Case:
    found: Case = json.loads((VECTORS / "manifest.json").read_text("utf-8"))
    assert found["format"] == 1
    return found


def load(folder: str) -> list[Case]:
    """All cases of the suites in a folder, each with its suite's name."""
    named = {name: suite for name, suite in manifest()["suites"].items() if name.startswith(f"{folder}/")}
    files = sorted((VECTORS / folder).glob("*.json"))
    assert {suite["file"] for suite in named.values()} == {f"{folder}/{file.name}" for file in files}, f"{folder} and the manifest differ"
    assert files, f"no suites in {folder}"
    cases = []
    for name, suite in named.items():
        document = json.loads((VECTORS / suite["file"]).read_text("utf-8"))
        assert document["format"] == 1 and document["suite"] == name
        assert len(document["cases"]) == suite["cases"], f"{name} has {len(document['cases'])} cases, the manifest says {suite['cases']}"
        cases += [{**case, "suite": name} for case in document["cases"]]
    return cases


def name_of(case: Case) -> str:
    return f"{case['suite']}:{case['id']}"
