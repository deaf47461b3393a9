"""Protobuf messages of gRPC services (KMS plugins, etcd), without a protobuf library."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["all_fields", "field", "fields", "number", "tagged"]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tagged(number: int, value: bytes) -> bytes:
    """A bytes, string or message field, also when it is empty."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def field(number: int, value: bytes) -> bytes:
    """A bytes or string field of proto3, which is absent when it is empty."""
    return tagged(number, value) if value else b""


def number(tag: int, value: int) -> bytes:
    """An integer, boolean or enumeration field of proto3, not negative, which is absent when it is zero."""
    return _varint(tag << 3) + _varint(value) if value else b""


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The bytes and string fields of a message; others are passed over."""
    return ((tag, value) for tag, value in all_fields(message) if isinstance(value, bytes))


def all_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The integers (unsigned) and the bytes and string fields of a message; fixed-size numbers are passed over."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            if at >= len(message) or shift > 63:
                raise RuntimeError("the answer is no protobuf message")
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(kind) or (varint() if kind == 2 else len(message) + 1)
        if size > len(message) - at:
            raise RuntimeError("the answer is no protobuf message")
        if kind == 2:
            yield tag >> 3, message[at : at + size]
        at += size
