"""The Transit engine of Vault or OpenBao, asked directly. Needs the extra `vault` (hvac) and a token."""

from __future__ import annotations

import base64
import importlib
import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from k8senc._native import DekRequest, WrappedDek
from k8senc.errors import RemoteError, UsageError
from k8senc.kms_client import Refusal
from k8senc.unwrapping.places import FORMS, Place, extra

__all__ = ["VaultKek"]

_TIMEOUT = 10


class VaultKek:
    """One Transit key. The token comes from a file, `VAULT_TOKEN` or `~/.vault-token`, as the `vault` command takes it."""

    kind = "transit"

    def __init__(self, url: str, *, token: str, namespace: str | None = None, ca: Path | None = None, associated_data: bytes = b"") -> None:
        parts = urlsplit(url)
        mount, _, key = parts.path.strip("/").rpartition("/")
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or not mount or not key:
            raise UsageError("kms-place", f"{FORMS['vault']} is needed")
        try:
            # hvac has no whole types.
            hvac: Any = importlib.import_module("hvac")
            self._errors: Any = importlib.import_module("hvac.exceptions")
            self._broken: Any = importlib.import_module("requests.exceptions").RequestException
        except ImportError:
            raise extra("vault", "Vault or OpenBao") from None
        self.address, self.mount, self.key, self._associated = f"{parts.scheme}://{parts.netloc}", mount, key, associated_data
        self._client = hvac.Client(url=self.address, token=token, namespace=namespace, verify=str(ca) if ca else True, timeout=_TIMEOUT)

    @classmethod
    def at(cls, place: Place) -> Self:
        """`vault:https://HOST:8200/MOUNT/KEY` with a namespace, token file, CA, or the OpenBao plugin's associated data."""
        place.only("namespace", "token-file", "ca", "associated-data")
        data = place.one("associated-data")
        return cls(place.where, token=_token(place.path("token-file")), namespace=place.one("namespace"), ca=place.path("ca"), associated_data=(data or "").encode())

    @property
    def what(self) -> str:
        return f"Transit key {self.mount}/{self.key} at {self.address}"

    def takes(self, wrapped: WrappedDek) -> bool:
        return wrapped.plugin == "transit"

    def unwrap_stored(self, wrapped: WrappedDek, request: DekRequest) -> bytes:
        return self._decrypt((wrapped.to_kms or b"").decode(), self._associated)

    def unwrap_wrap(self, wrap: bytes, context: str) -> bytes:
        text = f"vault:v{int.from_bytes(wrap[:2])}:{base64.b64encode(wrap[2:]).decode()}"
        return self._decrypt(text, context.encode())

    def _decrypt(self, text: str, associated: bytes) -> bytes:
        body = {"ciphertext": text}
        if associated:
            body["associated_data"] = base64.b64encode(associated).decode()
        try:
            answer = self._client.adapter.post(f"/v1/{self.mount}/decrypt/{self.key}", json=body)
        except self._errors.VaultDown:
            raise RemoteError("kms-unreachable", f"{self.address} is sealed or down") from None
        except self._errors.VaultError as error:
            raise Refusal(type(error).__name__, "; ".join(map(str, error.errors or [error]))) from None
        except self._broken as error:
            raise RemoteError("kms-unreachable", f"{self.address} does not answer: {type(error).__name__}") from None
        return base64.b64decode(answer["data"]["plaintext"])


def _token(file: Path | None) -> str:
    if file is None and os.environ.get("VAULT_TOKEN"):
        return os.environ["VAULT_TOKEN"]
    place = file or Path.home() / ".vault-token"
    try:
        return place.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no token"
        raise UsageError("kms-credentials", f"there is no token: {place}: {reason}; set VAULT_TOKEN or give ?token-file=PATH") from None
