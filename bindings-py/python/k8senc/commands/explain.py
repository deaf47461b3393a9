"""`k8senc explain`: cause, check and cure."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import CLEAN, FINDINGS, USAGE, Failure, note

if TYPE_CHECKING:
    from k8senc.explaining import Explanation

EXIT_CODES = """\b
Exit codes:
  0  explained
  1  nothing is known of it
  2  the command is wrong"""

# Of stdin; a log line has a few thousand characters.
_MOST = 1 << 20


@click.command(epilog=EXIT_CODES, context_settings={"ignore_unknown_options": True})
@click.argument("text", nargs=-1, type=click.UNPROCESSED, metavar="CODE|TEXT...")
@click.option("--all", "everything", is_flag=True, help="Every rule of k8senc lint.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.pass_context
def explain(context: click.Context, text: tuple[str, ...], everything: bool, form: str) -> None:
    """Cause, check and cure of a line of kube-apiserver's log; or what a code means.

    TEXT may be pasted as it is, or piped in. Codes are those of lint (K8E001, K8M001), of changes (K8D01), of
    errors (padding-bytes), and exit codes (exit 3).

    \b
    Examples:
      k8senc explain invalid padding on input
      k8senc explain K8E004
      journalctl -u kubelet | grep transform | tail -1 | k8senc explain
      k8senc explain --all --format markdown > rules.md
    """
    from k8senc import explaining

    if everything:
        found = [rule.explanation for rule in explaining.all_rules()]
        asked = ""
    else:
        asked = " ".join(text)
        if asked in {"", "-"}:
            if sys.stdin.isatty():
                raise Failure(USAGE, "explain needs a code or a text, such as: k8senc explain no matching prefix found")
            asked = sys.stdin.buffer.read(_MOST).decode(errors="replace")
            if not asked.strip():
                raise Failure(USAGE, "standard input holds no text to explain: did the command before the pipe find a line?")
        found = explaining.explain(asked)
    if form == "markdown":
        if not everything:
            raise Failure(USAGE, "--format markdown is the page of all rules: it goes with --all")
        click.echo(page(), nl=False)
        return
    if form == "json":
        listed = [{"code": one.code, "title": one.title, **{_key(heading): text for heading, text in one.sections}} for one in found]
        click.echo(json.dumps({"format": 1, "kind": "k8senc-explain", "found": listed}, indent=2))
    elif found:
        _show(found)
    if not found:
        shown = escape(asked if len(asked) <= 80 else asked[:79] + "…")
        if close := explaining.near(asked):
            note(f"nothing is known of {shown!r}; near to it are:")
            for title in close:
                click.echo(f"  {title}", err=True)
        else:
            note(f"nothing is known of {shown!r}")
        context.exit(FINDINGS)
    context.exit(CLEAN)


def _key(heading: str) -> str:
    first, *rest = heading.replace("-", " ").split()
    return first.lower() + "".join(word.capitalize() for word in rest)


def _show(found: list[Explanation]) -> None:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    from k8senc import terminal

    parts: list[RenderableType] = []
    for one in found:
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for heading, text in one.sections:
            grid.add_row(f"  {heading}", Text(text))
        parts += [Text(one.title, "bold"), grid, Text()]
    terminal.show(Group(*parts[:-1]))


def page() -> str:
    """The page of all rules, for docs/."""
    from k8senc._native import rules

    lines = [
        "# The rules of k8senc lint",
        "",
        "Made by `k8senc explain --all --format markdown`; a test compares. `K8E` is about the configuration, `K8M` about the",
        "file that brings it to an API server. A finding is silenced by `# k8senc: allow CODE -- reason` on its line or the line above.",
        "",
        "| code | name | severity | fix | what it finds |",
        "|---|---|---|---|---|",
    ]

    def cell(text: str) -> str:
        return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")

    anchor = {rule.code: f"{rule.code} {rule.name}".lower().replace(" ", "-") for rule in rules()}
    for rule in rules():
        fix = "yes" if rule.fixable else ""
        lines.append(f"| [{rule.code}](#{anchor[rule.code]}) | {rule.name} | {rule.severity} | {fix} | {cell(rule.finds)} |")
    for rule in rules():
        lines += ["", f"## {rule.code} {rule.name}", "", f"Finds {cell(rule.finds)}", "", cell(rule.why), ""]
        lines += [f"- Fix: {cell(rule.fix)}", f"- kube-apiserver: {cell(rule.upstream)}", f"- Source: {cell(rule.source)}"]
    return "\n".join(lines) + "\n"
