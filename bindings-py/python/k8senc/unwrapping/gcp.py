"""Google Cloud KMS, asked directly. Needs the extra `gcp` (google-cloud-kms) and Application Default Credentials."""

from __future__ import annotations

import importlib
import re
from typing import Any, Self

from k8senc._native import DekRequest, WrappedDek
from k8senc.errors import RemoteError, UsageError
from k8senc.kms_client import Refusal
from k8senc.unwrapping.places import FORMS, Place, extra

__all__ = ["GcpKek"]

_NAME = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_TIMEOUT = 10.0


class GcpKek:
    """One CryptoKey. It is the one that is called, whatever a stored key_id names."""

    kind = "gcp"

    def __init__(self, name: str, *, endpoint: str | None = None) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError("kms-place", f"{name!r} is no CryptoKey: {FORMS['gcp']} is needed")
        try:
            # Its types are not whole.
            kms: Any = importlib.import_module("google.cloud.kms_v1")
            self._errors: Any = importlib.import_module("google.api_core.exceptions")
            auth: Any = importlib.import_module("google.auth.exceptions")
        except ImportError:
            raise extra("gcp", "Google Cloud KMS") from None
        self.name = name
        try:
            if endpoint is not None and endpoint.startswith("http://"):
                # A server on this machine, such as an emulator: no credentials, no TLS.
                grpc: Any = importlib.import_module("grpc")
                transport: Any = importlib.import_module("google.cloud.kms_v1.services.key_management_service.transports")
                channel = grpc.insecure_channel(endpoint.removeprefix("http://"))
                self._client = kms.KeyManagementServiceClient(transport=transport.KeyManagementServiceGrpcTransport(channel=channel))
            else:
                options = {"api_endpoint": endpoint} if endpoint else None
                self._client = kms.KeyManagementServiceClient(client_options=options)
        except auth.GoogleAuthError as error:
            raise UsageError("kms-credentials", f"Google Cloud KMS: {error}") from None
        self._auth = auth

    @classmethod
    def at(cls, place: Place) -> Self:
        """`gcp:projects/...`, with another endpoint."""
        place.only("endpoint")
        return cls(place.where, endpoint=place.one("endpoint"))

    @property
    def what(self) -> str:
        return f"CryptoKey {self.name}"

    def takes(self, wrapped: WrappedDek) -> bool:
        return wrapped.plugin == "gcp"

    def unwrap_stored(self, wrapped: WrappedDek, request: DekRequest) -> bytes:
        named = wrapped.facts.get("cryptoKey")
        if named is not None and named != self.name:
            raise Refusal("FailedPrecondition", f"the key_id names another CryptoKey, {named}, which is not asked unless it is the one given")
        return self._decrypt(wrapped.to_kms or b"", b"")

    def unwrap_wrap(self, wrap: bytes, context: str) -> bytes:
        return self._decrypt(wrap, context.encode())

    def _decrypt(self, ciphertext: bytes, associated: bytes) -> bytes:
        request: dict[str, Any] = {"name": self.name, "ciphertext": ciphertext, "ciphertext_crc32c": crc32c(ciphertext)}
        if associated:
            request |= {"additional_authenticated_data": associated, "additional_authenticated_data_crc32c": crc32c(associated)}
        try:
            answer = self._client.decrypt(request=request, timeout=_TIMEOUT)
        except (self._errors.ServiceUnavailable, self._errors.DeadlineExceeded, self._errors.RetryError) as error:
            raise RemoteError("kms-unreachable", f"Google Cloud KMS does not answer: {error}") from None
        except self._errors.GoogleAPICallError as error:
            code = error.grpc_status_code.name if error.grpc_status_code is not None else type(error).__name__
            raise Refusal("".join(part.capitalize() for part in code.split("_")), str(error.message)) from None
        except self._auth.GoogleAuthError as error:
            raise UsageError("kms-credentials", f"Google Cloud KMS: {error}") from None
        plaintext: bytes = answer.plaintext
        if answer.plaintext_crc32c != crc32c(plaintext):
            raise RemoteError("kms-unreachable", "Google Cloud KMS's answer was damaged on its way: its CRC32C does not fit")
        return plaintext


def crc32c(data: bytes) -> int:
    """The checksum of Castagnoli, as Google's services use it."""
    rest = 0xFFFFFFFF
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = rest >> 1 ^ (0x82F63B78 if rest & 1 else 0)
    return rest ^ 0xFFFFFFFF
