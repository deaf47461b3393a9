"""Kubernetes encryption at rest, outside the API server.

    config = k8senc.Config.parse(open("encryption-config.yaml", "rb").read())
    chain = config.chain("secrets", kms={"cloud-kms": plugin})
    opened = chain.open(stored, "/registry/secrets/default/password")
    opened.stale, opened.reveal()

    k8senc.lint(text)                            # advice; finding.fix.apply(text) cures
    k8senc.explain("invalid padding on input")   # cause, check, cure
    k8senc.diff([a, b, c])                       # what the others do differently from the first
    chain.seal(b"...", "/registry/secrets/default/password", k8senc.KmsState.create(plugin))
    chain.judge_many([("/registry/secrets/default/password", stored)])   # many verdicts, no plaintext

    k8senc.inspect(stored)                       # what needs no key
    k8senc.read_pasted(text)                     # values in etcdctl's output, hex, base64, dumps of xxd, hexdump, od
    k8senc.audit("snapshot.db", config=config)   # the report of `k8senc audit --format json`
    k8senc.plan(current, goal="rotate-key")      # checked steps; .files.write(directory)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from k8senc._native import (
    Advice,
    Chain,
    Config,
    Coverage,
    DekRequest,
    Embedded,
    FailureMode,
    Finding,
    Fix,
    Inspection,
    Judged,
    KeyMark,
    KmsState,
    LocalKek,
    Manifest,
    Opened,
    Pasted,
    Problem,
    Reference,
    Rule,
    Snippet,
    Verdict,
    __version__,
    coverage,
    failure_modes,
    inspect,
    key_marks,
    lint,
    read_pasted,
    rules,
    validate,
)
from k8senc.errors import ConfigError, K8sEncError, RemoteError, SnapshotError, StoredValueError, UsageError

if TYPE_CHECKING:
    from k8senc.auditing import audit
    from k8senc.comparing import diff
    from k8senc.explaining import Explanation, explain
    from k8senc.kms import Kms, Writes
    from k8senc.kms_client import Sealed
    from k8senc.kms_socket import SocketKms
    from k8senc.planning import Inventory, Plan, plan

__all__ = [
    "Advice",
    "Chain",
    "Config",
    "ConfigError",
    "Coverage",
    "DekRequest",
    "Embedded",
    "Explanation",
    "FailureMode",
    "Finding",
    "Fix",
    "Inspection",
    "Inventory",
    "Judged",
    "K8sEncError",
    "KeyMark",
    "Kms",
    "KmsState",
    "LocalKek",
    "Manifest",
    "Opened",
    "Pasted",
    "Plan",
    "Problem",
    "Reference",
    "RemoteError",
    "Rule",
    "Sealed",
    "SnapshotError",
    "Snippet",
    "SocketKms",
    "StoredValueError",
    "UsageError",
    "Verdict",
    "Writes",
    "__version__",
    "audit",
    "coverage",
    "diff",
    "explain",
    "failure_modes",
    "inspect",
    "key_marks",
    "lint",
    "plan",
    "read_pasted",
    "rules",
    "validate",
]

# Loaded when they are first used: what a command does not need costs its start nothing.
_LAZY = {
    "Explanation": "k8senc.explaining",
    "Inventory": "k8senc.planning",
    "Kms": "k8senc.kms",
    "Plan": "k8senc.planning",
    "Sealed": "k8senc.kms_client",
    "SocketKms": "k8senc.kms_socket",
    "Writes": "k8senc.kms",
    "audit": "k8senc.auditing",
    "diff": "k8senc.comparing",
    "explain": "k8senc.explaining",
    "plan": "k8senc.planning",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
