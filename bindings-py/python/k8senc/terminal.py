"""What goes to a terminal. Markup is off: square brackets in a name are text."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from k8senc.auditing import Progress as Told

_WIDEST = 110
# Where nobody sees lines being folded.
_PIPED = 100


def show(answer: RenderableType) -> None:
    """Prints to stdout, coloured when it is a terminal and NO_COLOR is not set."""
    console = Console(markup=False, emoji=False, highlight=False)
    if console.is_terminal:
        console.width = min(console.width, _WIDEST)
        console.print(answer)
        return
    if not os.environ.get("COLUMNS"):
        console.width = _PIPED
    with console.capture() as printed:
        console.print(answer)
    # Rich fills table cells up; a file has no use for that.
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))


@contextmanager
def progress(what: str) -> Iterator[Told]:
    """A bar on stderr that vanishes when the work is done."""
    console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:>3.0f}%", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def told(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield told


@contextmanager
def estimate() -> Iterator[Callable[[str, int, int | None], None]]:
    """A bar that says how much time is left, and takes what is being done with each step."""
    console = Console(file=sys.stderr, markup=False, emoji=False, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(10), TextColumn("{task.fields[count]}", markup=False), TimeElapsedColumn(), TextColumn("left", markup=False), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("listing", total=None, count="")

        def told(what: str, done: int, total: int | None) -> None:
            bar.update(task, description=what, completed=done, total=total, count=f"{done:,} of {total:,}" if total else f"{done:,}")

        yield told
