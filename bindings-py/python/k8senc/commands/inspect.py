"""`k8senc inspect`: what one stored value says of itself."""

from __future__ import annotations

import json
from typing import BinaryIO

import click

from k8senc.command import CLEAN, FINDINGS, MOST_INPUT, UNREADABLE, USAGE, Failure


EXIT_CODES = """\b
Exit codes:
  0  shown
  1  shown, and kube-apiserver would not take it: it says why
  2  the command is wrong, or the input is not of the form that --input says
  3  the input cannot be read, or holds no value
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--input", "input_form", type=click.Choice(["auto", "raw", "hex", "base64", "etcdctl-json", "etcdctl"]), default="auto", show_default=True, help="Form of the input.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def inspect(context: click.Context, file: BinaryIO, input_form: str, form: str) -> None:
    """What a stored value says of itself: provider, key or plugin name, key_id, annotations, lengths. No keys are needed.

    FILE (default: stdin) is the raw value, hex, base64, what xxd, hexdump or od made of it, or what etcdctl printed.

    \b
    Examples:
      etcdctl get /registry/secrets/default/a -w json | k8senc inspect
      etcdctl get /registry/secrets/default/a --print-value-only | k8senc inspect --input raw
      kubectl exec ... | hexdump -C | k8senc inspect
    """
    from k8senc import inspect_table, terminal
    from k8senc._native import escape, is_store, read_pasted

    if file.isatty():
        raise Failure(USAGE, "inspect reads a stored value from a file or a pipe, such as: etcdctl get KEY -w json | k8senc inspect")
    try:
        data = file.read(MOST_INPUT + 1)
    except OSError as error:
        raise Failure(UNREADABLE, f"the input cannot be read: {error.strerror}") from None
    if len(data) > MOST_INPUT:
        raise Failure(UNREADABLE, "the input has more than 64 MiB, which no stored value has; for a snapshot use: k8senc audit")
    if is_store(data):
        raise Failure(USAGE, f"{escape(file.name)} is a whole etcd or kine database and not one stored value: k8senc audit reads it")
    found = read_pasted(data, input_form)
    if not found:
        raise Failure(UNREADABLE, "etcdctl found no key: the answer holds no value")
    answers = [inspect_table.answer(one) for one in found]
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-inspect", "values": answers}, indent=2))
    else:
        terminal.show(inspect_table.render(answers))
    context.exit(FINDINGS if any(one["problem"] for one in answers) else CLEAN)
