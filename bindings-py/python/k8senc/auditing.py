"""The audit of a snapshot, with the KMS calls it takes."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

from k8senc._native import Audit, Config, DekNeed, Recovery
from k8senc.errors import RemoteError, UsageError
from k8senc.kms import Kms

__all__ = ["MAX_KMS_CALLS", "Plan", "answer", "audit", "plan"]

MAX_KMS_CALLS = 1_000
# A crafted file must not turn an audit into a load test of the KMS.
_CALLS_PER_SECOND = 50

Progress = Callable[[int, int], object]


class Plan:
    """The KMS calls that a snapshot asks for, and who would answer them."""

    def __init__(self, needs: list[DekNeed], beyond: int, kms: Mapping[str, Kms]) -> None:
        self.asked = [need for need in needs if need.request.provider in kms]
        """The calls to make, most needed first."""
        self.unanswered = Counter(need.request.provider for need in needs if need.request.provider not in kms)
        """Calls of providers without a kms object."""
        self.beyond = beyond
        """Distinct requests that did not fit into memory; their values stay undecided."""

    def lines(self) -> list[tuple[str, str, int]]:
        """Provider, key_id and number of calls."""
        counted = Counter((need.request.provider, need.request.key_id) for need in self.asked)
        return sorted((provider, key_id, calls) for (provider, key_id), calls in counted.items())


def plan(run: Audit | Recovery, kms: Mapping[str, Kms], progress: Progress | None = None) -> Plan:
    """What would have to be asked. No value is opened and nobody is called."""
    needs, beyond = run.survey(progress)
    return Plan(needs, beyond, kms)


def answer(run: Audit | Recovery, planned: Plan, kms: Mapping[str, Kms], progress: Progress | None = None) -> dict[str, str]:
    """Makes the calls of a plan, paced. Returns the last error of each provider that refused.

    A `RemoteError` ends it: who cannot be reached is not asked a thousand times.
    """
    refused: dict[str, str] = {}
    for provider, plugin in kms.items():
        key_id = getattr(plugin, "key_id", None)
        if key_id is not None:
            run.set_state(provider, key_id, bool(getattr(plugin, "uses_seed", True)))
    for number, need in enumerate(planned.asked):
        plugin = kms[need.request.provider]
        if number and getattr(plugin, "remote", True):
            time.sleep(1 / _CALLS_PER_SECOND)
        try:
            dek = plugin.unwrap(need.request)
        except RemoteError:
            raise
        except Exception as error:
            refused[need.request.provider] = str(error)
            run.refuse(need.request, str(error))
        else:
            run.supply(need.request, dek)
        if progress is not None:
            progress(number + 1, len(planned.asked))
    return refused


def audit(
    path: str | PathLike[str],
    config: Config | None = None,
    kms: Mapping[str, Kms] | None = None,
    *,
    max_kms_calls: int = MAX_KMS_CALLS,
    threads: int = 0,
    check_hash: bool = True,
    examples: int = 3,
    etcd_prefix: str | bytes | None = None,
) -> dict[str, Any]:
    """The report on a snapshot, as `k8senc audit --format json` prints it.

    Without a configuration values are only classified. `kms` answers for the KMS providers of the configuration, by name;
    what nobody answers for is counted as undecided.

    Raises `SnapshotError` when the file cannot be read, `UsageError` when it asks for more than `max_kms_calls` calls,
    `RemoteError` when a KMS cannot be reached.
    """
    prefix = etcd_prefix.encode() if isinstance(etcd_prefix, str) else etcd_prefix
    run = Audit(path, config, threads=threads, hash=check_hash, examples=examples, etcd_prefix=prefix)
    if config is not None and kms:
        planned = plan(run, kms)
        if len(planned.asked) > max_kms_calls:
            raise UsageError("kms-calls", f"the snapshot asks for {len(planned.asked)} KMS calls, more than the {max_kms_calls} allowed")
        answer(run, planned, kms)
    text, _ = run.report()
    report: dict[str, Any] = json.loads(text)
    return report
