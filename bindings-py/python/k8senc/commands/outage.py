"""`k8senc outage`: what a KMS outage does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import Config, FailureMode, escape, failure_modes
from k8senc.command import CLEAN

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOMENTS = {
    "1-minute": "1 minute",
    "4-minutes": "4 minutes",
    "reload": "after a reload",
    "restart": "after a restart",
}
_OUTCOMES = {"works": ("✓ work", "green"), "for-3-minutes": ("! until 3 min", "yellow"), "fails": ("✗ fail", "red")}

_ADVICE = [
    "Do not restart the API server and do not reboot its node: what it holds in memory is all that still reads.",
    "Do not change the configuration: a reload needs every plugin healthy, and a restart forgets what is known.",
    "A plugin that is up on one control-plane node is enough for that node's API server: send traffic there.",
    "k8senc explain with the API server's log line says what the plugin is missing.",
]


EXIT_CODES = """\b
Exit codes:
  0  shown
  2  the command is wrong, or kube-apiserver refuses the configuration
  3  the file cannot be read, or holds and names no configuration
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, readable=False))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def outage(context: click.Context, file: Path, form: str) -> None:
    """What still works while a KMS is down: now, after four minutes, after a reload, after a restart.

    FILE is an EncryptionConfiguration or a manifest that holds or names one. Nothing is called.

    \b
    Examples:
      k8senc outage /etc/kubernetes/enc/enc.yaml
      k8senc outage /etc/kubernetes/manifests/kube-apiserver.yaml --format json
    """
    from k8senc import config_files

    found = config_files.configs(file)
    if form == "json":
        report = [
            {
                "file": escape(name),
                "modes": [
                    {"rule": escape(m.rule), "kms": escape(m.kms), "moment": m.moment, "writes": m.writes, "readsOfKnown": m.known_reads, "readsOfOthers": m.other_reads}
                    for m in failure_modes(config)
                ],
            }
            for name, config in found
        ]
        click.echo(json.dumps({"format": 1, "kind": "k8senc-outage", "configurations": report}, indent=2))
        context.exit(CLEAN)
    from rich.console import Group

    from k8senc import terminal

    terminal.show(Group(*[part for name, config in found for part in _show(name, config)]))
    context.exit(CLEAN)


def _show(name: str, config: Config) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = [Text(escape(name), "bold")]
    modes = failure_modes(config)
    if not modes:
        return [*parts, Text("No KMS is configured: nothing here depends on one.")]
    # Rules with the same fate share their lines.
    fates: dict[tuple[str, tuple[tuple[str, str, str, str], ...]], list[str]] = {}
    by_rule: dict[tuple[str, str], list[FailureMode]] = {}
    for mode in modes:
        by_rule.setdefault((mode.kms, mode.rule), []).append(mode)
    for (kms, rule), some in by_rule.items():
        fate = tuple((m.moment, m.writes, m.known_reads, m.other_reads) for m in some)
        fates.setdefault((kms, fate), []).append(rule)
    for (kms, fate), rules in fates.items():
        parts += [Text(), Text.assemble(("KMS ", "dim"), (escape(kms), "bold"), (" is down: ", "dim"), ", ".join(map(escape, rules)))]
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading in ("\n  down", "\nwrites", "reads of what this server\nhas read or written since start", "reads of everything\nelse of this KMS"):
            table.add_column(heading, header_style="dim", overflow="fold")
        for moment, *outcomes in fate:
            table.add_row(f"  {_MOMENTS[moment]}", *[Text(*_OUTCOMES[outcome]) for outcome in outcomes])
        parts.append(table)
    parts += [Text(), Text("Reads of objects under other providers go on as always. While it lasts:")]
    advice = Table.grid(padding=(0, 1))
    for line in _ADVICE:
        advice.add_row("-", line)
    return [*parts, advice]
