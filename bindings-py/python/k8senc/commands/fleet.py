"""`k8senc fleet`: many snapshots, one report."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, OUTPUT, UNDECIDED, UNREADABLE, USAGE, Failure, progress, read_file, writes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from k8senc.fleet.task import Result

EXIT_CODES = """\b
Exit codes:
  0  clean
  1  findings in some snapshot
  2  the command is wrong, or a pattern names nothing
  3  a snapshot could not be read; the others are reported all the same
  4  no findings, but not everything could be decided (KMS values: no KMS is called)
  5  the store or the Dask scheduler cannot be reached
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("patterns", nargs=-1, required=True, metavar="SNAPSHOTS...")
@click.option("--config-map", "map_file", type=click.Path(path_type=Path), metavar="FILE", help='JSON or YAML: patterns of snapshots, and the configuration of each, a path or env:NAME, on the machine that reads it: {"prod-*.db": "/keys/prod.yaml"}.')
@click.option("--on", "where", type=click.Choice(["auto", "serial", "processes", "dask"]), default="auto", show_default=True, help="auto: processes; dask with --scheduler.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler, such as tcp://10.0.0.1:8786. Its workers need k8senc, the configurations, and access to the snapshots.")
@click.option("--workers", type=click.IntRange(1, 1024), default=None, metavar="N", help="Processes on this machine; one for each processor by default.")
@click.option("--require", "requirements", multiple=True, metavar="RULE", help="As in k8senc audit: secrets=kms-v2, cis-kubernetes. Repeatable.")
@click.option("--redact-names", is_flag=True, help="Leave the names of objects and namespaces out.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--parquet", type=click.Path(path_type=Path), metavar="DIR", help="Also write snapshots.parquet, groups.parquet and findings.parquet there.")
@click.pass_context
def fleet(
    context: click.Context, patterns: tuple[str, ...], map_file: Path | None, where: str, scheduler: str | None, workers: int | None, requirements: tuple[str, ...], redact_names: bool, form: str, parquet: Path | None
) -> None:
    """Audit many snapshots at once: files, and s3://, gs://, https:// and whatever else fsspec reaches.

    A snapshot is a task. Keys are in no task and no result: each worker reads the configuration from its own
    disk or environment. A snapshot that cannot be read is reported, never left out. No KMS is called.

    \b
    Examples:
      k8senc fleet '/backups/*/snapshot.db' --config-map keys.yaml
      k8senc fleet 's3://backups/*.db' --config-map keys.yaml --scheduler tcp://10.0.0.1:8786 --parquet out
      k8senc fleet '/backups/*.db' --format json | jq '.clusters[] | select(.totals.exposed > 0).name'
    """
    from functools import reduce

    from k8senc import fleet as fleets
    from k8senc.fleet import tables

    if scheduler and where not in ("auto", "dask"):
        raise Failure(USAGE, f"--scheduler is for --on dask, not for --on {where}")
    configs = fleets.ConfigMap.parse(read_file(map_file, "the configuration map")) if map_file else None
    todo = fleets.tasks(fleets.find(patterns), configs, redact=redact_names, requirements=requirements)
    if parquet is not None:
        import importlib.util

        if importlib.util.find_spec("pyarrow") is None:
            raise Failure(USAGE, "Parquet needs pyarrow: pip install 'k8senc[fleet]'")
    count = workers or min(len(todo), os.cpu_count() or 1)
    running: Iterator[Result]
    if where == "dask" or scheduler:
        running = fleets.on_dask(todo, scheduler, count)
    elif where == "serial" or len(todo) == 1:
        running = fleets.one_by_one(todo)
    else:
        running = fleets.in_processes(todo, count)

    with progress(f"{len(todo):,} snapshots") as told:

        def counted() -> Iterator[Result]:
            for number, result in enumerate(running, 1):
                told(number, len(todo))
                yield result

        found = reduce(fleets.merge, counted(), fleets.EMPTY)
    report = fleets.report(found)
    if parquet is not None:
        writes("each Parquet file is whole or as it was")
        try:
            tables.write_parquet(report, parquet)
        except OSError as error:
            raise Failure(OUTPUT, f"{escape(str(parquet))} cannot be written: {error.strerror}") from None
    if form == "json":
        click.echo(json.dumps(report, indent=2))
    else:
        from k8senc import terminal

        terminal.show(tables.render(report))
    codes = {one["exitCode"] for one in report["clusters"]}
    if report["failed"] or UNREADABLE in codes:
        context.exit(UNREADABLE)
    context.exit(next((code for code in (FINDINGS, UNDECIDED) if code in codes), CLEAN))
