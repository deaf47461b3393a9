"""Findings as SARIF 2.1.0, for code scanning. No snippet of a source file is in it: a line can hold a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from k8senc._native import Finding, __version__, escape, rules

if TYPE_CHECKING:
    from k8senc.config_files import File

_LEVEL = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def log(judged: list[tuple[File, tuple[Finding, ...]]]) -> dict[str, Any]:
    """The whole log with one run."""
    used = sorted({one.code for _, some in judged for one in some})
    known = {rule.code: rule for rule in rules()}
    described = [
        {
            "id": code,
            "name": "".join(part.capitalize() for part in known[code].name.split("-")),
            "shortDescription": {"text": known[code].finds[:1].upper() + known[code].finds[1:]},
            "fullDescription": {"text": known[code].why},
            "help": {"text": f"{known[code].fix}\n\nSource: {known[code].source}"},
            "defaultConfiguration": {"level": _LEVEL[known[code].severity]},
        }
        for code in used
    ]
    results = [_result(file, one, used.index(one.code)) for file, some in judged for one in some]
    driver = {"name": "k8senc", "semanticVersion": __version__, "rules": described}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _uri(file: File) -> str:
    name = file.name
    # A path as it was given; everything that is not plain in a URI is escaped.
    return ("file://" if name.startswith("/") else "") + quote(name.encode("utf-8", "surrogateescape"), safe="/")


def _location(file: File, line: int | None, column: int | None, end: tuple[int | None, int | None] = (None, None)) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(file)}}
    if line is not None:
        region: dict[str, int] = {"startLine": line, "startColumn": column or 1}
        if end[0] is not None and end[1] is not None and end >= (line, column or 1):
            region |= {"endLine": end[0], "endColumn": end[1]}
        physical["region"] = region
    return {"physicalLocation": physical}


def _result(file: File, one: Finding, index: int) -> dict[str, Any]:
    text = escape(one.message) + (f" (kube-apiserver: {escape(one.upstream)})" if one.upstream else "")
    result: dict[str, Any] = {
        "ruleId": one.code,
        "ruleIndex": index,
        "level": _LEVEL[one.severity],
        "message": {"text": text},
        "locations": [_location(file, one.line, one.column, (one.end_line, one.end_column))],
    }
    if one.related:
        result["relatedLocations"] = [
            _location(file, line, column) | {"id": i, "message": {"text": escape(text)}} for i, (line, column, text) in enumerate(one.related)
        ]
    return result
