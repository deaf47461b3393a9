"""Azure Key Vault and Managed HSM, asked directly. Needs the extra `azure` (azure-keyvault-keys, azure-identity)."""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
from typing import Any, Self

from k8senc._native import DekRequest, WrappedDek
from k8senc.errors import RemoteError, UsageError
from k8senc.kms_client import Refusal
from k8senc.unwrapping.places import FORMS, Place, extra

__all__ = ["AzureKek"]

_URL = re.compile(r"(https://[^/]+)/keys/([^/]+)(?:/([0-9a-f]{32}))?/?")


class AzureKek:
    """One key of a vault; the version is the given one, or the one whose URL the stored key_id is the hash of.

    `credential` and `settings` are those of Azure's clients.
    """

    kind = "azure-rsa"

    def __init__(self, url: str, *, credential: Any = None, **settings: Any) -> None:
        found = _URL.fullmatch(url)
        if found is None:
            raise UsageError("kms-place", f"{url!r} is no key of a vault: {FORMS['azure']} is needed")
        try:
            # What they return is not typed for strict checking.
            self._keys: Any = importlib.import_module("azure.keyvault.keys")
            self._crypto: Any = importlib.import_module("azure.keyvault.keys.crypto")
            self._errors: Any = importlib.import_module("azure.core.exceptions")
            identity: Any = importlib.import_module("azure.identity")
        except ImportError:
            raise extra("azure", "Azure Key Vault") from None
        self.vault, self.name, self.version = found[1], found[2], found[3]
        self._settings = {"retry_total": 2, **settings}
        self._credential = credential or identity.DefaultAzureCredential()
        self._versions: list[str] | None = [self.version] if self.version else None

    @classmethod
    def at(cls, place: Place) -> Self:
        """`azure:https://...`; it has no options."""
        place.only()
        return cls(place.where)

    @property
    def what(self) -> str:
        return f"Key Vault key {self.vault}/keys/{self.name}"

    def takes(self, wrapped: WrappedDek) -> bool:
        return wrapped.plugin == "azure"

    def unwrap_stored(self, wrapped: WrappedDek, request: DekRequest) -> bytes:
        text = (wrapped.to_kms or b"").decode()
        ciphertext = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        wanted = wrapped.facts.get("keyUrlHash")
        versions = self._all_versions()
        if wanted is not None:
            versions = [version for version in versions if hashlib.sha256(f"{self.vault}/keys/{self.name}/{version}".encode()).hexdigest() == wanted]
            if not versions:
                raise Refusal("NotFound", "the key_id is the hash of no version of this key: another vault, key or cloud suffix was used")
        # The plugin encrypts the base64 text of the seed, not the seed.
        inner = self._decrypt(ciphertext, wrapped.facts["algorithm"], versions)
        return base64.urlsafe_b64decode(inner + b"=" * (-len(inner) % 4)) if len(inner) == 43 else inner

    def unwrap_wrap(self, wrap: bytes, context: str) -> bytes:
        return self._decrypt(wrap, "RSA-OAEP-256", self._all_versions())

    def _all_versions(self) -> list[str]:
        """Newest first."""
        if self._versions is None:
            with _Translated(self._errors):
                client = self._keys.KeyClient(vault_url=self.vault, credential=self._credential, **self._settings)
                found = sorted(client.list_properties_of_key_versions(self.name), key=lambda item: item.created_on, reverse=True)
                self._versions = [item.version for item in found]
        return self._versions

    def _decrypt(self, ciphertext: bytes, algorithm: str, versions: list[str]) -> bytes:
        last: Refusal = Refusal("NotFound", "the key has no versions")
        for version in versions:
            try:
                with _Translated(self._errors):
                    client = self._crypto.CryptographyClient(f"{self.vault}/keys/{self.name}/{version}", self._credential, **self._settings)
                    plaintext: bytes = client.decrypt(self._crypto.EncryptionAlgorithm(algorithm), ciphertext).plaintext
                    return plaintext
            except Refusal as error:
                last = error
        raise last


class _Translated:
    """Azure's errors as ours."""

    def __init__(self, errors: Any) -> None:
        self._errors = errors

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, self._errors.ClientAuthenticationError):
            raise UsageError("kms-credentials", f"Azure: {_first_line(error)}") from None
        if isinstance(error, self._errors.HttpResponseError):
            raise Refusal(str(error.error.code if error.error else error.status_code), _first_line(error)) from None
        if isinstance(error, self._errors.AzureError):
            raise RemoteError("kms-unreachable", f"Azure Key Vault does not answer: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
