"""etcd's v3 API over gRPC: pages at one revision, and changes guarded by a revision. Needs the extra `etcd` (grpcio)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from k8senc.errors import RemoteError, UsageError
from k8senc.kms_messages import all_fields, field, number, tagged

__all__ = ["Compacted", "EtcdClient", "KeyValue", "Member", "Page", "Tls", "prefix_end"]

DEFAULT_TIMEOUT = 10.0
# A page may hold a few values of etcd's greatest size (1.5 MiB), or of a limit that was raised.
_MOST_MESSAGE = 256 << 20

_KV, _MAINTENANCE, _AUTH = "/etcdserverpb.KV/", "/etcdserverpb.Maintenance/", "/etcdserverpb.Auth/"


@dataclass(frozen=True)
class Tls:
    """PEM files of a TLS connection. Without `ca` the system's authorities are trusted."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, repr=False)
class KeyValue:
    """One key at one revision."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int


@dataclass(frozen=True, repr=False)
class Page:
    """Some of a range, and whether there is more behind it."""

    items: list[KeyValue]
    more: bool
    count: int
    revision: int
    """The store's revision when it answered, not the one that was asked for."""
    cluster_id: int = 0
    """Zero from kine, which has none."""


@dataclass(frozen=True)
class Member:
    """What one member says of itself."""

    version: str
    db_size: int
    db_size_in_use: int
    member_id: int
    cluster_id: int
    revision: int
    is_learner: bool
    errors: tuple[str, ...]


class Compacted(RemoteError):
    """The revision that was asked for has been compacted away."""

    __module__ = "k8senc"


