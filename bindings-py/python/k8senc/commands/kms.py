"""`k8senc kms`: KMS plugins, seen from kube-apiserver's side of the socket."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, USAGE, Failure, progress, read_file

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from k8senc.kms_check import Report
    from k8senc.kms_doctor import Diagnosis

EXIT_CODES = """\b
Exit codes:
  0  every rule is kept (warnings may remain)
  1  a rule is broken
  2  the command is wrong
  5  nobody answers on the socket
  130  interrupted"""

DOCTOR_CODES = """\b
Exit codes:
  0  every plugin works
  1  something is wrong
  2  the command or the configuration is wrong
  130  interrupted"""


@click.group()
def kms() -> None:
    """KMS v2 plugins, seen from kube-apiserver's side of the socket.

    \b
    Examples:
      k8senc kms doctor encryption-config.yaml     # something is wrong, now
      k8senc kms check unix:///run/kms/kms.sock    # does a plugin keep the contract?
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


@kms.command(epilog=DOCTOR_CODES)
@click.argument("what", metavar="CONFIG|ENDPOINT")
@click.option("--timeout", type=click.FloatRange(0, 60, min_open=True), default=3.0, show_default=True, metavar="SECONDS", help="For an endpoint; a configuration says its own.")
@click.option("--api-version", type=click.Choice(["v1", "v2"]), default="v2", show_default=True, help="For an endpoint.")
@click.option("--kubeconfig", metavar="FILE", help="Ask the API server as well: its health checks and metrics.")
@click.option("--context", "context_name", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--server", "servers", multiple=True, metavar="URL", help="Every API server, where there are several. Needs --kubeconfig.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def doctor(context: click.Context, what: str, timeout: float, api_version: str, kubeconfig: str | None, context_name: str | None, servers: tuple[str, ...], form: str) -> None:
    """Secrets cannot be read or written: what is wrong with the KMS plugin, and what to do next.

    Looks at the socket, makes three calls (Status, Encrypt, Decrypt) for each plugin of the configuration, and
    says what kube-apiserver does while it is so. Nothing is changed. Run it on the machine of an API server.

    \b
    Examples:
      k8senc kms doctor /etc/kubernetes/encryption-config.yaml
      k8senc kms doctor unix:///run/kms/kms.sock
      k8senc kms doctor encryption-config.yaml --kubeconfig /etc/kubernetes/admin.conf
    """
    from k8senc import kms_blocks, kms_doctor
    from k8senc.errors import ConfigError

    text: bytes | None = None
    if what.startswith("unix://"):
        blocks = [kms_blocks.Block(what, api_version, what, timeout, ())]
    else:
        text = read_file(Path(what), "the configuration")
        try:
            blocks = kms_blocks.blocks(text)
        except ConfigError as error:
            raise Failure(USAGE, f"kube-apiserver refuses {escape(what)}: {escape(error.message)}; that alone keeps it from starting: k8senc validate says more") from None
        if not blocks:
            raise Failure(USAGE, f"{escape(what)} has no KMS provider")
    found = [kms_doctor.diagnose(block) for block in blocks]
    if kubeconfig:
        _ask_servers(kubeconfig, context_name, servers, found)
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-kms-doctor", "plugins": [one.as_dict() for one in found]}, indent=2))
    else:
        from k8senc import terminal

        for one in found:
            terminal.show(_diagnosis(one))
        _consequences(text, found)
    context.exit(CLEAN if all(one.healthy for one in found) else FINDINGS)


def _ask_servers(kubeconfig: str, context_name: str | None, servers: tuple[str, ...], found: list[Diagnosis]) -> None:
    from k8senc.cluster import kubeconfig as access
    from k8senc.cluster.api import Api
    from k8senc.cluster.servers import look
    from k8senc.errors import RemoteError
    from k8senc.kms_doctor import Check, seen_by_server

    let_in = access.load(kubeconfig, context_name)
    checks = ["kms-providers", *(f"kms-provider-{number}" for number in range(len(found)))]
    for address in servers or (let_in.server,):
        api = Api(let_in, server=address if servers else None)
        try:
            seen = look(api, checks)
        except RemoteError as error:
            found[0].checks.append(Check("API server", "bad", escape(str(error)), "it does not start, or is not reached: its own log says why (k8senc explain reads a line of it)"))
            continue
        finally:
            api.close()
        for one in found:
            seen_by_server(one, seen.key_ids, seen.failing, escape(address))


def _diagnosis(one: Diagnosis) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    style = {"ok": "green", "bad": "bold red", "warn": "yellow", "unknown": "dim"}
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in one.checks:
        told = Text(check.found)
        if check.next and check.outcome != "ok":
            told.append(f"\n→ {check.next}")
        table.add_row(Text(f"  {check.what}"), Text(check.outcome, style=style[check.outcome]), told)
    heading = Text(escape(one.name), style="bold")
    if one.endpoint != one.name:
        heading.append(f"  {escape(one.endpoint)}", style="dim")
    return Group(heading, table)


def _consequences(text: bytes | None, found: list[Diagnosis]) -> None:
    from k8senc._native import Config, failure_modes

    sick = [one for one in found if not one.healthy]
    if not sick:
        click.echo("every plugin works, seen from here" + ("" if any(check.what == "API server" for one in found for check in one.checks) else "; --kubeconfig asks the API server as well"))
        return
    modes = failure_modes(Config.parse(text)) if text is not None else ()
    for one in sick:
        now = [mode for mode in modes if mode.kms == one.name]
        for moment, when in (("1-minute", "in the first three minutes"), ("4-minutes", "after that"), ("restart", "after a restart of kube-apiserver")):
            rules = {(mode.writes, mode.known_reads, mode.other_reads) for mode in now if mode.moment == moment}
            for writes_, known, other in sorted(rules):
                names = ", ".join(escape(mode.rule) for mode in now if mode.moment == moment and (mode.writes, mode.known_reads, mode.other_reads) == (writes_, known, other))
                click.echo(f"{when}, {names}: writes {_word(writes_)}, reads of what it has in memory {_word(known)}, other reads {_word(other)}")
        click.echo(f"next: {one.next_step()}")
    click.echo("do not restart kube-apiserver and do not change its configuration while a plugin is down: what it has in memory is lost (k8senc plan --goal break-glass)")


def _word(state: str) -> str:
    return state.replace("-", " ").replace("works", "work").replace("fails", "fail")


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
