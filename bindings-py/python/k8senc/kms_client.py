"""The KMS plugin API (v1beta1 and v2) on a Unix socket, as kube-apiserver speaks it. Needs the extra `kms` (grpcio)."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from k8senc import kms_messages as messages
from k8senc.errors import RemoteError, UsageError

__all__ = ["DEFAULT_TIMEOUT", "PluginClient", "Refusal", "Sealed", "Status", "Unavailable"]

# kube-apiserver's default for a KMS provider, in seconds.
DEFAULT_TIMEOUT = 3.0

_V1, _V2 = "/v1beta1.KeyManagementService/", "/v2.KeyManagementService/"


@dataclass(frozen=True)
class Status:
    """What Status answers."""

    version: str
    healthz: str
    key_id: str


@dataclass(frozen=True)
class Sealed:
    """What Encrypt answers, and Decrypt wants back."""

    ciphertext: bytes
    key_id: str = ""
    annotations: Mapping[str, bytes] = field(default_factory=dict)


class Refusal(RuntimeError):
    """The plugin answered with an error. The text is the one that kube-apiserver, being a Go program, would show."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {details}")
        self.code = code
        """The gRPC code as Go spells it, such as `PermissionDenied`."""


class Unavailable(RemoteError):
    """The plugin cannot be reached, or it says itself that it cannot serve now, as while its KMS is away."""

    def __init__(self, endpoint: str, said: str) -> None:
        super().__init__("kms-unreachable", f"the KMS plugin at {endpoint} does not answer: {said}")
        self.said = said


class PluginClient:
    """A KMS plugin behind `unix:///path`. Every call may raise `Refusal`, or `RemoteError` when nobody answers in time."""

    def __init__(self, endpoint: str, *, timeout: float = DEFAULT_TIMEOUT, authority: str = "localhost") -> None:
        try:
            # grpcio has no types of its own.
            grpc: Any = importlib.import_module("grpc")
        except ImportError:
            raise UsageError("extra-kms", "a KMS plugin's socket needs grpcio: pip install 'k8senc[kms]'") from None
        if not endpoint.startswith("unix://"):
            raise UsageError("kms-endpoint", f"the endpoint {endpoint!r} is no unix:///path")
        self._grpc, self.endpoint, self.timeout = grpc, endpoint, timeout
        # Plugins written in Rust refuse the escaped path that gRPC would send as authority.
        self._channel = grpc.insecure_channel(endpoint, options=[("grpc.default_authority", authority), ("grpc.use_local_subchannel_pool", 1)])

    def status(self, *, timeout: float | None = None) -> Status:
        """KMS v2's Status."""
        answer = dict(self._call(_V2 + "Status", b"", timeout))
        return Status(*(_text(answer.get(number, b"")) for number in (1, 2, 3)))

    def encrypt(self, plaintext: bytes, *, uid: str | None = None) -> Sealed:
        """KMS v2's Encrypt."""
        answer = list(self._call(_V2 + "Encrypt", messages.field(1, plaintext) + messages.field(2, _uid(uid)), None))
        single = dict(answer)
        annotations = {}
        for number, value in answer:
            if number == 3:
                entry = dict(messages.fields(value))
                annotations[_text(entry.get(1, b""))] = entry.get(2, b"")
        return Sealed(single.get(1, b""), _text(single.get(2, b"")), annotations)

    def decrypt(self, sealed: Sealed, *, uid: str | None = None, timeout: float | None = None) -> bytes:
        """KMS v2's Decrypt."""
        asked = messages.field(1, sealed.ciphertext) + messages.field(2, _uid(uid)) + messages.field(3, sealed.key_id.encode())
        for name, value in sorted(sealed.annotations.items()):
            asked += messages.tagged(4, messages.field(1, name.encode()) + messages.field(2, value))
        return dict(self._call(_V2 + "Decrypt", asked, timeout)).get(1, b"")

    def version_v1(self) -> str:
        """KMS v1's Version."""
        return _text(dict(self._call(_V1 + "Version", messages.field(1, b"v1beta1"), None)).get(1, b""))

    def encrypt_v1(self, plaintext: bytes) -> Sealed:
        """KMS v1's Encrypt, which tells no key_id."""
        asked = messages.field(1, b"v1beta1") + messages.field(2, plaintext)
        return Sealed(dict(self._call(_V1 + "Encrypt", asked, None)).get(1, b""))

    def decrypt_v1(self, ciphertext: bytes) -> bytes:
        """KMS v1's Decrypt."""
        return dict(self._call(_V1 + "Decrypt", messages.field(1, b"v1beta1") + messages.field(2, ciphertext), None)).get(1, b"")

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _call(self, method: str, message: bytes, timeout: float | None) -> list[tuple[int, bytes]]:
        try:
            answer: bytes = self._channel.unary_unary(method)(message, timeout=self.timeout if timeout is None else timeout)
        except self._grpc.RpcError as error:
            raise self._refusal(error) from None
        return list(messages.fields(answer))

    def _refusal(self, error: Any) -> Exception:
        code, details = error.code(), error.details()
        # What grpcio says itself when time is up has no cause; a plugin that ends a call in time says one.
        if code is self._grpc.StatusCode.DEADLINE_EXCEEDED and details == "Deadline Exceeded":
            return RemoteError("kms-unreachable", f"the KMS plugin at {self.endpoint} does not answer: {details}")
        if code in (self._grpc.StatusCode.UNAVAILABLE, self._grpc.StatusCode.DEADLINE_EXCEEDED):
            return Unavailable(self.endpoint, details)
        return Refusal("".join(part.capitalize() for part in code.name.split("_")), details)


def _uid(given: str | None) -> bytes:
    return (given or str(uuid.uuid4())).encode()


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refusal("Internal", "grpc: failed to unmarshal the received message: string field contains invalid UTF-8") from None
