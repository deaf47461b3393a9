"""`k8senc lint`: what kube-apiserver never says of a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc._native import Finding, escape
from k8senc.command import CLEAN, FINDINGS, UNREADABLE, USAGE, Failure, note

if TYPE_CHECKING:
    from k8senc.config_files import File, Missing, Server

LEVELS = ("error", "warning", "info")

EXIT_CODES = """\b
Exit codes:
  0  nothing as bad as --fail-on
  1  findings as bad as --fail-on, or worse
  2  the command is wrong
  3  a file cannot be read
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True, readable=False), metavar="FILE...")
@click.option("--kubernetes", "version", metavar="1.N", help="The release that is asked; the manifest's, or the newest known one.")
@click.option("--reload/--no-reload", "reloading", default=None, help="With --encryption-provider-config-automatic-reload or without; a manifest says so itself.")
@click.option("--kmsv1", type=click.BOOL, metavar="BOOL", help="The feature gate KMSv1; the manifest's, or the release's default.")
@click.option("--migration", type=click.Choice(["encrypting", "done", "decrypting"]), help="Where a change stands: encryption was just switched on, every object is rewritten, or it is being switched off on purpose.")
@click.option("--format", "form", type=click.Choice(["table", "json", "sarif", "github"]), default="table", show_default=True)
@click.option("--fail-on", type=click.Choice([*LEVELS, "never"]), default="error", show_default=True, help="The least severity that ends with exit code 1.")
@click.option("--fix", "fixing", is_flag=True, help="Make the changes that are safe: what is stored stays readable and what was meant is plain.")
@click.option("--diff", "diffing", is_flag=True, help="Show what --fix would change, keys masked, and change nothing.")
@click.pass_context
def lint(
    context: click.Context,
    files: tuple[Path, ...],
    version: str | None,
    reloading: bool | None,
    kmsv1: bool | None,
    migration: str | None,
    form: str,
    fail_on: str,
    fixing: bool,
    diffing: bool,
) -> None:
    """Advice on EncryptionConfigurations: what exposes data, what will lose it, what keeps a server from starting.

    FILE is an EncryptionConfiguration, or what brings one to an API server: a static pod, a kubeadm, k3s, RKE2 or
    Talos configuration. Files that these name are judged too where they are on this host. No key is ever printed.

    \b
    Examples:
      k8senc lint /etc/kubernetes/manifests/kube-apiserver.yaml
      k8senc lint enc.yaml --kubernetes 1.31 --diff
      k8senc lint enc.yaml --fix
      k8senc lint *.yaml --format sarif > lint.sarif
    """
    from k8senc import config_files

    if (fixing or diffing) and form != "table":
        raise Failure(USAGE, "--fix and --diff print a diff: they go with --format table alone")
    server = config_files.Server(version, reloading, kmsv1, migration)
    given, unreadable = read_all(files)
    if fixing or diffing:
        from k8senc import fixing as fixer

        fixer.run(given, server, write=fixing and not diffing)
        if diffing:
            context.exit(UNREADABLE if unreadable else CLEAN)
    found, missing = config_files.with_references(given)
    judged = [(file, config_files.findings(file, found, server)) for file in found]
    if form == "json":
        click.echo(json.dumps(_report(judged, missing, unreadable), indent=2))
    elif form == "sarif":
        from k8senc import sarif

        click.echo(json.dumps(sarif.log(judged), indent=2))
    elif form == "github":
        for file, some in judged:
            for one in some:
                click.echo(annotation(file.name, one))
    else:
        _show(judged, server)
    for one_missing in missing:
        note(one_missing.sentence())
    worst = LEVELS[: LEVELS.index(fail_on) + 1] if fail_on != "never" else ()
    bad = any(one.severity in worst for _, some in judged for one in some)
    context.exit(UNREADABLE if unreadable else FINDINGS if bad else CLEAN)


def read_all(files: tuple[Path, ...]) -> tuple[list[File], list[str]]:
    """Reads what can be read, and says on stderr what cannot."""
    from k8senc import config_files

    read: list[File] = []
    unreadable: list[str] = []
    for file in dict.fromkeys(files):
        try:
            read.append(config_files.read(file))
        except Failure as failure:
            note(str(failure))
            unreadable.append(str(file))
    return read, unreadable


