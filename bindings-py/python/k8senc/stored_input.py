"""The forms in which people have a stored value at hand."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

from k8senc.errors import UsageError

FORMS = ("auto", "raw", "hex", "base64", "etcdctl-json", "etcdctl")

_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2}\s*)+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{4,}={0,2}")
_HEXDUMP_LINE = re.compile(rb"([0-9a-f]{7,8})  ((?:[0-9a-f]{2} {1,2}){1,16}) *\|.{1,16}\|")
_XXD_LINE = re.compile(rb"([0-9a-f]{8}): ((?:[0-9a-f]{2,4} )+) +.{1,16}")
_HEXDUMP_END = re.compile(rb"[0-9a-f]{7,8}")
# A starred line stands for any number of repetitions; no stored value is larger than what etcd takes in a request.
_MOST = 64 << 20



@dataclass(frozen=True)
class Found:
    """A stored value, and how it was given."""

    stored: bytes
    form: str
    etcd_key: bytes | None = None
    mod_revision: int | None = None


def read_values(data: bytes, form: str = "auto") -> list[Found]:
    """The stored values in `data`. `auto` tries the forms that cannot be mistaken first; what fits none is raw."""
    if form == "auto":
        if (answered := _etcdctl_json(data)) is not None:
            return answered
        return _hexdump(data) or _escaped_hex(data) or _one(_hex(data) or _base64(data)) or _etcdctl(data) or [Found(data, "raw")]
    if form == "raw":
        return [Found(data, "raw")]
    readers = {
        "hex": lambda: _hexdump(data) or _escaped_hex(data) or _one(_hex(data)),
        "base64": lambda: _one(_base64(data)),
        "etcdctl-json": lambda: _etcdctl_json(data),
        "etcdctl": lambda: _etcdctl(data),
    }
    if (found := readers[form]()) is None:
        raise UsageError("input-form", f"the input is not {form}; known forms are {', '.join(FORMS)}")
    return found


def _one(found: Found | None) -> list[Found] | None:
    return [found] if found else None


def _etcdctl_json(data: bytes) -> list[Found] | None:
    """`etcdctl get -w json`: keys and values are base64, and `kvs` is absent when nothing was found. A custom resource is
    JSON too, but has other fields."""
    if not data.lstrip()[:1] == b"{":
        return None
    try:
        answer = json.loads(data)
        pairs = answer.get("kvs", [])
        if "header" not in answer or answer.keys() - {"header", "kvs", "count", "more"}:
            return None
        return [
            Found(
                base64.b64decode(pair.get("value", ""), validate=True),
                "etcdctl-json",
                base64.b64decode(pair["key"], validate=True),
                int(pair["mod_revision"]) if "mod_revision" in pair else None,
            )
            for pair in pairs
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _hexdump(data: bytes) -> list[Found] | None:
    """`hexdump -C` or `xxd` of a value, or of the key line and value that `etcdctl get` prints."""
    out = bytearray()
    starred = False
    for raw in data.strip().splitlines():
        line = raw.rstrip(b" ") if raw.endswith(b"| ") else raw
        if line == b"*" and out:
            starred = True
            continue
        matched = _HEXDUMP_LINE.fullmatch(line) or _XXD_LINE.fullmatch(line) or (_HEXDUMP_END.fullmatch(line) if out else None)
        if not matched:
            return None
        offset = int(matched[1] if matched.lastindex else matched[0], 16)
        if starred and len(out) < offset <= _MOST:
            out += bytes(out[-16:]) * ((offset - len(out)) // 16)
        starred = False
        if offset != len(out):
            return None
        if matched.lastindex:
            out += bytes.fromhex(matched[2].replace(b" ", b"").decode())
    whole = bytes(out)
    return (_etcdctl(whole) or [Found(whole, "hexdump")]) if whole else None


def _escaped_hex(data: bytes) -> list[Found] | None:
    r"""`etcdctl get --hex`: lines of `\x6b\x38…`, key and value in turn, or one value alone."""
    lines = data.split()
    if not lines or not all(re.fullmatch(rb"(?:\\x[0-9a-fA-F]{2})+", line) for line in lines):
        return None
    parts = [bytes.fromhex(line.replace(b"\\x", b"").decode()) for line in lines]
    if len(parts) == 1:
        return [Found(parts[0], "etcdctl --hex")]
    if len(parts) % 2:
        return None
    return [Found(value, "etcdctl --hex", key) for key, value in zip(parts[::2], parts[1::2], strict=True)]


def _hex(data: bytes) -> Found | None:
    text = data.strip()
    if not _HEX.fullmatch(text):
        return None
    return Found(bytes.fromhex(text.decode()), "hex")


def _base64(data: bytes) -> Found | None:
    text = b"".join(data.split())
    if not _BASE64.fullmatch(text) or len(text) % 4:
        return None
    try:
        return Found(base64.b64decode(text, validate=True), "base64")
    except binascii.Error:
        return None


def _etcdctl(data: bytes) -> list[Found] | None:
    """`etcdctl get` of one key: the key, a newline, the value, a newline. No stored value begins with a slash."""
    key, newline, value = data.partition(b"\n")
    if not key.startswith(b"/") or not newline or not value.endswith(b"\n"):
        return None
    return [Found(value[:-1], "etcdctl", key)]
