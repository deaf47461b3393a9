"""The command `k8senc`: arguments, files and exit codes. Every decision about bytes is made by the library."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import click

from k8senc._native import __version__, escape
from k8senc.errors import ConfigError, K8sEncError, RemoteError, SnapshotError, UsageError

if TYPE_CHECKING:
    from k8senc._native import Audit, Config
    from k8senc.auditing import Plan, Progress
    from k8senc.kms import Kms

CLEAN, FINDINGS, USAGE, UNREADABLE, UNDECIDED, REMOTE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

EXIT_CODES = """\b
Exit codes:
  0  clean
  1  findings: something deserves attention
  2  the command or the configuration is wrong
  3  the input cannot be read or is corrupt
  4  no findings, but not everything could be decided
  5  a KMS could not be reached
  130  interrupted"""

# What a person may paste or pipe; etcd refuses requests beyond 1.5 MiB unless told otherwise.
_MOST_INPUT = 64 << 20


class Failure(Exception):
    """Ends the command with one sentence on stderr."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def run() -> NoReturn:
    """The entry point of the command."""
    try:
        code = main.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = _interrupted()
    except KeyboardInterrupt:
        code = _interrupted()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Failure as error:
        code = _failed(error.exit_code, error)
    except BrokenPipeError:
        # The reader has what it wanted; Python must not complain while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 128 + signal.SIGPIPE
    except (ConfigError, UsageError) as error:
        code = _failed(USAGE, error)
    except RemoteError as error:
        code = _failed(REMOTE, error)
    except K8sEncError as error:
        code = _failed(UNREADABLE, error)
    sys.exit(code if isinstance(code, int) else CLEAN)


def _failed(code: int, error: Exception) -> int:
    _note(str(error))
    return code


def _interrupted() -> int:
    _note("interrupted; nothing was changed")
    return INTERRUPTED


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXIT_CODES)
@click.version_option(__version__, "-V", "--version", prog_name="k8senc")
def main() -> None:
    """Kubernetes encryption at rest, outside the API server.

    \b
    Examples:
      k8senc audit snapshot.db
      k8senc audit snapshot.db --config encryption-config.yaml
      etcdctl get /registry/secrets/default/a -w json | k8senc inspect
      k8senc validate encryption-config.yaml
    """


@main.command(epilog=EXIT_CODES, short_help="What a snapshot holds: encrypted, stale, unreadable, plaintext.")
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
    from k8senc import auditing
    from k8senc._native import Audit

    config = _config(config_file) if config_file else None
    kms = _kms_of(kms_specs, config)
    prefix = etcd_prefix.encode() if etcd_prefix is not None else None
    with _about(snapshot):
        run = Audit(snapshot, config, threads=threads, hash=not no_hash, examples=examples, etcd_prefix=prefix)

    capped = False
    with _about(snapshot):
        if config is not None and config.kms_providers:
            with _progress("looking for encrypted DEKs") as told:
                planned = auditing.plan(run, kms, told)
            _tell(planned)
            if capped := len(planned.asked) > max_kms_calls:
                _note(
                    f"the snapshot asks for {len(planned.asked):,} KMS calls, more than the {max_kms_calls:,} of --max-kms-calls: "
                    "none was made, and what needs them stays undecided"
                )
            else:
                _ask(run, planned, kms, yes)
        with _progress("reading") as told:
            text, code = run.report(told)
    report = json.loads(text)
    if form == "json":
        click.echo(text)
    else:
        from k8senc import audit_table, terminal

        terminal.show(audit_table.render(report, snapshot.name))
    if code == UNREADABLE:
        _note(f"{escape(str(snapshot))} is damaged: {_damage(report['snapshot'])}; take a new snapshot, or compare with another copy of this one")
    if code == CLEAN and not report["totals"]["live"] and not report["totals"]["history"]:
        _note(f"{escape(str(snapshot))} holds no Kubernetes objects: it may be another etcd's, or --etcd-prefix is needed")
        code = UNDECIDED
    context.exit(UNDECIDED if capped and code != UNREADABLE else code)


def _damage(snapshot: dict[str, Any]) -> str:
    if snapshot["damagedRows"]:
        return f"{snapshot['damagedRows']:,} of its rows cannot be parsed"
    return "the SHA-256 at its end is not that of its content"


def _note(text: str) -> None:
    click.echo(f"k8senc: {text}", err=True)


@contextmanager
def _about(file: Path) -> Iterator[None]:
    """Names the file in what is wrong with it."""
    try:
        yield
    except SnapshotError as error:
        raise Failure(UNREADABLE, f"{escape(str(file))}: {error}") from None


def _ask(run: Audit, planned: Plan, kms: Mapping[str, Kms], yes: bool) -> None:
    from k8senc import auditing

    remote = any(getattr(kms[need.request.provider], "remote", True) for need in planned.asked)
    if remote and not yes and sys.stdin.isatty():
        click.confirm("Make these calls?", abort=True, err=True)
    with _progress("asking the KMS") as told:
        refused = auditing.answer(run, planned, kms, told)
    for name, reason in refused.items():
        _note(f"KMS provider {escape(name)} refused: {escape(reason)}")


def _tell(planned: Plan) -> None:
    """Provider, key_id and number of calls, before any is made."""
    for provider, key_id, calls in planned.lines():
        key = f", key_id {escape(key_id)}" if key_id else ""
        click.echo(f"KMS {escape(provider)}{key}: {_calls(calls)}", err=True)
    for provider, calls in sorted(planned.unanswered.items()):
        click.echo(f"KMS {escape(provider)}: {_calls(calls)} not made, no --kms {escape(provider)}=... was given", err=True)
    if planned.beyond:
        click.echo(f"KMS: {_calls(planned.beyond)} more than can be listed; what needs them stays undecided", err=True)


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"


