"""A KMS plugin's socket as a `Kms`, the thing that unwraps DEKs. Needs the extra `kms` (grpcio)."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from k8senc._native import DekRequest
from k8senc.errors import UsageError
from k8senc.kms_client import DEFAULT_TIMEOUT, PluginClient, Sealed

__all__ = ["SocketKms"]


class SocketKms:
    """A KMS plugin behind `unix:///path`.

    With KMS v2 it is asked for its Status once, which gives `key_id`. Raises `RemoteError` when it cannot be reached.
    """

    remote = True

    def __init__(self, endpoint: str, api_version: str, *, uses_seed: bool = True, timeout: float = DEFAULT_TIMEOUT) -> None:
        if api_version not in ("v1", "v2"):
            raise UsageError("kms-api-version", f"KMS API version {api_version!r} is neither v1 nor v2")
        self._client, self._version = PluginClient(endpoint, timeout=timeout), api_version
        self.uses_seed = uses_seed
        self.key_id: str | None = None
        self.healthz = "ok"
        if api_version == "v2":
            status = self._client.status()
            self.healthz, self.key_id = status.healthz, status.key_id or None

    def unwrap(self, request: DekRequest, /) -> bytes:
        """The plugin's answer to Decrypt."""
        if self._version == "v1":
            return self._client.decrypt_v1(request.ciphertext)
        return self._client.decrypt(Sealed(request.ciphertext, request.key_id, request.annotations))

    def encrypt(self, plaintext: bytes, /) -> Sealed:
        """The plugin's answer to Encrypt. Raises `Refusal`, or `RemoteError` when it does not answer."""
        return self._client.encrypt_v1(plaintext) if self._version == "v1" else self._client.encrypt(plaintext)

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
