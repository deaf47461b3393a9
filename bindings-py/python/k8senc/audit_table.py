"""The audit report for people: the verdict first, then what lies where, then what to do."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from k8senc._native import escape

Json = dict[str, Any]

_STALE = {
    "not-first-provider": "not first provider",
    "not-first-key": "not first key",
    "legacy-body": "KMS v1 CBC body",
    "key-id": "key_id is not current",
    "source-type": "key form",
}
_SEVERITY = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "info": ("·", "dim")}
_WIDEST_NAME = 46


def render(report: Json, name: str) -> RenderableType:
    """The whole report. All texts from the snapshot are escaped in it already."""
    parts: list[RenderableType] = [_headline(report), _source(report["snapshot"], name), Text(), _groups(report)]
    if any(group["guessed"] for group in report["groups"]):
        parts.append(Text("? key name up to its first colon: a guess, --config tells it exactly", "dim"))
    if report["totals"]["exposed"]:
        parts.append(_exposed(report))
    if report["findings"]:
        parts += [Text(), _findings(report["findings"])]
    if report["deks"]:
        parts += [Text(), _deks(report["deks"])]
    if report["keys"]:
        parts += [Text(), _keys(report["keys"])]
    return Group(*parts)


def _count(number: int) -> str:
    return f"{number:,}"


def _plural(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def clipped(text: str, width: int) -> str:
    """At most `width` characters, cut in the middle, where names differ least."""
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _headline(report: Json) -> Text:
    totals = report["totals"]
    bad = [
        (totals["exposed"], "in plaintext", "bold red"),
        (totals["unreadable"], "unreadable", "bold red"),
        (totals["moved"], "moved", "bold red"),
        # The exposed ones are stale too, but are said already.
        (sum(f["count"] for f in report["findings"] if f["code"] == "stale"), "stale", "bold yellow"),
        (totals["historyExposed"], "old versions in plaintext", "bold yellow"),
        ((report["residue"] or {}).get("exposed", 0), "recoverable in plaintext from free pages", "bold yellow"),
        (totals["undecided"] + totals["historyUndecided"], "undecided without KMS", "bold yellow"),
        (totals["staleUnknown"], "of unknown staleness", "bold yellow"),
    ]
    line = Text()
    parts = [(number, what, style) for number, what, style in bad if number]
    if report["snapshot"]["sha256"]["status"] == "mismatch":
        line.append("the file is damaged, counts may be wrong", "bold red")
    elif not parts and not totals["live"] and not totals["history"]:
        line.append("! no Kubernetes objects", "bold yellow")
    elif not parts:
        line.append("✓ ", "bold green")
        encrypted = totals["live"] - totals["plaintext"]
        what = "encrypted, current and readable" if report["judged"] else "encrypted (not opened: no configuration was given)"
        line.append(f"{_count(encrypted)} of {_plural(totals['live'], 'live object')} {what}", "bold green")
        return line
    else:
        worst = parts[0][2]
        line.append("✗ " if worst == "bold red" else "! ", worst)
        line.append(f"of {_plural(totals['live'], 'live object')}")
    for number, what, style in parts:
        line.append(": " if (number, what, style) == parts[0] else ", ")
        line.append(f"{_count(number)} {what}", style)
    return line


def _source(snapshot: Json, name: str) -> Text:
    size = snapshot["bytes"]
    shown = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.0f} kB"
    line = Text(style="dim")
    line.append(clipped(escape(name), 40))
    line.append(f"  {shown}, etcd {snapshot['etcdVersion']}, revision {_count(snapshot['revision'])}")
    if snapshot["compactRevision"]:
        line.append(f" (compacted to {_count(snapshot['compactRevision'])})")
    status = snapshot["sha256"]["status"]
    told = {
        "match": (", SHA-256 matches", "dim green"),
        "mismatch": (", SHA-256 DOES NOT MATCH", "bold red"),
        "absent": (", without SHA-256", "dim"),
        "unchecked": (", SHA-256 not checked", "dim"),
    }
    line.append(*told[status])
    return line


def _groups(report: Json) -> Table:
    """One row for each resource, and below it one for each provider, key and form."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("resource, provider, key", no_wrap=True, overflow="ellipsis", max_width=_WIDEST_NAME)
    table.add_column("live", justify="right", no_wrap=True, min_width=5)
    table.add_column("old", justify="right", no_wrap=True, min_width=5)
    table.add_column("state", overflow="fold", ratio=1)
    groups: dict[str, list[Json]] = {}
    for group in report["groups"]:
        groups.setdefault(group["resource"], []).append(group)
    for resource in report["resources"]:
        name = Text(clipped(resource["resource"], _WIDEST_NAME), "bold")
        rule = Text("no rule", "dim") if resource["covered"] is False else Text()
        table.add_row(name, Text(_count(resource["live"]), "bold"), Text(_count(resource["history"]), "dim"), rule)
        for group in groups.get(resource["resource"], []):
            table.add_row(_group_name(group), _count(group["live"]), Text(_count(group["history"]), "dim"), _state(group, report["judged"]))
    return table


