"""The proof after a rewrite: an audit of what etcd holds now, and which keys may go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

from k8senc._native import Audit, Config
from k8senc.auditing import Progress, answer, plan

if TYPE_CHECKING:
    from k8senc.etcd_client import EtcdClient
    from k8senc.kms import Kms

__all__ = ["Proof", "of_report", "prove", "seen_in_etcd"]

# Keys a second that a live etcd is asked for.
_RATE = 5_000
# Names that an audit gives of each kind of finding: where it names all, nothing else is touched.
_EXAMPLES = 1_000

_REMOVABLE = {
    "yes": "may be removed: nothing needs it, live or in history",
    "after-compaction": "may be removed after compaction: old revisions need it",
    "no": "must stay: live values need it",
    "unknown": "not decided: not every value could be judged",
}


@dataclass(frozen=True)
class Proof:
    """What the audit found of the rewritten resources."""

    revision: int
    too_old: bool
    """The snapshot is from before the rewrite ended, so it proves nothing."""
    live: int = 0
    stale: int = 0
    undecided: int = 0
    unreadable: int = 0
    damaged: bool = False
    left: list[dict[str, Any]] = field(default_factory=list)
    """Findings on what is left."""
    keys: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Nothing stale is left, and everything could be judged."""
        return not (self.too_old or self.stale or self.undecided or self.unreadable or self.damaged)

    def sentence(self) -> str:
        if self.too_old:
            return f"revision {self.revision:,} is from before the rewrite ended: it proves nothing, take a new snapshot"
        if self.damaged:
            return "the snapshot is damaged: it proves nothing, take a new one"
        if self.holds:
            return f"proved at revision {self.revision:,}: of {self.live:,} live values none is stale"
        parts = [f"{count:,} {what}" for count, what in ((self.stale, "stale"), (self.unreadable, "unreadable"), (self.undecided, "undecided: their KMS was not asked")) if count]
        return f"not proved at revision {self.revision:,}: of {self.live:,} live values {', '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "revision": self.revision,
            "tooOld": self.too_old,
            "damaged": self.damaged,
            "live": self.live,
            "stale": self.stale,
            "undecided": self.undecided,
            "unreadable": self.unreadable,
            "keys": [{"provider": key["provider"], "key": key["key"], "live": key["live"], "history": key["history"], "removable": key["removable"]} for key in self.keys],
        }

    def removable(self) -> list[tuple[str, str]]:
        """Each key of the configuration that does not write, and whether it may go."""
        if self.too_old or self.damaged:
            return []
        return [(f"{key['provider']} {key['key']}", _REMOVABLE.get(key["removable"], key["removable"])) for key in self.keys if key["removable"] != "writes"]


def prove(
    path: str | PathLike[str],
    config: Config,
    kms: Mapping[str, Kms],
    resources: Iterable[str],
    *,
    least_revision: int = 0,
    max_kms_calls: int = 1_000,
    progress: Progress | None = None,
) -> Proof:
    """Audits a snapshot. `least_revision` is etcd's revision when the rewrite ended, as the API server said it."""
    return of_report(_report(Audit(path, config), kms, max_kms_calls, progress), resources, least_revision=least_revision)


def seen_in_etcd(client: EtcdClient, config: Config, kms: Mapping[str, Kms], *, max_kms_calls: int = 1_000, progress: Progress | None = None) -> dict[str, Any]:
    """The report on a live etcd as it is now: its current values alone."""
    from k8senc.etcd_rows import RANGES, EtcdRows

    revision = client.page(*RANGES[0], limit=1, keys_only=True).revision
    run = Audit.of_rows(lambda: EtcdRows(client, rate=_RATE, revision=revision), config, examples=_EXAMPLES)
    return _report(run, kms, max_kms_calls, progress)


def _report(run: Audit, kms: Mapping[str, Kms], max_kms_calls: int, progress: Progress | None) -> dict[str, Any]:
    if kms:
        planned = plan(run, kms)
        if len(planned.asked) <= max_kms_calls:
            answer(run, planned, kms)
    text, _ = run.report(progress)
    found: dict[str, Any] = json.loads(text)
    return found


def of_report(report: Mapping[str, Any], resources: Iterable[str], *, least_revision: int = 0) -> Proof:
    """What an audit report proves of some resources."""
    wanted = set(resources)
    groups = [group for group in report["groups"] if group["resource"] in wanted]
    snapshot = report["snapshot"]

    def total(name: str) -> int:
        return sum(int(group[name]) for group in groups)

    return Proof(
        revision=snapshot["revision"],
        too_old=snapshot["revision"] < least_revision,
        live=total("live"),
        stale=total("stale"),
        undecided=total("undecided") + total("staleUnknown"),
        unreadable=total("unreadable"),
        damaged=bool(snapshot["damagedRows"]) or snapshot["sha256"]["status"] == "mismatch",
        left=[finding for finding in report["findings"] if finding["code"] in ("stale", "exposed-plaintext", "unreadable") and finding["resource"] in wanted],
        keys=list(report["keys"]),
    )
