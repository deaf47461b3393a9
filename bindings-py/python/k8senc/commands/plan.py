"""`k8senc plan`: how to change an EncryptionConfiguration without a read that fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import UNREADABLE, USAGE, Failure, about, note, read_file
from k8senc.errors import ConfigError

if TYPE_CHECKING:
    from k8senc.planning import Inventory

_NO_FILE = "none"


EXIT_CODES = """\b
Exit codes:
  0  every step is safe
  1  a change in one go, or a step, is not
  2  the command is wrong, or kube-apiserver refuses a configuration
  3  the snapshot or the report cannot be read
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", required=False, type=click.Path(path_type=Path))
@click.option("--goal", metavar="GOAL", help="rotate-key, change-provider=aescbc|aesgcm|secretbox, kms-v2=NAME,unix:///SOCKET, v1-to-v2[=NAME], rename-key=OLD=NEW, decrypt-all, break-glass[=NAME]; with two files: converge.")
@click.option("--snapshot", type=click.Path(path_type=Path), metavar="DB", help="Count what is stored in this etcd snapshot. No KMS is asked.")
@click.option("--inventory", "inventory_file", type=click.Path(path_type=Path), metavar="JSON", help="Take the counts from a report of k8senc audit --format json.")
@click.option("--servers", type=click.IntRange(min=1), default=2, show_default=True, metavar="N", help="API servers that share the etcd.")
@click.option("--reload", "reloading", is_flag=True, help="They run with --encryption-provider-config-automatic-reload.")
@click.option("--kubernetes", metavar="1.N", help="Their release; the newest known one by default.")
@click.option("--resource", "resources", multiple=True, metavar="NAME", help="Change the entries of this rule alone. Repeatable.")
@click.option("--kms-delay", type=click.IntRange(min=0), default=0, metavar="SECONDS", help="How late the KMS plugin may see a new KEK.")
@click.option("--disable-key-id", "disabled_key_ids", multiple=True, metavar="ID", help="A key_id whose KEK is to be disabled: does anything stored name it? Repeatable.")
@click.option("--rewrite-by", type=click.Choice(["migration", "kubectl", "parts"]), help="StorageVersionMigration, one list, or namespace by namespace; by release and number of objects if not given.")
@click.option("--rewrite-after", type=click.IntRange(min=0), metavar="SECONDS", help="When the rewrite is to begin after the change; judged, not planned.")
@click.option("--in-place", is_flag=True, help="The file is written in place, not renamed; judged, not planned.")
@click.option("--path", metavar="PATH", help="Where the servers have the file.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option("--write-to", type=click.Path(path_type=Path), metavar="DIR", help="Write the file of every step there, with its keys: mode 0600 in a directory of mode 0700, never over a file.")
@click.pass_context
def plan(
    context: click.Context,
    old: Path,
    new: Path | None,
    goal: str | None,
    snapshot: Path | None,
    inventory_file: Path | None,
    servers: int,
    reloading: bool,
    kubernetes: str | None,
    resources: tuple[str, ...],
    kms_delay: int,
    disabled_key_ids: tuple[str, ...],
    rewrite_by: str | None,
    rewrite_after: int | None,
    in_place: bool,
    path: str | None,
    form: str,
    write_to: Path | None,
) -> None:
    """The steps from one EncryptionConfiguration to another, or to a goal, each checked.

    Every change is tried in a model of the API servers: some on the old file, some on the new one, all of
    them writing. If a server could meet a value that it cannot read, the shortest story of it is told and
    the exit code is 1. `none` in place of a file is no encryption configuration at all.

    \b
    Examples:
      k8senc plan old.yaml new.yaml --snapshot snapshot.db
      k8senc plan encryption-config.yaml --goal rotate-key --servers 3 --write-to plan
      k8senc plan encryption-config.yaml --goal change-provider=secretbox --format markdown
      k8senc plan encryption-config.yaml --goal break-glass
      k8senc plan server-a.yaml server-b.yaml --goal converge
    """
    from k8senc import planning

    if new is None and goal is None:
        raise Failure(USAGE, "a second file or --goal is needed: k8senc plan OLD NEW, or k8senc plan CURRENT --goal rotate-key")
    if snapshot is not None and inventory_file is not None:
        raise Failure(USAGE, "--snapshot and --inventory are two ways to say the same: one of them")
    if write_to is not None and write_to.is_dir() and any(write_to.glob("step-*.yaml")):
        raise Failure(USAGE, f"{escape(str(write_to))} holds a plan already, and nothing is written over: name another directory")
    current = _text(old)
    if current is not None:
        _check(old, current)
    inventory = _inventory(snapshot, inventory_file, current)
    made = planning.plan(
        current,
        None if new is None else _text(new),
        goal=goal,
        inventory=inventory,
        servers=servers,
        reload=reloading,
        kubernetes=kubernetes,
        resources=resources,
        kms_delay=kms_delay,
        disabled_key_ids=disabled_key_ids,
        rewrite_after=rewrite_after,
        rewrite_by=rewrite_by,
        in_place=in_place,
        path=path,
        keep_files=write_to is not None,
    )
    if form == "json":
        click.echo(made.json)
    elif form == "markdown":
        from k8senc import plan_markdown

        click.echo(plan_markdown.render(made), nl=False)
    else:
        from k8senc import plan_table, terminal

        terminal.show(plan_table.render(made))
    if write_to is not None:
        if not len(made.files):
            note(f"nothing was written to {escape(str(write_to))}: no step has a file")
        else:
            try:
                made.files.write(write_to)
            except OSError as error:
                raise Failure(USAGE, str(error)) from None
            note(f"{len(made.files)} files with keys are in {escape(str(write_to))}; delete it when the last step is done")
    context.exit(made.exit_code)


def _text(file: Path) -> bytes | None:
    if str(file) == _NO_FILE and not file.exists():
        return None
    return read_file(file, "the configuration")


def _check(file: Path, text: bytes) -> None:
    """A goal and a change begin at a file that loads."""
    from k8senc._native import Config

    try:
        Config.parse(text)
    except ConfigError as error:
        raise Failure(USAGE, f"kube-apiserver refuses {escape(str(file))}: {escape(error.message)}; k8senc validate says more") from None


def _inventory(snapshot: Path | None, report: Path | None, current: bytes | None) -> Inventory | None:
    from k8senc.planning import Inventory

    if snapshot is not None:
        with about(snapshot):
            return Inventory.from_snapshot(snapshot, current)
    if report is None:
        return None
    try:
        read = json.loads(read_file(report, "the inventory"))
        return Inventory.from_report(read if isinstance(read, dict) else {})
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(UNREADABLE, f"{escape(str(report))} is no report of k8senc audit --format json: {escape(str(error))}") from None
