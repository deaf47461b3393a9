"""`k8senc diff`: do these servers do the same?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from k8senc._native import Config, changes, escape, key_marks
from k8senc.command import CLEAN, FINDINGS, USAGE, Failure

EXIT_CODES = """\b
Exit codes:
  0  all do the same
  1  some differ
  2  the command is wrong, or kube-apiserver refuses a file
  3  a file cannot be read"""


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True, readable=False), metavar="A B...")
@click.option("--hash", "hashes", is_flag=True, help="Print each file's hash as the API server's metric last_config_info has it. Together with a guessed key it confirms the guess: do not share it.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def diff(context: click.Context, files: tuple[Path, ...], hashes: bool, form: str) -> None:
    """What configurations do differently, in terms of who writes and who can read. Layout and comments do not count.

    Every file is compared with the first, such as the files of all control-plane nodes with one another. Keys are
    told apart by fingerprints, which are the same on every host; a key that could be guessed gets none. The metric
    of --hash is apiserver_encryption_config_controller_last_config_info.

    \b
    Examples:
      k8senc diff node1.yaml node2.yaml node3.yaml
      k8senc diff old.yaml new.yaml --format json
      k8senc diff --hash node*.yaml    # to compare with the metric
    """
    from k8senc import config_files

    found = [one for file in files for one in config_files.configs(file)]
    if len(found) < 2:
        raise Failure(USAGE, "diff compares at least two configurations")
    (first, base), *others = found
    compared = [(name, config, changes(base, config)) for name, config in others]
    if form == "json":
        report = {
            "format": 1,
            "kind": "k8senc-diff",
            "base": _about(first, base, hashes),
            "others": [_about(name, config, hashes) | {"changes": [escape(line) for line in lines]} for name, config, lines in compared],
        }
        click.echo(json.dumps(report, indent=2))
    else:
        if hashes:
            for name, config in found:
                click.echo(f"{config.content_hash}  {escape(name)}")
        for name, config, lines in compared:
            if lines:
                click.echo(f"{escape(name)}: other than {escape(first)}")
                for change, names in _by_change(lines).items():
                    click.echo(f"  {escape(', '.join(names))}: {escape(change)}")
            else:
                same = "the same file as" if config.content_hash == base.content_hash else "does the same as"
                click.echo(f"{escape(name)}: {same} {escape(first)}")
    context.exit(FINDINGS if any(lines for _, _, lines in compared) else CLEAN)


def _by_change(lines: list[str]) -> dict[str, list[str]]:
    """What changes, with the rules or blocks that it changes for: the name up to the first colon."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, change = line.partition(": ")
        found.setdefault(change, []).append(name)
    return found


def _about(name: str, config: Config, hashes: bool) -> dict[str, object]:
    about: dict[str, object] = {
        "file": escape(name),
        "keys": [{"provider": key.provider, "name": escape(key.name), "fingerprint": key.fingerprint} for key in key_marks(config)],
    }
    return about | {"hash": config.content_hash} if hashes else about
