#!/usr/bin/env python3
"""same_sample.py FRESH SHIPPED: compares two folders with a sample snapshot.

Two fillings differ in page layout and member ids, so the files differ; everything else must not.
The shipped snapshot must be the file that its expectations were written for.
"""

import hashlib
import json
import pathlib
import sys


def main() -> int:
    fresh, shipped = map(pathlib.Path, sys.argv[1:])
    wrong = []
    for name in ("encryption-config.yaml", "local-kek.json"):
        if (fresh / name).read_bytes() != (shipped / name).read_bytes():
            wrong.append(f"{name} differs")
    expected = [json.loads((folder / "expected.json").read_text()) for folder in (fresh, shipped)]
    said = expected[1]["snapshot"]["sha256"]
    # etcd appends the SHA-256 of the database to it; the expectations name that one.
    found = hashlib.sha256((shipped / "snapshot.db").read_bytes()[:-hashlib.sha256().digest_size]).hexdigest()
    if said != found:
        wrong.append(f"snapshot.db has SHA-256 {found}, expected.json says {said}")
    for one in expected:
        for layout in ("sha256", "bytes"):
            del one["snapshot"][layout]
    for key in sorted(expected[0].keys() | expected[1].keys()):
        if expected[0].get(key) != expected[1].get(key):
            wrong.append(f"expected.json: {key} differs")
    for line in wrong:
        print(f"sample: {line}")
    if not wrong:
        print("the shipped sample is what this program fills")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
