"""Manual pages, from the commands' own help: `python -m k8senc.manpages DIR` writes one for each command.

A wheel that is built with them under its data has them in share/man/man1 of where it is installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from k8senc._native import __version__
from k8senc.cli import main

__all__ = ["pages"]


def pages() -> dict[str, str]:
    """Each page by its file's name, in roff."""
    return {f"{'-'.join(context.command_path.split())}.1": _page(context) for context in _commands(main, None)}


def _commands(command: click.Command, parent: click.Context | None) -> Iterator[click.Context]:
    context = click.Context(command, parent=parent, info_name=command.name if parent else "k8senc")
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(inner, context)


def _page(context: click.Context) -> str:
    command, path = context.command, context.command_path
    name = "-".join(path.split())
    text = (command.help or "").replace("\f", "\n")
    first = text.strip().split("\n\n")[0].replace("\n", " ").strip()
    lines = [f'.TH "{name.upper()}" "1" "" "k8senc {__version__}" "k8senc"', ".SH NAME", f"{_roff(name)} \\- {_roff(first.rstrip('.'))}", ".SH SYNOPSIS"]
    lines.append(f".B {_roff(path)}")
    lines.append(_roff(" ".join(command.collect_usage_pieces(context))))
    lines += [".SH DESCRIPTION", *_paragraphs(text)]
    options = [record for one in command.get_params(context) if (record := one.get_help_record(context)) is not None]
    if options:
        lines.append(".SH OPTIONS")
        for flags, told in options:
            lines += [".TP", f".B {_roff(flags)}", _roff(told)]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                lines += [".TP", f".BR {_roff(f'{name}-{inner}')} (1)", _roff(found.get_short_help_str(200))]
    if command.epilog:
        lines += [".SH EXIT STATUS", *_paragraphs(command.epilog.replace("Exit codes:\n", "", 1))]
    if context.parent is not None:
        above = "-".join(context.parent.command_path.split())
        lines += [".SH SEE ALSO", f".BR {_roff(above)} (1)"]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> Iterator[str]:
    """Click's marks: a paragraph that begins with a backspace keeps its lines."""
    for paragraph in re.split(r"\n\s*\n", _dedent(text)):
        body = paragraph.strip("\n")
        if not body.strip():
            continue
        yield ".PP"
        if body.startswith("\b"):
            yield ".nf"
            yield from (_roff(line.rstrip()) for line in body.removeprefix("\b").strip("\n").split("\n"))
            yield ".fi"
        else:
            yield _roff(" ".join(body.split()))


def _dedent(text: str) -> str:
    import inspect

    return inspect.cleandoc(text)


def _roff(text: str) -> str:
    """Text that roff takes as it is."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def _write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in pages().items():
        (folder / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m k8senc.manpages DIR")
    _write(Path(sys.argv[1]))
