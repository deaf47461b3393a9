"""`k8senc show`: what a configuration amounts to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import Config, Coverage, coverage, escape, key_marks, unreached
from k8senc.command import CLEAN

if TYPE_CHECKING:
    from rich.console import RenderableType


EXIT_CODES = """\b
Exit codes:
  0  shown
  2  the command is wrong, or kube-apiserver refuses the configuration
  3  the file cannot be read, or holds and names no configuration
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option("--kubernetes", "version", metavar="1.N", help="Whose resources are listed; the newest known release by default.")
@click.option("--all", "every", is_flag=True, help="Name also the resources that no rule takes.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def show(context: click.Context, file: Path, version: str | None, every: bool, form: str) -> None:
    """Which provider each resource is written with, which read it, and which line of the file says so.

    FILE is an EncryptionConfiguration or a manifest that holds or names one.

    \b
    Examples:
      k8senc show encryption-config.yaml
      k8senc show encryption-config.yaml --kubernetes 1.29 --all
      k8senc show enc.yaml --format json | jq '.configurations[].resources[] | select(.encrypted)'
    """
    from k8senc import config_files

    found = config_files.configs(file)
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-show", "configurations": [_report(name, config, version) for name, config in found]}, indent=2))
    else:
        from rich.console import Group

        from k8senc import terminal

        terminal.show(Group(*[part for name, config in found for part in _show(name, config, version, every)]))
    context.exit(CLEAN)


def _report(name: str, config: Config, version: str | None) -> dict[str, object]:
    return {
        "file": escape(name),
        "resources": [
            {"resource": one.resource, "rule": one.rule, "reason": one.reason, "encrypted": one.encrypted, "providers": [escape(p) for p in one.providers]}
            for one in coverage(config, version=version)
        ],
        "matchNothing": [{"name": escape(n), "meant": meant} for n, meant in unreached(config, version=version)],
        "keys": [
            {"provider": key.provider, "name": escape(key.name), "bits": key.bits, "fingerprint": key.fingerprint, "resources": [escape(r) for r in key.resources]}
            for key in key_marks(config)
        ],
    }


def _show(name: str, config: Config, version: str | None, every: bool) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    from k8senc._native import LATEST
    from k8senc.finding_table import plural

    groups: dict[tuple[str | None, str, tuple[str, ...], bool], list[Coverage]] = {}
    for one in coverage(config, version=version):
        groups.setdefault((one.rule, one.reason, tuple(one.providers), one.encrypted), []).append(one)
    parts: list[RenderableType] = [Text.assemble((escape(name), "bold"), (f"  resources of Kubernetes {version or LATEST}", "dim")), Text()]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("resources", "written with", "also read with", "because"):
        table.add_column(heading, overflow="fold", header_style="dim")
    for (rule, reason, providers, encrypted), some in sorted(groups.items(), key=lambda item: (item[0][0] is None, len(item[1]))):
        names = [one.resource for one in some]
        listed = ", ".join(names) if every or len(names) <= 6 else f"{', '.join(names[:3])} and {len(names) - 3} more"
        why = reason if rule is None else f"{reason}: {escape(rule)}" if rule not in names else reason
        writer, *readers = map(escape, providers)
        table.add_row(Text(listed), Text(writer if encrypted else "plain text", "green" if encrypted else "red"), Text("\n".join(readers)), Text(why))
    parts.append(table)
    if nothing := unreached(config, version=version):
        parts.append(Text())
        for typed, meant in nothing:
            parts.append(Text(f"! {escape(typed)} matches no resource" + (f"; did you mean {meant}?" if meant else ""), "yellow"))
    if keys := key_marks(config):
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("key", "of", "bits", "fingerprint"):
            table.add_column(heading, header_style="dim", overflow="fold")
        seen = dict.fromkeys((key.name, key.provider, key.bits, key.fingerprint) for key in keys)
        for key_name, provider, bits, mark in seen:
            shown = Text(mark) if mark else Text("none: this key could be guessed", "red")
            table.add_row(escape(key_name), provider, str(bits), shown)
        parts += [Text(), table]
    total = sum(len(some) for key, some in groups.items() if key[3])
    parts += [Text(), Text(f"{plural(total, 'resource is', 'resources are')} written encrypted"), Text()]
    return parts
