"""`k8senc preflight`: may I restart or reload now?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from k8senc._native import Audit, Config, escape, validate
from k8senc.command import CLEAN, FINDINGS, UNDECIDED, UNREADABLE, Failure, about, progress, read_file, utf8
from k8senc.errors import ConfigError, RemoteError

EXIT_CODES = """\b
Exit codes:
  0  yes (some answers may ask for care)
  1  no
  2  the command is wrong
  3  the snapshot or the report cannot be read
  4  not everything could be looked at
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(path_type=Path), metavar="CONFIG")
@click.option("--kubeconfig", metavar="FILE", help="By default KUBECONFIG, the pod's service account, or ~/.kube/config.")
@click.option("--context", "context_name", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--server", "servers", multiple=True, metavar="URL", help="Every API server, where there are several.")
@click.option("--no-cluster", is_flag=True, help="Ask no API server.")
@click.option("--no-kms", is_flag=True, help="Call no KMS plugin. It is called three times otherwise.")
@click.option("--snapshot", type=click.Path(path_type=Path), metavar="DB", help="Count the distinct seeds in this etcd snapshot.")
@click.option("--inventory", type=click.Path(path_type=Path), metavar="JSON", help="Take them from a report of k8senc audit --format json.")
@click.option("--reload", "reloading", is_flag=True, help="The servers run with --encryption-provider-config-automatic-reload.")
@click.option("--kubernetes", "version", metavar="1.N", help="Their release; the newest known one by default.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def preflight(
    context: click.Context,
    file: Path,
    kubeconfig: str | None,
    context_name: str | None,
    servers: tuple[str, ...],
    no_cluster: bool,
    no_kms: bool,
    snapshot: Path | None,
    inventory: Path | None,
    reloading: bool,
    version: str | None,
    form: str,
) -> None:
    """May an API server be restarted, or reload its configuration, now?

    Looks whether the servers take CONFIG and already use it, whether they are ready, whether the KMS plugins
    answer, and how many calls a server makes before it can read everything again. Nothing is changed.
    Run it on the machine of the API server: a plugin's socket is local.

    \b
    Examples:
      k8senc preflight /etc/kubernetes/encryption-config.yaml --snapshot snapshot.db
      k8senc preflight enc.yaml --server https://10.0.0.1:6443 --server https://10.0.0.2:6443
      k8senc preflight enc.yaml --no-cluster
    """
    from k8senc import preflight as judging

    text = read_file(file, "the configuration")
    verdict = validate(text, version=version, reload=reloading, path=utf8(file))
    config = None
    try:
        config = Config.parse(text)
    except ConfigError:
        pass
    report = _counts(snapshot, inventory, config)
    blocks = _blocks(text) if config is not None and config.kms_providers else []
    seen, unreached = ([], {}) if no_cluster else _ask(kubeconfig, context_name, servers, len(blocks))
    plugins = []
    if not no_kms:
        from k8senc import kms_doctor

        plugins = [kms_doctor.diagnose(block) for block in blocks]
    done = judging.judge(
        [(escape(str(file)), verdict)],
        config.content_hash if config is not None else None,
        seen,
        unreached,
        plugins,
        report=report,
        timeouts={block.name: block.timeout for block in blocks},
        has_kms=bool(blocks),
        reload=reloading,
    )
    if no_kms and blocks:
        done.answers.append(judging.Answer("KMS", "unknown", "no plugin was called (--no-kms)"))
    if no_cluster:
        done.answers.append(judging.Answer("servers", "unknown", "no API server was asked (--no-cluster)"))
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-preflight", **done.as_dict()}, indent=2))
    else:
        _show(done)
    context.exit({"yes": CLEAN, "no": FINDINGS, "unknown": UNDECIDED}[done.verdict])


def _blocks(text: bytes) -> list[Any]:
    from k8senc import kms_blocks

    return kms_blocks.blocks(text)


def _counts(snapshot: Path | None, inventory: Path | None, config: Config | None) -> dict[str, Any] | None:
    if snapshot is not None:
        with about(snapshot), progress("counting seeds") as told:
            counted: dict[str, Any] = json.loads(Audit(snapshot, config).report(told)[0])
            return counted
    if inventory is None:
        return None
    try:
        report: dict[str, Any] = json.loads(read_file(inventory, "the inventory"))
        if report["kind"] != "k8senc-audit":
            raise ValueError("another kind of file")
        report["deks"]
    except (ValueError, KeyError, TypeError):
        raise Failure(UNREADABLE, f"{escape(str(inventory))} is no report of k8senc audit --format json") from None
    return report


def _ask(kubeconfig: str | None, context_name: str | None, servers: tuple[str, ...], blocks: int) -> tuple[list[Any], dict[str, str]]:
    from k8senc.cluster import kubeconfig as access
    from k8senc.cluster.api import Api
    from k8senc.cluster.servers import look

    let_in = access.load(kubeconfig, context_name)
    checks = ["kms-providers", *(f"kms-provider-{number}" for number in range(blocks))] if blocks else []
    seen, unreached = [], {}
    for address in servers or (let_in.server,):
        api = Api(let_in, server=address if servers else None)
        try:
            seen.append(look(api, checks))
        except RemoteError as error:
            unreached[escape(address)] = escape(str(error))
        finally:
            api.close()
    return seen, unreached


def _show(done: Any) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from k8senc import terminal

    style = {"yes": "green", "no": "bold red", "careful": "yellow", "unknown": "dim"}
    head = {"yes": "✓ yes: restart or reload, one server after the other", "no": "✗ no: not now", "unknown": "? nothing speaks against it, but not everything was looked at"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for one in done.answers:
        table.add_row(Text(one.question), Text(one.outcome, style=style[one.outcome]), Text(one.told))
    terminal.show(Group(Text(head[done.verdict], style=style[done.verdict]), table))
