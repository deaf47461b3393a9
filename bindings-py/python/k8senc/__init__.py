"""Kubernetes encryption at rest, outside the API server.

    config = k8senc.Config.parse(open("encryption-config.yaml", "rb").read())
    chain = config.chain("secrets", kms={"cloud-kms": plugin})
    opened = chain.open(stored, "/registry/secrets/default/password")
    opened.stale, opened.reveal()

    k8senc.inspect(stored)                       # what needs no key
    k8senc.audit("snapshot.db", config=config)   # the report of `k8senc audit --format json`
"""

from k8senc._native import Chain, Config, DekRequest, Inspection, LocalKek, Opened, Problem, Verdict, __version__, inspect, validate
from k8senc.auditing import audit
from k8senc.errors import ConfigError, K8sEncError, RemoteError, SnapshotError, StoredValueError, UsageError
from k8senc.kms import Kms
from k8senc.kms_socket import SocketKms

__all__ = [
    "Chain",
    "Config",
    "ConfigError",
    "DekRequest",
    "Inspection",
    "K8sEncError",
    "Kms",
    "LocalKek",
    "Opened",
    "Problem",
    "RemoteError",
    "SnapshotError",
    "SocketKms",
    "StoredValueError",
    "UsageError",
    "Verdict",
    "__version__",
    "audit",
    "inspect",
    "validate",
]
