"""KMS plugins as k8senc sees them, and the toy one in a file."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Protocol

from k8senc._native import DekRequest, LocalKek
from k8senc.errors import UsageError
from k8senc.kms_client import Sealed

__all__ = ["Kms", "Writes", "local_kek"]


class Kms(Protocol):
    """A KMS plugin. Besides `unwrap` it may have:

    * `key_id: str | None`: what Status reports now (KMS v2). Absent or None: staleness cannot be told.
    * `uses_seed: bool`: whether kube-apiserver writes in seed form; it does since 1.29, so the default is True.
    * `never_healthy: bool`: True stands for a plugin that has not answered since the server started; reading then fails.
    * `encrypt(plaintext: bytes) -> Sealed`: what Encrypt answers for a DEK (KMS v1) or a seed (KMS v2). Only writing needs it
      (`Writes`).
    """

    def unwrap(self, request: DekRequest, /) -> bytes:
        """The DEK or seed inside `request.ciphertext`. An exception is a refusal with the exception's text."""
        ...


class Writes(Protocol):
    """A KMS plugin that can be written with. If it has a `key_id`, Encrypt has to answer the same one."""

    def encrypt(self, plaintext: bytes, /) -> Sealed:
        """What becomes of a DEK or seed. An exception is raised on."""
        ...


def local_kek(text: bytes, plugin: str) -> LocalKek:
    """The toy plugin of a JSON file with KEKs, such as the one beside the sample snapshot.

    `{"plugins": {"NAME": {"apiVersion": "v2", "currentKeyId": "...", "usesSeed": true, "keks": {"KEY_ID": "base64"}}}}`
    """
    try:
        plugins = json.loads(text)["plugins"]
        if plugin not in plugins:
            raise UsageError("kek-file", f"no plugin {plugin!r} in the file; it has {', '.join(map(repr, sorted(plugins)))}")
        entry = plugins[plugin]
        keks = {name: base64.b64decode(kek, validate=True) for name, kek in entry["keks"].items()}
        key_id = entry.get("currentKeyId")
        uses_seed = entry.get("usesSeed", True)
        if not isinstance(key_id, str | None) or not isinstance(uses_seed, bool):
            raise TypeError
    except (ValueError, binascii.Error, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError("kek-file", 'the file is not {"plugins": {NAME: {"keks": {KEY_ID: base64}}}}') from None
    return LocalKek(keks, key_id=key_id, uses_seed=uses_seed)
