"""`k8senc drill`: can this backup be opened with the keys in escrow?"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, UNDECIDED, UNREADABLE, about, note, progress, read_config
from k8senc.key_sources import Opening, opening_options
from k8senc.sources import Live, label_of, live_options, opened

EXIT_CODES = """\b
Exit codes:
  0  every live value opens: the backup is worth something
  1  some do not open, or nothing is in it
  2  the command or the configuration is wrong
  3  the snapshot cannot be read or is damaged
  4  some wait for a KMS that was not asked, or did not answer; or a member's log holds newer values
  5  a KMS, an etcd or a URL could not be reached
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("snapshot", metavar="SOURCE")
@click.option("-c", "--config", "config_file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The EncryptionConfiguration that is kept with the backup.")
@opening_options
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Call no KMS when the snapshot asks for more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling a KMS.")
@live_options("--cert-key", "--key")
@click.pass_context
def drill(
    context: click.Context,
    snapshot: str,
    config_file: Path,
    opening: Opening,
    form: str,
    etcd_prefix: str | None,
    max_kms_calls: int,
    yes: bool,
    live: Live,
) -> None:
    """Whether a backup can be opened with the keys in escrow. Every live value is decrypted, none is written.

    SOURCE is whatever `k8senc audit` reads: a snapshot, a stopped member's data directory, a URL, ...

    \b
    Examples:
      k8senc drill snapshot.db -c escrow/encryption-config.yaml --kms cloud=unix:///run/kms.sock
      k8senc drill snapshot.db -c escrow/encryption-config.yaml --recovery-key file:recovery.key --cluster-label prod
      k8senc drill s3://backups/etcd.db -c escrow/encryption-config.yaml --format json | jq .restorable
    """
    from k8senc import auditing, kms_calls

    config = read_config(config_file)
    kms = opening.kms(config)
    with about(label_of(snapshot)), opened(snapshot, live) as source:
        run = source.audit(config, etcd_prefix=os.fsencode(etcd_prefix) if etcd_prefix is not None else None)
        if config.kms_providers:
            with progress("looking for encrypted DEKs") as told:
                planned = auditing.plan(run, kms, told)
            kms_calls.make(run, planned, kms, max_kms_calls, yes)
        with progress("opening every value") as told:
            answer = json.loads(run.finish(told).drill())
        with progress("reading the log") as told:
            behind = source.tell_pending(told)
    if form == "json":
        click.echo(json.dumps(answer, indent=2))
    else:
        _tell(answer, source.name)
    if answer["damaged"]:
        note(f"{source.label} is damaged: etcd would refuse to restore it")
        context.exit(UNREADABLE)
    if answer["restorable"]:
        context.exit(UNDECIDED if behind else CLEAN)
    if not answer["live"]:
        note(f"{source.label} holds no Kubernetes objects: nothing is proven")
    only_waits = answer["missing"] and all(one["code"] == "dek-missing" for one in answer["missing"])
    context.exit(UNDECIDED if only_waits else FINDINGS)


def _tell(answer: dict[str, Any], name: str) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from k8senc import terminal

    live, opens = answer["live"], answer["opens"]
    if answer["restorable"]:
        head = Text(f"✓ all {live:,} live objects of {escape(name)} open", "bold green")
    else:
        head = Text(f"✗ {opens:,} of {live:,} live objects of {escape(name)} open", "bold red")
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("resource", overflow="fold")
    for name in ("live", "open", "do not", "wait"):
        table.add_column(name, justify="right", min_width=6)
    for one in answer["resources"]:
        bad, waits = one["unreadable"], one["undecided"]
        table.add_row(one["resource"], f"{one['live']:,}", f"{one['opens']:,}", Text(f"{bad:,}" if bad else "", "bold red"), Text(f"{waits:,}" if waits else "", "yellow"))
    parts: list[Text | Table] = [head, Text(), table]
    if answer["missing"]:
        parts += [Text(), Text("What stands in the way:", "bold")]
        parts += [Text(f"  {one['live']:>7,}  {one['what']}") for one in answer["missing"]]
    terminal.show(Group(*parts))
