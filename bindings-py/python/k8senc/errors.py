"""What k8senc raises. Everything is a `K8sEncError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from k8senc._native import Verdict

__all__ = ["ConfigError", "K8sEncError", "RemoteError", "SnapshotError", "StoredValueError", "UsageError"]


class K8sEncError(Exception):
    """Base of all errors of this package."""

    __module__ = "k8senc"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        """Stable name of the kind of error."""
        self.message = message
        """What was found and what was needed, one clause. Holds no secrets."""

    def __str__(self) -> str:
        return self.message


class StoredValueError(K8sEncError):
    """A stored value that does not open, or one that cannot be written."""

    __module__ = "k8senc"

    def __init__(self, code: str, message: str, upstream: str | None = None) -> None:
        super().__init__(code, message)
        self.args = (code, message, upstream)
        self.upstream = upstream
        """The text of kube-apiserver's error, or None where it has none."""


class ConfigError(K8sEncError):
    """An EncryptionConfiguration that kube-apiserver refuses."""

    __module__ = "k8senc"

    def __init__(self, code: str, message: str, upstream: str | None = None, verdict: Verdict | None = None) -> None:
        super().__init__(code, message)
        self.args = (code, message, upstream, verdict)
        self.upstream = upstream
        """The text kube-apiserver would log."""
        self.verdict = verdict
        """All problems, with their places in the text."""


class UsageError(K8sEncError):
    """A call or a command that asks for something that does not exist."""

    __module__ = "k8senc"


class SnapshotError(K8sEncError):
    """A file that cannot be read as an etcd backend."""

    __module__ = "k8senc"


class RemoteError(K8sEncError):
    """A KMS that cannot be reached. An answer it gives, even a refusal, is no such error."""

    __module__ = "k8senc"
