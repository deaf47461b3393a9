"""Results put together. The order does not matter, nor which are put together first: a result is a set of snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from k8senc.fleet.task import Result

__all__ = ["EMPTY", "merge", "report"]

EMPTY: Result = {}


def merge(one: Result, other: Result) -> Result:
    """The union. A snapshot that two results have (a task that ran twice) keeps what was found over a failure, and of two different
    findings always the same one.
    """
    merged = dict(one)
    for name, found in other.items():
        merged[name] = max(merged[name], found, key=_weight) if name in merged else found
    return merged


def report(results: Result) -> dict[str, Any]:
    """The report on all of them: sums, each snapshot, keys in more than one configuration."""
    good = {name: found for name, found in sorted(results.items()) if "failed" not in found}
    totals: dict[str, int] = {}
    for found in good.values():
        for name, count in found["totals"].items():
            totals[name] = totals.get(name, 0) + count
    return {
        "format": 1,
        "kind": "k8senc-fleet",
        "snapshots": len(results),
        "failed": [{"snapshot": name, "config": found["config"], "reason": found["failed"]} for name, found in sorted(results.items()) if "failed" in found],
        "totals": dict(sorted(totals.items())),
        "sharedKeys": _shared(good),
        "clusters": [{"name": name, **found} for name, found in good.items()],
    }


def _shared(good: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Keys that stand in different configurations: who has one cluster's keys has the other's."""
    held: dict[tuple[str, str], set[str]] = {}
    for found in good.values():
        for mark in found["keyMarks"]:
            held.setdefault((mark["provider"], mark["fingerprint"]), set()).add(str(found["config"]))
    return [{"provider": provider, "fingerprint": fingerprint, "configs": sorted(configs)} for (provider, fingerprint), configs in sorted(held.items()) if len(configs) > 1]


def _weight(found: Mapping[str, Any]) -> tuple[bool, str]:
    return "failed" not in found, json.dumps(found, sort_keys=True)
