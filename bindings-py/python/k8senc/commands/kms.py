"""`k8senc kms`: KMS plugins, seen from kube-apiserver's side of the socket."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, USAGE, Failure, progress

if TYPE_CHECKING:
    from rich.table import Table

    from k8senc.kms_check import Report

EXIT_CODES = """\b
Exit codes:
  0  every rule is kept (warnings may remain)
  1  a rule is broken
  2  the command is wrong
  5  nobody answers on the socket
  130  interrupted"""


@click.group()
def kms() -> None:
    """KMS v2 plugins, seen from kube-apiserver's side of the socket.

    \b
    Examples:
      k8senc kms check unix:///run/kms/kms.sock
    """


@kms.command(epilog=EXIT_CODES)
@click.argument("endpoint")
@click.option("--timeout", type=click.FloatRange(0, 60, min_open=True), default=3.0, show_default=True, metavar="SECONDS", help="The provider's timeout in the EncryptionConfiguration.")
@click.option("--requests", type=click.IntRange(0, 100_000), default=100, show_default=True, metavar="N", help="Decrypt calls of the load rule.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=16, show_default=True, metavar="N", help="Calls at once.")
@click.option("--watch", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="How long to watch whether key_id stays.")
@click.option("--restart", metavar="COMMAND", help="Restarts the plugin, to see what that changes, such as: 'systemctl restart kms-plugin'.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def check(context: click.Context, endpoint: str, timeout: float, requests: int, concurrency: int, watch: float, restart: str | None, form: str) -> None:
    """Does this plugin keep the KMS v2 contract? Plays kube-apiserver against it and says what that would do.

    ENDPOINT is the plugin's socket, unix:///path. No key of a cluster is involved: the seeds are drawn for the test.
    The KMS behind the plugin is called, about 150 times unless --requests says otherwise.

    \b
    Examples:
      k8senc kms check unix:///run/kms/kms.sock
      k8senc kms check unix:///run/kms/kms.sock --watch 120 --restart 'systemctl restart kms-plugin'
      k8senc kms check unix:///run/kms/kms.sock --format json | jq '.checks[] | select(.outcome != "pass")'
    """
    from k8senc import kms_check

    with progress("asking the plugin") as told:
        report = kms_check.check(
            endpoint,
            timeout=timeout,
            requests=requests,
            concurrency=concurrency,
            watch=watch,
            restart=_restarts(restart) if restart else None,
            progress=told,
        )
    if form == "json":
        click.echo(json.dumps(report.as_dict(), indent=2))
    else:
        from k8senc import terminal

        terminal.show(_table(report))
        click.echo(_summary(report))
    context.exit(FINDINGS if report.failed else CLEAN)


def _restarts(command: str) -> Callable[[], None]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Failure(USAGE, f"--restart: {error}") from None

    def restart() -> None:
        try:
            subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            raise Failure(USAGE, f"--restart: {escape(str(error))}") from None

    return restart


def _table(report: Report) -> Table:
    from rich.table import Table
    from rich.text import Text

    from k8senc.kms_check import RULES

    style = {"pass": "green", "fail": "bold red", "warn": "yellow", "untested": "dim"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in report.checks:
        told = Text(RULES[one.rule], style="bold" if one.outcome == "fail" else "")
        told.append(f"\n{escape(one.found)}", style="dim")
        if one.consequence:
            told.append(f"\n→ {escape(one.consequence)}")
        table.add_row(Text(one.rule), Text(one.outcome, style=style[one.outcome]), told)
    return table


def _summary(report: Report) -> str:
    count = report.as_dict()["summary"]
    parts = [f"{count['pass']} passed", f"{count['fail']} failed", f"{count['warn']} with a warning", f"{count['untested']} not tested"]
    return ", ".join(part for part in parts if not part.startswith("0 ") or part.endswith("failed"))
