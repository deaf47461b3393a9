"""The golden keyset records in core's tests are those that the independent program makes."""

from __future__ import annotations

import re
import runpy

from tests.vectors import ROOT, VECTORS

KEYSET = ROOT / "core" / "src" / "kms" / "keyset"


def test_the_golden_records_are_the_independent_ones() -> None:
    texts = [(KEYSET / name).read_text("utf-8") for name in ("tests.rs", "tests/set_key.rs")]
    found = dict(re.findall(r'^const (GOLDEN\w*): &str =\s*"([^"]+)";', "\n".join(texts), re.MULTILINE))
    records = runpy.run_path(str(VECTORS / "keyset" / "golden.py"))["records"]()
    expected = {}
    for name, (key_id, record) in records.items():
        expected |= {name: record.hex(), f"{name}_KEY_ID": key_id}
    assert found == expected and len(found) == 6