def _exposed(report: Json) -> Text:
    """The namespaces with most values in plaintext."""
    line = Text("in plaintext by namespace: ", "dim")
    there = [space for space in report["namespaces"] if space["exposed"]]
    most = [f"{clipped(space['namespace'] or 'none', 30)} {_count(space['exposed'])}" for space in there[:5]]
    more = len(there) - len(most)
    return line.append(", ".join(most) + (f" and {_count(more)} more" if more else ""))


def _group_name(group: Json) -> Text:
    line = Text("  ")
    line.append(group["provider"], "cyan" if group["provider"] not in ("identity", "unknown", "empty") else "")
    names = [part for part in (group["key"], group["keyId"], group["form"]) if part]
    if group["guessed"]:
        names.append("?")
    room = _WIDEST_NAME - len(line.plain) - 1
    if names:
        line.append(" " + clipped(" ".join(names), room))
    return line


def _state(group: Json, judged: bool) -> Text:
    parts: list[tuple[str, str]] = []
    if group["exposed"]:
        parts.append((f"{_count(group['exposed'])} in plaintext", "bold red"))
    if group["historyExposed"]:
        parts.append((f"{_count(group['historyExposed'])} old in plaintext", "yellow"))
    if group["unreadable"]:
        why = ", ".join(why["code"] for why in group["unreadableWhy"] if why["live"])
        parts.append((f"{_count(group['unreadable'])} unreadable: {why}", "bold red"))
    if group["historyUnreadable"]:
        parts.append((f"{_count(group['historyUnreadable'])} old unreadable", "dim"))
    if group["moved"]:
        parts.append((f"{_count(group['moved'])} moved from another name", "bold red"))
    if group["stale"] and not group["exposed"]:
        why = ", ".join(_STALE.get(code, code) for code in group["staleWhy"])
        amount = "" if group["stale"] == group["live"] else f"{_count(group['stale'])} "
        parts.append((f"{amount}stale: {why}", "yellow"))
    if group["undecided"] or group["historyUndecided"]:
        parts.append((f"{_count(group['undecided'] + group['historyUndecided'])} undecided: DEK not there", "yellow"))
    if group["staleUnknown"]:
        parts.append(("current key_id unknown", "yellow"))
    if not parts:
        if group["provider"] in ("identity", "empty"):
            parts.append(("plaintext" if group["provider"] == "identity" else "empty", "dim"))
        elif group["live"] == 0:
            parts.append(("only old versions", "dim"))
        else:
            parts.append(("current" if judged else "encrypted", "green"))
    line = Text()
    for number, (text, style) in enumerate(parts):
        line.append("; " if number else "")
        line.append(text, style)
    return line