def _config(file: Path) -> Config:
    from k8senc._native import Config

    try:
        return Config.parse(_file(file, "the configuration"))
    except ConfigError as error:
        raise Failure(USAGE, f"kube-apiserver refuses {escape(str(file))}: {escape(error.message)}; k8senc validate says more") from None


def _kms_of(specs: tuple[str, ...], config: Config | None) -> dict[str, Kms]:
    from k8senc.kms import local_kek
    from k8senc.kms_socket import SocketKms

    if specs and config is None:
        raise Failure(USAGE, "--kms needs --config: the configuration says which values a KMS provider opens")
    versions = dict(config.kms_providers) if config else {}
    kms: dict[str, Kms] = {}
    for spec in specs:
        name, equals, where = spec.partition("=")
        if not name or not equals or not where:
            raise Failure(USAGE, f"--kms {spec!r}: NAME=FILE.json or NAME=unix:///path is needed, with the name of a KMS provider")
        if name not in versions:
            known = ", ".join(map(repr, versions)) or "none"
            raise Failure(USAGE, f"--kms {name!r}: the configuration has no KMS provider of this name; it has {known}")
        if name in kms:
            raise Failure(USAGE, f"--kms {name!r} is given twice")
        if where.startswith("unix://"):
            kms[name] = SocketKms(where, versions[name])
            continue
        if "://" in where:
            raise Failure(USAGE, f"--kms {spec!r}: known are a file of local KEKs and unix:///path; in Python, k8senc.audit takes any object with unwrap(request)")
        kms[name] = local_kek(_file(Path(where), "the KEK file"), name)
    return kms


@main.command("inspect", short_help="What one stored value says of itself, without keys.")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--input", "input_form", type=click.Choice(["auto", "raw", "hex", "base64", "etcdctl-json", "etcdctl"]), default="auto", show_default=True, help="Form of the input.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def inspect_command(context: click.Context, file: BinaryIO, input_form: str, form: str) -> None:
    """What a stored value says of itself: provider, key or plugin name, key_id, annotations, lengths. No keys are needed.

    FILE (default: stdin) is the raw value, hex, base64, a hexdump, or what etcdctl printed.

    \b
    Examples:
      etcdctl get /registry/secrets/default/a -w json | k8senc inspect
      etcdctl get /registry/secrets/default/a --print-value-only | k8senc inspect --input raw
      kubectl exec ... | hexdump -C | k8senc inspect
    """
    from k8senc import inspect_table, stored_input, terminal

    if file.isatty():
        raise Failure(USAGE, "inspect reads a stored value from a file or a pipe, such as: etcdctl get KEY -w json | k8senc inspect")
    try:
        data = file.read(_MOST_INPUT + 1)
    except OSError as error:
        raise Failure(UNREADABLE, f"the input cannot be read: {error.strerror}") from None
    if len(data) > _MOST_INPUT:
        raise Failure(UNREADABLE, "the input has more than 64 MiB, which no stored value has; for a snapshot use: k8senc audit")
    found = stored_input.read_values(data, input_form)
    if not found:
        raise Failure(UNREADABLE, "etcdctl found no key: the answer holds no value")
    answers = [inspect_table.answer(one) for one in found]
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-inspect", "values": answers}, indent=2))
    else:
        terminal.show(inspect_table.render(answers))
    context.exit(FINDINGS if any(one["problem"] for one in answers) else CLEAN)


@main.command(short_help="Whether kube-apiserver starts with a configuration.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--kubernetes", "version", metavar="1.N", help="The release that is asked; the newest known one by default.")
@click.option("--reload", "reloading", is_flag=True, help="With --encryption-provider-config-automatic-reload.")
@click.option("--kmsv1", type=click.BOOL, metavar="BOOL", help="The feature gate KMSv1; the release's default if not given.")
@click.pass_context
def validate(context: click.Context, files: tuple[Path, ...], version: str | None, reloading: bool, kmsv1: bool | None) -> None:
    """Whether kube-apiserver starts with these EncryptionConfigurations, in its words and ours.

    \b
    Examples:
      k8senc validate /etc/kubernetes/enc/*.yaml
      k8senc validate --kubernetes 1.29 encryption-config.yaml
    """
    from k8senc._native import validate as judge

    refused = False
    for file in files:
        name = escape(str(file))
        text = sys.stdin.buffer.read(_MOST_INPUT) if str(file) == "-" else _file(file, "the configuration")
        verdict = judge(text, version=version, reload=reloading, kmsv1=kmsv1, path=str(file))
        if verdict.ok:
            click.echo(f"{name}: ok")
            continue
        refused = True
        for problem in verdict.errors:
            place = f"{problem.line}:{problem.column}: " if problem.line is not None else ""
            field = f"{escape(problem.field)}: " if problem.field else ""
            click.echo(f"{name}:{place or ' '}{field}{escape(problem.message)} [{problem.code}]")
        said = f"kube-apiserver says: {escape(verdict.upstream)}" if verdict.upstream else "kube-apiserver crashes on this file"
        click.echo(f"{name}: {said}")
    context.exit(FINDINGS if refused else CLEAN)


def _file(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_INPUT + 1)
    except OSError as error:
        raise Failure(USAGE, f"{what} {escape(str(path))} cannot be read: {error.strerror}") from None
    if len(data) > _MOST_INPUT:
        raise Failure(USAGE, f"{what} {escape(str(path))} has more than 64 MiB")
    return data


@contextmanager
def _progress(what: str) -> Iterator[Progress | None]:
    """A progress bar on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from k8senc import terminal

    with terminal.progress(what) as told:
        yield told


