"""`k8senc audit`: what an etcd snapshot holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from k8senc._native import escape
from k8senc.command import CLEAN, EXIT_CODES, OUTPUT, UNDECIDED, UNREADABLE, USAGE, Failure, about, note, progress, read_config, read_file, writes
from k8senc.key_sources import Opening, opening_options
from k8senc.sources import Live, label_of, live_options, opened

FORMATS = ("json", "jsonl", "sarif", "csv", "csv-findings", "markdown", "html", "prometheus")


class _Days(click.ParamType[int]):
    """A number of days, with or without a d behind it."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value).removesuffix("d")
        if not text.isdecimal():
            self.fail(f"{value!r} is no number of days, such as 90 or 90d", param, ctx)
        return int(text)


@click.command(epilog=EXIT_CODES)
@click.argument("snapshot", metavar="SOURCE")
@click.option("-c", "--config", "config_files", multiple=True, type=click.Path(path_type=Path), metavar="FILE", help="EncryptionConfiguration. With it values are opened and judged as kube-apiserver would; without, they are classified. Given several times, the first judges, and of each value it is said which of them open it.")
@opening_options
@click.option("--format", "form", type=click.Choice(["table", *FORMATS]), default="table", show_default=True, help="What goes to stdout.")
@click.option("--report", "reports", multiple=True, metavar="FORMAT=FILE", help=f"Write the report to a new or existing file as well: {', '.join(FORMATS)}. Repeatable.")
@click.option("--wal", "logs", multiple=True, type=click.Path(path_type=Path), metavar="PATH", help="Also search a member's write-ahead log for plaintext: its member/wal folder, or a file of it. Repeatable.")
@click.option("--redact-names", is_flag=True, help="Leave the names of objects and namespaces out of every report.")
@click.option("--require", "requirements", multiple=True, metavar="RULE", help="Findings where live values are not written so: RESOURCE=PROVIDER, as in secrets=kms, secrets=kms-v2, configmaps=encrypted; or cis-kubernetes, cis-kms: what the CIS benchmarks ask of Secrets. Repeatable.")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="An earlier report (--format json): what it found already is for information only, as far as it has not grown.")
@click.option("--max-key-age", type=_Days(), metavar="DAYS", help="Findings for keys in use for longer, such as 90 or 90d; dates are inferred from objects' creation times.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "info"]), default="warning", show_default=True, help="The least severity that makes exit code 1. What only states how it is (key-ids, policy-preset) never does.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Call no KMS when the snapshot asks for more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before calling a KMS.")
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, metavar="N", help="Names given of each kind of finding.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--threads", type=click.IntRange(min=0), default=0, metavar="N", help="Threads to use; 0 is all.")
@click.option("--no-hash", is_flag=True, help="Do not check the SHA-256 behind the snapshot.")
@live_options("--cert-key", "--key")
@click.pass_context
def audit(
    context: click.Context,
    snapshot: str,
    config_files: tuple[Path, ...],
    opening: Opening,
    form: str,
    reports: tuple[str, ...],
    logs: tuple[Path, ...],
    redact_names: bool,
    requirements: tuple[str, ...],
    baseline: Path | None,
    max_key_age: int | None,
    fail_on: str,
    max_kms_calls: int,
    yes: bool,
    examples: int,
    etcd_prefix: str | None,
    threads: int,
    no_hash: bool,
    live: Live,
) -> None:
    """What in an etcd snapshot is encrypted, with which provider and key; what is stale, what cannot be
    read, and what still lies there in plaintext.

    SOURCE is a file of `etcdctl snapshot save`, the data directory of a stopped etcd member (its write-ahead
    log is read too), k3s's SQLite database, a live etcd (etcd://host:port), a URL, or - for standard input.

    \b
    Examples:
      k8senc audit snapshot.db
      k8senc audit snapshot.db --config encryption-config.yaml --kms cloud-kms=unix:///run/kms.sock
      k8senc audit snapshot.db --format json | jq .totals
      k8senc audit snapshot.db -c encryption-config.yaml --report html=a.html --report sarif=a.sarif
      k8senc audit /var/lib/etcd -c encryption-config.yaml
      k8senc audit /var/lib/rancher/k3s/server/db/state.db
      k8senc audit etcd://10.0.0.1:2379 --cacert ca.crt --cert client.crt --cert-key client.key
      k8senc audit s3://backups/etcd.db -c first-server.yaml -c second-server.yaml --max-key-age 90d
      k8senc audit snapshot.db --require secrets=kms-v2 --report prometheus=k8senc.prom
      k8senc audit snapshot.db --require cis-kubernetes --fail-on error
    """
    import time

    from k8senc import auditing, kms_calls

    outputs = [_output(spec) for spec in reports]
    earlier = read_file(baseline, "the baseline").decode("utf-8", "replace") if baseline else None
    configs = [read_config(file) for file in config_files]
    config = configs[0] if configs else None
    kms = opening.kms(config)
    prefix = os.fsencode(etcd_prefix) if etcd_prefix is not None else None
    names = _names(config_files)
    files = tuple(_log_files(logs))

    capped = False
    with about(label_of(snapshot)), opened(snapshot, live) as source:
        run = source.audit(
            config,
            logs=files,
            threads=threads,
            hash=not no_hash,
            examples=examples,
            etcd_prefix=prefix,
            config_name=names[0] if names else "",
            also=list(zip(names[1:], configs[1:], strict=True)),
            max_key_age=(int(time.time()), max_key_age * 86_400) if max_key_age is not None else None,
        )
        if config is not None and config.kms_providers:
            with progress("looking for encrypted DEKs") as told:
                planned = auditing.plan(run, kms, told)
            capped = not kms_calls.make(run, planned, kms, max_kms_calls, yes)
        with progress("reading") as told:
            finished = run.finish(told)
    finished.require(requirements)
    if earlier is not None:
        finished.baseline(earlier)
    if redact_names:
        finished.redact()
    code = finished.exit_code(fail_on)
    report = json.loads(finished.write("json", source.name))
    for kind, file in outputs:
        _save(file, finished.write(kind, source.name))
    if form != "table":
        # In UTF-8 whatever the terminal has: it says so itself.
        click.echo(finished.write(form, source.name).encode(), nl=False)
    else:
        from k8senc import audit_table, terminal

        terminal.show(audit_table.render(report, source.name))
    if code == UNREADABLE:
        note(f"{source.label} is damaged: {_damage(report['snapshot'])}; take a new snapshot, or compare with another copy of this one")
    if code in (CLEAN, UNDECIDED) and not report["totals"]["live"] and not report["totals"]["history"]:
        note(f"{source.label} holds no Kubernetes objects: it may be another etcd's, or --etcd-prefix is needed")
        code = UNDECIDED
    context.exit(UNDECIDED if capped and code != UNREADABLE else code)