def prefix_end(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with `prefix`, as etcd wants it; `\\0` for all keys there are."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else b"\x00"


class EtcdClient:
    """One etcd member. Reads change nothing; `replace` and `remove` act only on the revision that was read.

    Raises `RemoteError` (`etcd-unreachable`, `etcd-refused`), `Compacted` (`etcd-compacted`), `UsageError` for what was
    given.
    """

    def __init__(self, endpoint: str, tls: Tls | None = None, *, user: str | None = None, password: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> None:
        try:
            # grpcio has no types of its own.
            self._grpc: Any = importlib.import_module("grpc")
        except ImportError:
            raise UsageError("extra-etcd", "a live etcd needs grpcio: pip install 'k8senc[etcd]'") from None
        self.endpoint, self.timeout = endpoint, timeout
        target, secure = _target(endpoint)
        options = [("grpc.max_receive_message_length", _MOST_MESSAGE), ("grpc.max_send_message_length", _MOST_MESSAGE), ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        if secure:
            self._channel = self._grpc.secure_channel(target, self._credentials(tls or Tls()), options=options)
        elif tls is not None and (tls.ca or tls.cert or tls.key):
            raise UsageError("etcd-endpoint", f"certificates were given, but {endpoint} is not https://")
        else:
            self._channel = self._grpc.insecure_channel(target, options=options)
        self._metadata: list[tuple[str, str]] = []
        if user is not None:
            answer = self._call(_AUTH + "Authenticate", field(1, user.encode()) + field(2, (password or "").encode()))
            self._metadata = [("token", _bytes(answer, 2).decode())]

    def status(self) -> Member:
        """The member behind the endpoint."""
        answer = self._call(_MAINTENANCE + "Status", b"")
        header = _header(answer)
        errors = tuple(value.decode(errors="replace") for tag, value in answer if tag == 8 and isinstance(value, bytes))
        return Member(_bytes(answer, 2).decode(errors="replace"), _int(answer, 3), _int(answer, 9), _int(header, 2), _int(header, 1), _int(header, 3), bool(_int(answer, 10)), errors)

    def page(self, key: bytes, end: bytes = b"", *, limit: int = 0, revision: int = 0, keys_only: bool = False) -> Page:
        """Up to `limit` keys of `key` to `end` (left out), by key, as they were at `revision` (0: now).

        A linearizable read: what a majority has agreed on.
        """
        asked = tagged(1, key) + field(2, end) + number(3, limit) + number(4, revision) + number(8, keys_only)
        answer = self._call(_KV + "Range", asked)
        items = [_key_value(value) for tag, value in answer if tag == 2 and isinstance(value, bytes)]
        header = _header(answer)
        return Page(items, bool(_int(answer, 3)), _int(answer, 4), _int(header, 3), _int(header, 1))

    def get(self, key: bytes) -> KeyValue | None:
        """One key as it is now."""
        return next(iter(self.page(key).items), None)

    def pages(self, prefix: bytes, *, size: int = 500, revision: int = 0, keys_only: bool = False, pause: Callable[[int], None] | None = None) -> Iterator[Page]:
        """All keys under a prefix, in pages of one revision: `revision`, or that of the first answer.

        `pause` is called with the number of keys of each page before the next is asked for.
        """
        key, end = prefix or b"\x00", prefix_end(prefix)
        while True:
            page = self.page(key, end, limit=size, revision=revision, keys_only=keys_only)
            yield page
            if not page.more or not page.items:
                return
            revision = revision or page.revision
            key = page.items[-1].key + b"\x00"
            if pause is not None:
                pause(len(page.items))

    def snapshot(self) -> Iterator[tuple[bytes, int]]:
        """The member's snapshot in pieces, each with the bytes that are still to come, as `etcdctl snapshot save` writes it."""
        stream = self._channel.unary_stream(_MAINTENANCE + "Snapshot")(b"", metadata=self._metadata)
        try:
            for message in stream:
                answer = list(all_fields(message))
                yield _bytes(answer, 3), _int(answer, 2)
        except self._grpc.RpcError as error:
            raise self._refusal(error) from None

    def replace(self, seen: KeyValue, value: bytes) -> int | None:
        """Puts a value if the key is still as it was seen, and keeps its lease. The new revision, or None if it has changed."""
        put = tagged(1, seen.key) + tagged(2, value) + (number(3, seen.lease) if seen.lease else b"")
        return self._guarded(seen, tagged(2, put))

    def create(self, key: bytes, value: bytes) -> int | None:
        """Puts a key that is not there. The revision, or None if it is."""
        absent = number(2, 2) + tagged(3, key)
        answer = self._call(_KV + "Txn", tagged(1, absent) + tagged(2, tagged(2, tagged(1, key) + tagged(2, value))))
        return _int(_header(answer), 3) if _int(answer, 2) else None

    def remove(self, seen: KeyValue) -> int | None:
        """Deletes a key if it is still as it was seen. The new revision, or None if it has changed."""
        return self._guarded(seen, tagged(3, tagged(1, seen.key)))

    def close(self) -> None:
        """Hangs up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _guarded(self, seen: KeyValue, operation: bytes) -> int | None:
        unchanged = number(2, 2) + tagged(3, seen.key) + number(6, seen.mod_revision)
        # kine takes transactions of kube-apiserver's form alone: one that fails reads the key.
        answer = self._call(_KV + "Txn", tagged(1, unchanged) + tagged(2, operation) + tagged(3, tagged(1, tagged(1, seen.key))))
        return _int(_header(answer), 3) if _int(answer, 2) else None

    def _credentials(self, tls: Tls) -> Any:
        if (tls.cert is None) != (tls.key is None):
            raise UsageError("etcd-tls", "a client certificate and its key are needed together")
        pems = [None if path is None else _pem(path) for path in (tls.ca, tls.key, tls.cert)]
        return self._grpc.ssl_channel_credentials(*pems)

    def _call(self, method: str, message: bytes) -> list[tuple[int, int | bytes]]:
        try:
            answer: bytes = self._channel.unary_unary(method)(message, timeout=self.timeout, metadata=self._metadata)
        except self._grpc.RpcError as error:
            raise self._refusal(error) from None
        return list(all_fields(answer))

    def _refusal(self, error: Any) -> RemoteError:
        code, details = error.code(), str(error.details())
        if code in (self._grpc.StatusCode.UNAVAILABLE, self._grpc.StatusCode.DEADLINE_EXCEEDED):
            return RemoteError("etcd-unreachable", f"etcd at {self.endpoint} does not answer: {details}")
        if code == self._grpc.StatusCode.OUT_OF_RANGE and "compacted" in details:
            return Compacted("etcd-compacted", f"etcd at {self.endpoint} has compacted the revision that is being read: read again, faster or from a snapshot")
        return RemoteError("etcd-refused", f"etcd at {self.endpoint} refuses: {details}")


def _target(endpoint: str) -> tuple[str, bool]:
    """What gRPC dials, and whether by TLS."""
    if endpoint.startswith(("unix:", "unixs:")):
        kind, _, path = endpoint.partition(":")
        return f"unix:{path.removeprefix('//')}", kind == "unixs"
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
        host, port = parts.hostname, parts.port or 2379
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if not host or parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.username:
        raise UsageError("etcd-endpoint", "the etcd endpoint is no https://HOST:PORT, http://HOST:PORT or unix:///path")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}", parts.scheme == "https"


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError("etcd-tls", f"{path} cannot be read: {error.strerror}") from None


def _key_value(message: bytes) -> KeyValue:
    found = list(all_fields(message))
    return KeyValue(_bytes(found, 1), _bytes(found, 5), _int(found, 2), _int(found, 3), _int(found, 4), _int(found, 6))


def _header(answer: list[tuple[int, int | bytes]]) -> list[tuple[int, int | bytes]]:
    return list(all_fields(_bytes(answer, 1)))


def _bytes(found: list[tuple[int, int | bytes]], tag: int) -> bytes:
    return next((value for number, value in found if number == tag and isinstance(value, bytes)), b"")


def _int(found: list[tuple[int, int | bytes]], tag: int) -> int:
    return next((value for number, value in found if number == tag and isinstance(value, int)), 0)