def what(file: File, server: Server) -> str:
    """What was judged, for which API server."""
    from k8senc._native import LATEST

    manifest = file.manifest or file.named_by
    asked = server.of(manifest)
    release = f"kube-apiserver {asked.version or LATEST}" + (" with automatic reload" if asked.reload else "")
    if file.manifest is not None:
        held = [escape(e.origin) for e in file.manifest.embedded]
        return f"{file.manifest.form}, {release}" + (f", holds a configuration in {', '.join(held)}" if held else "")
    return f"read by {escape(file.server)}, {release}" if file.server else release


def _show(judged: list[tuple[File, tuple[Finding, ...]]], server: Server) -> None:
    from rich.console import Group, RenderableType
    from rich.text import Text

    from k8senc import terminal
    from k8senc.finding_table import MARK, finding, plural

    parts: list[RenderableType] = []
    for file, some in judged:
        name = escape(file.name)
        parts += [Text(name, "bold", overflow="fold"), Text(what(file, server), "dim")]
        if not some:
            parts.append(Text.assemble(("✓", "bold green"), " nothing to say"))
            if file is not judged[-1][0]:
                parts.append(Text())
        parts += [finding(one, name, fixable=file.path is not None) for one in some]
    every = [one for _, some in judged for one in some]
    if every:
        counts = {level: sum(one.severity == level for one in every) for level in LEVELS}
        words = {"error": ("error", None), "warning": ("warning", None), "info": ("note", None)}
        total = Text(", ").join(Text(plural(n, *words[level]), MARK[level][1]) for level, n in counts.items() if n)
        fixable = sum(one.fix is not None and one.fix.safe for one in every)
        if fixable:
            total.append(f"; {fixable} can be cured by --fix")
        total.append(f"; k8senc explain {every[0].code} says more")
        parts.append(total)
    terminal.show(Group(*parts))


def as_json(one: Finding) -> dict[str, Any]:
    return {
        "code": one.code,
        "name": one.name,
        "severity": one.severity,
        "message": escape(one.message),
        "line": one.line,
        "column": one.column,
        "endLine": one.end_line,
        "endColumn": one.end_column,
        "related": [{"line": line, "column": column, "message": escape(text)} for line, column, text in one.related],
        "upstream": escape(one.upstream) if one.upstream else None,
        "fix": {"title": one.fix.title, "safe": one.fix.safe} if one.fix else None,
    }


def _report(judged: list[tuple[File, tuple[Finding, ...]]], missing: list[Missing], unreadable: list[str]) -> dict[str, Any]:
    every = [one for _, some in judged for one in some]
    return {
        "format": 1,
        "kind": "k8senc-lint",
        "totals": {level: sum(one.severity == level for one in every) for level in LEVELS},
        "files": [
            {
                "file": escape(file.name),
                "form": file.manifest.form if file.manifest else "EncryptionConfiguration",
                "servers": [escape(s) for s in file.manifest.servers] if file.manifest else [escape(file.server)] if file.server else [],
                "findings": [as_json(one) for one in some],
            }
            for file, some in judged
        ],
        "notJudged": [{"server": escape(m.server), "path": escape(m.path), "hostPath": escape(m.host_path) if m.host_path else None} for m in missing],
        "unreadable": [escape(name) for name in unreadable],
    }


def annotation(file: str, one: Finding) -> str:
    """A line that GitHub Actions shows beside the file."""

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def value(text: str) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    level = {"error": "error", "warning": "warning", "info": "notice"}[one.severity]
    place = {"file": escape(file), "line": one.line, "endLine": one.end_line, "col": one.column, "title": f"{one.code} {one.name}"}
    if one.line == one.end_line:
        place["endColumn"] = one.end_column
    properties = ",".join(f"{key}={value(str(text))}" for key, text in place.items() if text is not None)
    said = f"\nkube-apiserver: {escape(one.upstream)}" if one.upstream else ""
    return f"::{level} {properties}::{data(escape(one.message) + said)}"