def _damage(snapshot: dict[str, Any]) -> str:
    if snapshot["damagedRows"]:
        return f"{snapshot['damagedRows']:,} of its rows cannot be parsed"
    return "the SHA-256 at its end is not that of its content"


def _names(files: tuple[Path, ...]) -> list[str]:
    """Short names of the configurations, told apart where two files have one."""
    short = [file.name for file in files]
    return [escape(str(file) if short.count(file.name) > 1 else file.name) for file in files]


def _output(spec: str) -> tuple[str, Path]:
    kind, equals, file = spec.partition("=")
    if kind not in FORMATS or not equals or not file:
        raise Failure(USAGE, f"--report {spec!r}: FORMAT=FILE is needed, with one of {', '.join(FORMATS)}")
    if file == "-":
        raise Failure(USAGE, f"--report {spec!r}: a file is needed; --format {kind} writes to stdout")
    if not Path(file).absolute().parent.is_dir():
        raise Failure(USAGE, f"--report {spec!r}: the folder of the file does not exist")
    return kind, Path(file)


def _save(file: Path, text: str) -> None:
    """Whole or not at all: a collector may read it at any time."""
    partial = None
    try:
        # What is no file, such as /dev/stdout or a named pipe, is not replaced by one, and a link stays a link.
        if file.exists() and not file.is_file():
            with file.open("w", encoding="utf-8", newline="") as stream:
                stream.write(text)
            return
        file = file.resolve()
        with NamedTemporaryFile("w", encoding="utf-8", newline="", dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as stream:
            partial = Path(stream.name)
            stream.write(text)
        partial.chmod(0o644 & ~_umask())
        writes("each report is whole or as it was")
        partial.replace(file)
        partial = None
    except OSError as error:
        raise Failure(OUTPUT, f"{escape(str(file))} cannot be written: {error.strerror}") from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _log_files(paths: tuple[Path, ...]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Failure(USAGE, f"--wal {escape(str(path))}: there is no such file or folder")
        found = sorted(path.glob("*.wal")) if path.is_dir() else [path]
        if not found:
            raise Failure(USAGE, f"--wal {escape(str(path))}: no *.wal file is in this folder")
        files += found
    return files
