"""`k8senc audit`: what an etcd snapshot holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from k8senc._native import escape
from k8senc.command import CLEAN, EXIT_CODES, UNDECIDED, UNREADABLE, about, kms_of, note, progress, read_config


@click.command(epilog=EXIT_CODES)
@click.argument("snapshot", type=click.Path(path_type=Path))
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="EncryptionConfiguration. With it values are opened and judged as kube-apiserver would; without, they are classified.")
@click.option("--kms", "kms_specs", multiple=True, metavar="NAME=WHERE", help="Who answers for the KMS provider NAME: a file with local KEKs, or the plugin's socket as unix:///path. Repeatable.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Call no KMS when the snapshot asks for more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling a KMS.")
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, metavar="N", help="Names given of each kind of finding.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--threads", type=click.IntRange(min=0), default=0, metavar="N", help="Threads to use; 0 is all.")
@click.option("--no-hash", is_flag=True, help="Do not check the SHA-256 behind the snapshot.")
@click.pass_context
def audit(
    context: click.Context,
    snapshot: Path,
    config_file: Path | None,
    kms_specs: tuple[str, ...],
    form: str,
    max_kms_calls: int,
    yes: bool,
    examples: int,
    etcd_prefix: str | None,
    threads: int,
    no_hash: bool,
) -> None:
    """What in an etcd snapshot is encrypted, with which provider and key; what is stale, what cannot be
    read, and what still lies there in plaintext.

    SNAPSHOT is a file of `etcdctl snapshot save`, or the db file of a stopped etcd member.

    \b
    Examples:
      k8senc audit snapshot.db
      k8senc audit snapshot.db --config encryption-config.yaml --kms cloud-kms=unix:///run/kms.sock
      k8senc audit snapshot.db --format json | jq .totals
    """
    from k8senc import auditing, kms_calls
    from k8senc._native import Audit

    config = read_config(config_file) if config_file else None
    kms = kms_of(kms_specs, config)
    prefix = etcd_prefix.encode() if etcd_prefix is not None else None
    with about(snapshot):
        run = Audit(snapshot, config, threads=threads, hash=not no_hash, examples=examples, etcd_prefix=prefix)

    capped = False
    with about(snapshot):
        if config is not None and config.kms_providers:
            with progress("looking for encrypted DEKs") as told:
                planned = auditing.plan(run, kms, told)
            capped = not kms_calls.make(run, planned, kms, max_kms_calls, yes)
        with progress("reading") as told:
            text, code = run.report(told)
    report = json.loads(text)
    if form == "json":
        click.echo(text)
    else:
        from k8senc import audit_table, terminal

        terminal.show(audit_table.render(report, snapshot.name))
    if code == UNREADABLE:
        note(f"{escape(str(snapshot))} is damaged: {_damage(report['snapshot'])}; take a new snapshot, or compare with another copy of this one")
    if code == CLEAN and not report["totals"]["live"] and not report["totals"]["history"]:
        note(f"{escape(str(snapshot))} holds no Kubernetes objects: it may be another etcd's, or --etcd-prefix is needed")
        code = UNDECIDED
    context.exit(UNDECIDED if capped and code != UNREADABLE else code)


def _damage(snapshot: dict[str, Any]) -> str:
    if snapshot["damagedRows"]:
        return f"{snapshot['damagedRows']:,} of its rows cannot be parsed"
    return "the SHA-256 at its end is not that of its content"
