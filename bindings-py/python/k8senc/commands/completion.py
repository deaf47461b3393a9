"""`k8senc completion`: a shell that knows the commands."""

from __future__ import annotations

import click

EXIT_CODES = """\b
Exit codes:
  0  printed
  2  the command is wrong"""

SHELLS = ("bash", "zsh", "fish")


@click.command(epilog=EXIT_CODES)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete k8senc's commands, options and files.

    \b
    Examples:
      k8senc completion bash > ~/.local/share/bash-completion/completions/k8senc
      k8senc completion zsh > "${fpath[1]}/_k8senc"
      k8senc completion fish > ~/.config/fish/completions/k8senc.fish
    """
    from click.shell_completion import get_completion_class

    from k8senc.cli import main

    found = get_completion_class(shell)
    # Its source alone: asking for the version of bash, as click does, is for a shell that evaluates this each time.
    if found is not None:
        script = found(main, {}, "k8senc", "_K8SENC_COMPLETE")
        click.echo(script.source_template % script.source_vars())
