"""KMS plugins on their Unix socket, as kube-apiserver speaks to them. Needs the extra `kms` (grpcio)."""

from __future__ import annotations

import importlib
import uuid
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from k8senc._native import DekRequest
from k8senc.errors import RemoteError, UsageError

__all__ = ["SocketKms"]

_DECRYPT = {"v1": "/v1beta1.KeyManagementService/Decrypt", "v2": "/v2.KeyManagementService/Decrypt"}
_STATUS = "/v2.KeyManagementService/Status"
# kube-apiserver's default for a KMS provider.
_TIMEOUT = 3.0


class SocketKms:
    """A KMS plugin behind `unix:///path`.

    With KMS v2 it is asked for its Status once, which gives `key_id`. Raises `RemoteError` when it cannot be reached.
    """

    remote = True

    def __init__(self, endpoint: str, api_version: str, *, uses_seed: bool = True, timeout: float = _TIMEOUT) -> None:
        try:
            # grpcio has no types of its own.
            grpc: Any = importlib.import_module("grpc")
        except ImportError:
            raise UsageError("extra-kms", "a KMS plugin's socket needs grpcio: pip install 'k8senc[kms]'") from None
        if not endpoint.startswith("unix://"):
            raise UsageError("kms-endpoint", f"the endpoint {endpoint!r} is no unix:///path")
        if api_version not in _DECRYPT:
            raise UsageError("kms-api-version", f"KMS API version {api_version!r} is neither v1 nor v2")
        self._grpc = grpc
        self._endpoint, self._version, self._timeout = endpoint, api_version, timeout
        # Plugins written in Rust refuse the escaped path that gRPC would send as authority.
        self._channel = grpc.insecure_channel(endpoint, options=[("grpc.default_authority", "localhost")])
        self.uses_seed = uses_seed
        self.key_id: str | None = None
        self.healthz = "ok"
        if api_version == "v2":
            status = self._call(_STATUS, b"")
            self.healthz = status.get(2, b"").decode("utf-8", "replace")
            self.key_id = status.get(3, b"").decode("utf-8", "replace") or None

    def unwrap(self, request: DekRequest, /) -> bytes:
        """The plugin's answer to Decrypt."""
        if self._version == "v1":
            return self._call(_DECRYPT["v1"], _field(1, b"v1beta1") + _field(2, request.ciphertext)).get(1, b"")
        asked = _field(1, request.ciphertext) + _field(2, str(uuid.uuid4()).encode()) + _field(3, request.key_id.encode())
        for name, value in sorted(request.annotations.items()):
            asked += _tagged(4, _field(1, name.encode()) + _field(2, value))
        return self._call(_DECRYPT["v2"], asked).get(1, b"")

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _call(self, method: str, message: bytes) -> dict[int, bytes]:
        try:
            answer: bytes = self._channel.unary_unary(method)(message, timeout=self._timeout)
        except self._grpc.RpcError as error:
            raise self._refusal(error) from None
        return dict(_fields(answer))

    def _refusal(self, error: Any) -> Exception:
        code, details = error.code(), error.details()
        if code in (self._grpc.StatusCode.UNAVAILABLE, self._grpc.StatusCode.DEADLINE_EXCEEDED):
            return RemoteError("kms-unreachable", f"the KMS plugin at {self._endpoint} does not answer: {details}")
        # The words that kube-apiserver, being a Go program, puts around it.
        name = "".join(part.capitalize() for part in code.name.split("_"))
        return RuntimeError(f"rpc error: code = {name} desc = {details}")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _tagged(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _field(number: int, value: bytes) -> bytes:
    """A bytes or string field of proto3, which is absent when it is empty."""
    return _tagged(number, value) if value else b""


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The bytes and string fields of a message; others are passed over."""
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(message) or shift > 63:
                raise RuntimeError("the KMS plugin's answer is no protobuf message")
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = number()
        kind = tag & 7
        if kind == 0:
            number()
            continue
        size = {1: 8, 5: 4}.get(kind) or (number() if kind == 2 else len(message) + 1)
        if size > len(message) - at:
            raise RuntimeError("the KMS plugin's answer is no protobuf message")
        if kind == 2:
            yield tag >> 3, message[at : at + size]
        at += size
