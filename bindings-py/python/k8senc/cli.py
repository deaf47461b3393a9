"""The command `k8senc`: which commands there are, and the exit code of whatever they end with."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import click

from k8senc._native import __version__, escape
from k8senc.command import CLEAN, EXIT_CODES, FAULT, OUTPUT, REMOTE, UNREADABLE, USAGE, Failure, interrupted, note
from k8senc.errors import ConfigError, K8sEncError, RemoteError, UsageError

# Every command with its line in the list of commands. A module of `k8senc.commands` is loaded when its
# command is called, so that the list itself costs nothing.
COMMANDS = {
    "audit": "What a snapshot holds: encrypted, stale, unreadable, plaintext.",
    "fleet": "The same of many snapshots at once, in files or in S3.",
    "drill": "Whether a backup can be opened with the keys in escrow.",
    "decrypt": "Objects out of a snapshot, as YAML, JSON or raw bytes.",
    "unreadable": "Objects of a live etcd that no API server can read: found, kept, removed.",
    "reseal": "One stored value, opened with what is left and encrypted anew.",
    "encrypt": "One object as the value that kube-apiserver would store.",
    "inspect": "What one stored value says of itself, without keys.",
    "validate": "Whether kube-apiserver starts with a configuration, in its words.",
    "lint": "Advice on a configuration, and changes that cure.",
    "show": "Which keys each resource is written and read with, and why.",
    "outage": "What works and what fails while a KMS is down.",
    "diff": "What configurations do differently: drift between servers.",
    "explain": "Cause, check and cure of a log line, a rule or a code.",
    "reencrypt": "Every object written again with the current key.",
    "preflight": "May an API server be restarted or reload now?",
    "plan": "The checked steps from one configuration to another.",
    "kms": "What is wrong with a KMS plugin; whether it keeps the contract.",
    "completion": "Tab completion for bash, zsh and fish.",
    "doctor": "What k8senc runs with here: extras, memory, private files.",
}

FIRST_RUN = """k8senc: Kubernetes encryption at rest, outside the API server. What is the matter?

  is everything really encrypted?     k8senc audit snapshot.db
                                      (a snapshot: etcdctl snapshot save snapshot.db)
  secrets cannot be read              k8senc explain PASTE-THE-LOG-LINE
                                      k8senc kms doctor encryption-config.yaml
  objects must come back              k8senc decrypt snapshot.db secrets/NAME -n NAMESPACE -c encryption-config.yaml
  a key must be rotated               k8senc plan encryption-config.yaml --goal rotate-key
                                      k8senc reencrypt -c encryption-config.yaml --dry-run server
  may I restart or change this?       k8senc preflight encryption-config.yaml
                                      k8senc lint encryption-config.yaml

None of these changes anything. All commands: k8senc --help; this machine: k8senc doctor"""


# What a disk or a descriptor that takes no more says. It has no file name where it is about stdout.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class _Commands(click.Group):
    def invoke(self, context: click.Context) -> Any:
        # Here and not in `run`: click takes a broken pipe for exit code 1, which would mean findings.
        try:
            return super().invoke(context)
        except BrokenPipeError:
            # The reader has what it wanted.
            _give_up_stdout()
            raise click.exceptions.Exit(128 + signal.SIGPIPE) from None
        except UnicodeEncodeError:
            raise Failure(USAGE, "what was given holds bytes that are no UTF-8: no object, resource or rule is named so") from None

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"k8senc.commands.{name}"), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def run() -> NoReturn:
    """The entry point of the command."""
    _leave_no_core()
    _open_streams()
    try:
        code = main.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = interrupted()
    except KeyboardInterrupt:
        code = interrupted()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Failure as error:
        code = _failed(error.exit_code, error)
    except (ConfigError, UsageError) as error:
        code = _failed(USAGE, error)
    except RemoteError as error:
        code = _failed(REMOTE, error)
    except K8sEncError as error:
        code = _failed(UNREADABLE, error)
    except SystemExit:
        raise
    except BaseException as error:  # a panic of the extension is no Exception
        if isinstance(error, OSError) and isinstance(error.filename, str | bytes):
            code = _failed(OUTPUT, f"{escape(os.fsdecode(error.filename))} cannot be used: {error.strerror}")
        elif type(error) is OSError and error.errno in _NO_ROOM:
            _give_up_stdout()
            code = _failed(OUTPUT, f"the output cannot be written: {error.strerror}")
        else:
            # Python would end with 1, which says that there are findings.
            traceback.print_exc()
            code = _failed(FAULT, "this is a fault of k8senc, and nothing is decided: please report it, without keys and Secrets")
    sys.exit(code if isinstance(code, int) else CLEAN)


def _open_streams() -> None:
    """Puts something in place of standard streams that were closed, before a file gets their descriptors."""
    for number, mode in enumerate("rww"):
        try:
            os.fstat(number)
        except OSError:
            # Writing to what is open for reading fails: a closed stdout is no place for a report.
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
            stream = open(number, mode, encoding="utf-8", closefd=False)
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's alphabet lacks, such as a check mark, is no reason to say nothing.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _give_up_stdout() -> None:
    """Python must not complain while it closes stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_no_core() -> None:
    """A crash writes no keys and plaintexts to a file."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # not a Unix
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _failed(code: int, error: Exception | str) -> int:
    note(str(error))
    return code


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EXIT_CODES)
@click.version_option(__version__, "-V", "--version", prog_name="k8senc")
@click.pass_context
def main(context: click.Context) -> None:
    """Kubernetes encryption at rest, outside the API server.

    \b
    Examples:
      k8senc audit snapshot.db
      k8senc audit snapshot.db --config encryption-config.yaml
      k8senc decrypt snapshot.db secrets/db -n shop --config encryption-config.yaml
      etcdctl get /registry/secrets/default/a -w json | k8senc inspect
      k8senc validate encryption-config.yaml
      k8senc lint /etc/kubernetes/manifests/kube-apiserver.yaml
      k8senc explain invalid padding on input
      k8senc plan encryption-config.yaml --goal rotate-key
    """
    if context.invoked_subcommand is None:
        click.echo(FIRST_RUN)
