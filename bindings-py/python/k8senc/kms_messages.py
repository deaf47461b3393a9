"""The few protobuf messages of the KMS plugin API, without a protobuf library."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["field", "fields", "tagged"]


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


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
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
