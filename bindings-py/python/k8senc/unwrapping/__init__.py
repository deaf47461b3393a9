"""Encrypted DEKs and seeds unwrapped without the plugin that wrapped them: by the KMS behind it, by a KEK one holds, or by
a recovery key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from k8senc._native import DekRequest, KeysetRecord, WrappedDek, recognise
from k8senc.errors import RemoteError, StoredValueError, UsageError
from k8senc.kms_client import Refusal

__all__ = ["Offline", "RemoteKek", "Unwrapper"]


class RemoteKek(Protocol):
    """A key of a KMS, asked directly. Refusals are `Refusal`; nobody there is `RemoteError`."""

    @property
    def what(self) -> str:
        """Which key, for messages."""
        ...

    @property
    def kind(self) -> str:
        """The kind of its wraps in a keyset record: `aws`, `transit`, `gcp` or `azure-rsa`."""
        ...

    def takes(self, wrapped: WrappedDek) -> bool:
        """Whether a plugin in front of this KMS stores such a ciphertext."""
        ...

    def unwrap_stored(self, wrapped: WrappedDek, request: DekRequest) -> bytes:
        """The DEK or seed of a ciphertext of a plugin."""
        ...

    def unwrap_wrap(self, wrap: bytes, context: str) -> bytes:
        """The wrap key of a wrap in a keyset record."""
        ...


@dataclass(frozen=True, repr=False)
class Offline:
    """What opens keyset records besides a KMS, and what belongs to their cluster."""

    label: str | None = None
    """The cluster label; the one thing that no record says."""
    set_key: bytes | None = None
    recovery_keys: Sequence[tuple[str, bytes]] = ()
    """Private keys of recovery recipients, each with what it is called in messages."""
    local_keks: Sequence[tuple[str, bytes]] = ()
    """KEKs of the plugin's `local` backend, likewise."""

    def __bool__(self) -> bool:
        return bool(self.recovery_keys or self.local_keks)


@dataclass(repr=False)
class Unwrapper:
    """Answers for one KMS provider with whatever is left: a `Kms` for `audit`, `decrypt` and `drill`.

    Of a keyset record every wrap is tried that something here fits, first those that prove who wrote it.
    """

    keks: Sequence[RemoteKek] = ()
    offline: Offline = field(default_factory=Offline)
    key_id: str | None = None
    proofs: dict[str, int] = field(default_factory=dict)
    """How many records opened, by what that proved about their writer: `kek`, `set-key` or `nothing`."""
    _down: dict[str, RemoteError] = field(default_factory=dict)
    """Who did not answer once is not asked a thousand times."""

    @property
    def remote(self) -> bool:
        """Whether a call may leave this machine."""
        return bool(self.keks)

    def unwrap(self, request: DekRequest, /) -> bytes:
        """The DEK or seed. The exception says what was tried and why it failed."""
        record = KeysetRecord.of(request)
        return self._stored(request) if record is None else self._record(record)

    def _stored(self, request: DekRequest) -> bytes:
        found = recognise(request)
        tried: list[str] = []
        for wrapped in found:
            for kek in self.keks:
                if kek.takes(wrapped):
                    answer = self._ask(kek, partial(kek.unwrap_stored, wrapped, request), kek.what, tried)
                    if answer is not None:
                        return answer
        if tried:
            raise self._failure("; ".join(tried))
        if not found:
            raise UsageError("kms-unknown", "no known KMS plugin stores such a ciphertext: only the plugin itself can decrypt it (--kms NAME=unix:///...)")
        names = " or ".join(wrapped.plugin for wrapped in found)
        needs = "; ".join(text for _, text in found[0].needs)
        raise UsageError("kms-unknown", f"the ciphertext has the shape that {names} stores, and nothing given fits it; needed: {needs}")

    def _record(self, record: KeysetRecord) -> bytes:
        label, set_key = self.offline.label, self.offline.set_key
        if label is None:
            raise UsageError("cluster-label", "a keyset record is bound to its cluster's label: give it with --cluster-label")
        tried: list[str] = []
        for what, kek in self.offline.local_keks:
            seed = self._try(partial(record.open_locally, kek, label, set_key), what, tried)
            if seed is not None:
                return seed
        for remote in self.keks:
            for slot, kind, wrap in record.wraps:
                if kind != remote.kind:
                    continue
                what, context = f"slot {slot}, {remote.what}", record.context(slot, label)
                answer = self._ask(remote, partial(remote.unwrap_wrap, wrap, context), what, tried)
                if answer is not None:
                    seed = self._try(partial(record.open, slot, answer, label, set_key), what, tried)
                    if seed is not None:
                        return seed
        for what, private in self.offline.recovery_keys:
            seed = self._try(partial(record.open_offline, private, label, set_key), what, tried)
            if seed is not None:
                return seed
        kinds = ", ".join(kind for _, kind, _ in record.wraps)
        raise self._failure(f"the record has wraps of {kinds}; " + ("; ".join(tried) or "nothing that was given opens one of them"))

    def _ask(self, kek: RemoteKek, call: Callable[[], bytes], what: str, tried: list[str]) -> bytes | None:
        try:
            if kek.what in self._down:
                raise self._down[kek.what]
            return call()
        except RemoteError as error:
            self._down[kek.what] = error
            tried.append(str(error))
        except Refusal as error:
            tried.append(f"{what}: {error}")
        return None

    def _try(self, opening: Callable[[], tuple[bytes, str] | None], what: str, tried: list[str]) -> bytes | None:
        try:
            opened = opening()
        except StoredValueError as error:
            tried.append(f"{what}: {error}")
            return None
        if opened is None:
            return None
        seed, proof = opened
        self.proofs[proof] = self.proofs.get(proof, 0) + 1
        return seed

    def _failure(self, text: str) -> UsageError | RemoteError:
        """When nobody was left to ask, that is what is wrong, and not the value."""
        if self.keks and len(self._down) == len({kek.what for kek in self.keks}):
            return RemoteError("kms-unreachable", text)
        return UsageError("kms-refused", text)
