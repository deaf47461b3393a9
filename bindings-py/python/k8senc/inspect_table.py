"""What `k8senc inspect` answers."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from k8senc._native import Pasted, escape, inspect

_TITLES = {
    "identity": "not encrypted",
    "empty": "empty",
    "unknown": "reserved prefix that no known provider writes",
    "aescbc": "encrypted with aescbc",
    "aesgcm": "encrypted with aesgcm",
    "secretbox": "encrypted with secretbox",
    "kms-v1": "encrypted with KMS v1",
    "kms-v2": "encrypted with KMS v2",
}


def answer(found: Pasted) -> dict[str, Any]:
    """The answer as JSON; texts from the value are escaped."""
    it = inspect(found.stored)
    return {
        "etcdKey": None if found.etcd_key is None else escape(found.etcd_key),
        "modRevision": found.mod_revision,
        "inputForm": found.form,
        "provider": it.provider,
        "encrypted": it.provider not in ("identity", "empty"),
        "name": None if it.name is None else escape(it.name),
        "nameIsExact": it.name_is_exact,
        "candidates": [escape(name) for name in it.candidates],
        "keyId": None if it.key_id is None else escape(it.key_id),
        "sourceType": it.source_type,
        "annotations": None if it.annotations is None else {escape(name): escape(value) for name, value in it.annotations.items()},
        "bytes": it.length,
        "bodyBytes": it.body_length,
        "dataBytes": it.data_length,
        "encryptedDekBytes": None if it.encrypted_dek is None else len(it.encrypted_dek),
        "encryptedDek": None if it.encrypted_dek is None else it.encrypted_dek.hex(),
        "problem": None if it.problem is None else {"code": it.problem, "message": escape(it.problem_text or ""), "upstream": it.upstream and escape(it.upstream)},
    }


def render(answers: list[dict[str, Any]]) -> RenderableType:
    """One block for each value."""
    blocks: list[RenderableType] = []
    for number, one in enumerate(answers):
        if number:
            blocks.append(Text())
        blocks.append(_block(one))
    return Group(*blocks)


def _block(one: dict[str, Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")

    def row(label: str, value: object, style: str = "") -> None:
        if value is not None:
            grid.add_row(label, Text(str(value), style))

    style = {"identity": "bold red", "empty": "bold yellow", "unknown": "bold yellow"}.get(one["provider"], "bold green")
    row("value", _TITLES[one["provider"]], style)
    row("etcd key", one["etcdKey"])
    row("revision", one["modRevision"])
    row("provider" if one["provider"].startswith("kms") else "key", one["name"])
    if one["name"] is not None and not one["nameIsExact"] and len(one["candidates"]) > 1:
        row("or", ", ".join(one["candidates"][1:4]) + " (key names may hold colons)", "dim")
    row("key_id", one["keyId"])
    row("form", one["sourceType"] and {"seed": "seed: a key for each value", "key": "key: the DEK itself"}[one["sourceType"]])
    for name, value in sorted((one["annotations"] or {}).items()):
        row("annotation", f"{name} = {value}")
    sizes = [f"{one['bytes']:,}"]
    if one["encryptedDekBytes"] is not None:
        sizes.append(f"encrypted DEK {one['encryptedDekBytes']:,}")
    if one["dataBytes"] is not None:
        sizes.append(f"data {one['dataBytes']:,}")
    elif one["encrypted"]:
        sizes.append(f"body {one['bodyBytes']:,}")
    row("bytes", ", ".join(sizes))
    if one["problem"]:
        row("problem", one["problem"]["message"], "bold red")
        row("", one["problem"]["upstream"] and f"kube-apiserver: {one['problem']['upstream']}", "dim")
    row("read as", one["inputForm"])
    return grid
