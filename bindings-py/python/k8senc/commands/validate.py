"""`k8senc validate`: whether kube-apiserver starts with a configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc._native import Verdict, escape
from k8senc.command import CLEAN, FINDINGS, UNREADABLE, note

if TYPE_CHECKING:
    from rich.console import RenderableType

    from k8senc.config_files import File

EXIT_CODES = """\b
Exit codes:
  0  kube-apiserver starts with every one
  1  it refuses one
  2  the command is wrong
  3  a file cannot be read, or is not here
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True, readable=False), metavar="FILE...")
@click.option("--kubernetes", "version", metavar="1.N", help="The release that is asked; the manifest's, or the newest known one.")
@click.option("--reload/--no-reload", "reloading", default=None, help="With --encryption-provider-config-automatic-reload or without; a manifest says so itself.")
@click.option("--kmsv1", type=click.BOOL, metavar="BOOL", help="The feature gate KMSv1; the release's default if not given.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def validate(context: click.Context, files: tuple[Path, ...], version: str | None, reloading: bool | None, kmsv1: bool | None, form: str) -> None:
    """Whether kube-apiserver starts with these EncryptionConfigurations: its own text, the place, what to do.

    FILE is an EncryptionConfiguration, or what brings one to an API server: a static pod, a kubeadm, k3s, RKE2 or
    Talos configuration. No key is ever printed.

    \b
    Examples:
      k8senc validate /etc/kubernetes/enc/*.yaml
      k8senc validate --kubernetes 1.29 --reload encryption-config.yaml
      k8senc validate /etc/kubernetes/manifests/kube-apiserver.yaml
    """
    from k8senc import config_files
    from k8senc.commands.lint import read_all

    given, unreadable = read_all(files)
    found, missing = config_files.with_references(given)
    server = config_files.Server(version, reloading, kmsv1)
    judged = [(file, origin, verdict) for file in found for origin, verdict in config_files.verdicts(file, server)]
    if form == "json":
        report = {"format": 1, "kind": "k8senc-validate", "files": [_report(*one) for one in judged], "unreadable": [escape(name) for name in unreadable]}
        click.echo(json.dumps(report, indent=2))
    elif judged:
        from rich.console import Group

        from k8senc import terminal

        terminal.show(Group(*[part for one in judged for part in _show(*one)]))
    for one in missing:
        note(one.sentence())
    idle = [file for file in given if file.manifest and not file.manifest.embedded and not file.manifest.references]
    for file in idle:
        note(f"{escape(file.name)} neither holds nor names a configuration: nothing was validated")
    if any(not verdict.ok for _, _, verdict in judged):
        context.exit(FINDINGS)
    context.exit(UNREADABLE if unreadable or idle or missing else CLEAN)


def _name(file: File, origin: str | None) -> str:
    return escape(file.name) + (f", {escape(origin)}" if origin else "")


def _what_to_do(upstream: str) -> str | None:
    from k8senc._native import explain_error

    found = explain_error(upstream)
    return found[0].cure if found else None


def _show(file: File, origin: str | None, verdict: Verdict) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    from k8senc.finding_table import Place, sentence

    name = _name(file, origin)
    if verdict.ok:
        return [Text.assemble(("✓", "bold green"), " ", (name, "bold"), (f"  kube-apiserver {verdict.version} starts with it", "dim"))]
    how = "refuses it" if verdict.upstream else "crashes on it"
    parts: list[RenderableType] = [Text.assemble(("✗", "bold red"), " ", (name, "bold"), (f"  kube-apiserver {verdict.version} {how}", "red"))]
    if verdict.upstream:
        parts.append(Padding(Text(escape(verdict.upstream), overflow="fold"), (0, 0, 1, 2)))
    if verdict.redacted:
        parts.append(Padding(Text("kube-apiserver prints keys of this file where REDACTED stands here: treat its log as a leak", "yellow"), (0, 0, 1, 2)))
    for problem in verdict.errors:
        place = f"{escape(file.name)}:{problem.line}:{problem.column}" if problem.line is not None else escape(file.name)
        parts.append(Padding(Text.assemble((place, "bold"), f"  {problem.code}"), (0, 0, 0, 2)))
        field = f"{escape(problem.field)}: " if problem.field else ""
        body: list[RenderableType] = [Text(f"{field}{escape(problem.message)}")]
        if problem.snippet is not None and problem.line is not None:
            body.append(Place(problem.line, problem.snippet))
        if cure := _what_to_do(problem.upstream):
            body.append(sentence("do:", cure))
        parts += [Padding(part, (0, 0, 0, 4)) for part in body]
        parts.append(Text())
    return parts


def _report(file: File, origin: str | None, verdict: Verdict) -> dict[str, Any]:
    return {
        "file": escape(file.name),
        "origin": escape(origin) if origin else None,
        "kubernetes": verdict.version,
        "ok": verdict.ok,
        "stage": verdict.stage,
        "upstream": escape(verdict.upstream) if verdict.upstream else None,
        "exact": verdict.exact,
        "redacted": verdict.redacted,
        "problems": [
            {
                "code": problem.code,
                "field": escape(problem.field),
                "message": escape(problem.message),
                "upstream": escape(problem.upstream),
                "line": problem.line,
                "column": problem.column,
                "advice": _what_to_do(problem.upstream),
            }
            for problem in verdict.errors
        ],
    }
