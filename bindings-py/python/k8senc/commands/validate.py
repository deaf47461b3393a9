"""`k8senc validate`: whether kube-apiserver starts with a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, MOST_INPUT, read_file


@click.command()
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
        text = sys.stdin.buffer.read(MOST_INPUT) if str(file) == "-" else read_file(file, "the configuration")
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