def _findings(findings: list[Json]) -> RenderableType:
    """Findings of one kind together, the worst first: what, what to do, and names."""
    kinds: dict[str, list[Json]] = {}
    for finding in findings:
        kinds.setdefault(finding["code"], []).append(finding)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for code, alike in kinds.items():
        mark, style = _SEVERITY.get(alike[0]["severity"], _SEVERITY["warning"])
        title = Text()
        title.append(_title(code, alike), style)
        title.append(f"  [{code}]", "dim")
        grid.add_row(Text(mark, style), title)
        for line in _names(code, alike):
            grid.add_row("", line)
        grid.add_row("", Text(alike[0]["advice"], "italic"))
    return grid


def _title(code: str, alike: list[Json]) -> str:
    total = sum(finding["count"] for finding in alike)
    if len(alike) == 1 or code not in _TITLES:
        message: str = alike[0]["message"]
        return message if len(alike) == 1 else f"{message} (and {len(alike) - 1} more such findings)"
    return f"{_plural(total, 'live value')} {_TITLES[code]}" if not code.startswith("history") else f"{_plural(total, 'old value')} {_TITLES[code]}"


_TITLES = {
    "exposed-plaintext": "stored in plaintext",
    "unreadable": "cannot be read",
    "moved": "under another name than the object's own",
    "stale": "would be written differently today",
    "undecided": "undecided, as the DEK is not there",
    "staleness-unknown": "may be stale: the KMS was not asked for its key_id",
    "history-plaintext": "still lie there in plaintext",
    "history-unreadable": "cannot be read",
}


def _names(code: str, alike: list[Json]) -> list[Text]:
    # The table says already what is stale and why.
    if code == "stale":
        return []
    lines = []
    for finding in alike:
        for example in finding["examples"]:
            line = Text("  ")
            line.append(clipped(example["etcdKey"], 72))
            if code == "unreadable":
                line.append(f"  {finding['provider']} {finding['key'] or ''}".rstrip(), "dim")
            lines.append(line)
        if finding["examples"] and finding["count"] > len(finding["examples"]):
            lines.append(Text(f"  and {_count(finding['count'] - len(finding['examples']))} more", "dim"))
    if len(lines) > _MOST_NAMES:
        lines[_MOST_NAMES:] = [Text("  and more; --format json lists them by finding", "dim")]
    return lines


_MOST_NAMES = 8


def _deks(deks: list[Json]) -> Text:
    line = Text("KMS calls of a cold start: ")
    for number, one in enumerate(deks):
        line.append(", " if number else "")
        line.append(clipped(one["provider"], 30), "cyan")
        line.append(f" ({one['api']}) {_count(one['live'])}")
        if one["all"] > one["live"]:
            line.append(f" (with old versions {_count(one['all'])})", "dim")
    return line


_REMOVABLE = {"yes": ("may be removed", "green"), "after-compaction": ("after the next compaction", "yellow"), "no": ("no", "yellow"), "writes": ("no, writes", ""), "unknown": ("unknown", "dim")}


def _keys(keys: list[Json]) -> Table:
    """May a key be removed? By who holds values of it."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="dim")
    table.add_column("may a key be removed?", no_wrap=True, overflow="ellipsis", max_width=_WIDEST_NAME)
    for column in ("live", "old", "free"):
        table.add_column(column, justify="right", no_wrap=True, min_width=5)
    table.add_column("answer", overflow="fold", ratio=1)
    for key in keys:
        name = Text("  ")
        name.append(key["provider"], "cyan")
        name.append(" " + clipped(key["key"], _WIDEST_NAME - len(name.plain) - 1))
        free = "" if key["residue"] is None else _count(key["residue"])
        table.add_row(name, _count(key["live"]), Text(_count(key["history"]), "dim"), Text(free, "dim"), Text(*_REMOVABLE[key["removable"]]))
    return table
