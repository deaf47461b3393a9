"""`k8senc doctor`: the environment that k8senc runs in."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import stat
import sys
from pathlib import Path

import click

from k8senc._native import LATEST, __version__, escape
from k8senc.command import CLEAN, FINDINGS

EXIT_CODES = """\b
Exit codes:
  0  all is well (an extra that is absent is no fault)
  1  something deserves attention
  2  the command is wrong"""

# Each extra with what is imported for it, and what for.
EXTRAS = {
    "kms": (("grpc",), "KMS plugins on their socket: audit --kms, kms check, kms doctor"),
    "etcd": (("grpc",), "live etcd"),
    "cluster": (("urllib3", "yaml"), "API servers: reencrypt, preflight"),
    "fleet": (("dask", "distributed", "fsspec", "pyarrow"), "many snapshots at once: fleet"),
    "aws": (("boto3",), "AWS KMS without its plugin"),
    "gcp": (("google.cloud.kms",), "Google Cloud KMS without its plugin"),
    "azure": (("azure.identity", "azure.keyvault.keys"), "Azure Key Vault without its plugin"),
    "vault": (("hvac",), "Vault Transit without its plugin"),
}
_NEEDED = 256 << 20


@click.command(epilog=EXIT_CODES)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def doctor(context: click.Context, files: tuple[Path, ...], form: str) -> None:
    """What k8senc runs with: version, extras, terminal, memory, and whether FILES with keys are private.

    \b
    Examples:
      k8senc doctor
      k8senc doctor /etc/kubernetes/encryption-config.yaml ~/.kube/config
    """
    rows = [*_program(), *_extras(), *_machine(), *(_private(file) for file in files)]
    if form == "json":
        click.echo(json.dumps({"format": 1, "kind": "k8senc-doctor", "checks": [dict(zip(("what", "outcome", "found"), row, strict=True)) for row in rows]}, indent=2))
    else:
        from rich.table import Table
        from rich.text import Text

        from k8senc import terminal

        style = {"ok": "green", "absent": "dim", "warn": "yellow"}
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for what, outcome, found in rows:
            table.add_row(Text(what), Text(outcome, style=style[outcome]), Text(found))
        terminal.show(table)
    context.exit(FINDINGS if any(outcome == "warn" for _, outcome, _ in rows) else CLEAN)


def _program() -> list[tuple[str, str, str]]:
    return [
        ("k8senc", "ok", f"{__version__}, knows Kubernetes up to {LATEST}"),
        ("python", "ok", f"{platform.python_implementation()} {platform.python_version()} on {platform.machine()} {platform.system()}"),
    ]


def _extras() -> list[tuple[str, str, str]]:
    rows = []
    for name, (modules, what) in EXTRAS.items():
        absent = [module for module in modules if not _there(module)]
        rows.append((f"[{name}]", "absent" if absent else "ok", f"{what}: pip install 'k8senc[{name}]'" if absent else what))
    return rows


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def _machine() -> list[tuple[str, str, str]]:
    rows = []
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    colour = "colour" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else "no colour"
    rows.append(("terminal", "ok" if encoding == "utf8" else "warn", f"{'terminal' if sys.stdout.isatty() else 'pipe or file'}, {sys.stdout.encoding}, {colour}" + ("" if encoding == "utf8" else ": set PYTHONIOENCODING=utf-8, or signs are lost")))
    memory = _memory()
    if memory is not None:
        rows.append(("memory", "ok" if memory >= _NEEDED else "warn", f"{memory / 2**20:,.0f} MiB may be used; a snapshot with a million keys needs about 72 beside the file's pages"))
    rows.append(("processors", "ok", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())))
    return rows


def _memory() -> int | None:
    """What is free, and what the control group allows."""
    limits = []
    for file, name in (("/proc/meminfo", "MemAvailable:"), ("/sys/fs/cgroup/memory.max", "")):
        try:
            text = Path(file).read_text()
        except OSError:
            continue
        if name:
            limits += [int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith(name)]
        elif text.strip().isdecimal():
            limits.append(int(text))
    return min(limits, default=None)


def _private(file: Path) -> tuple[str, str, str]:
    shown = escape(str(file))
    try:
        mode = file.stat().st_mode
        with file.open("rb"):
            pass
    except OSError as error:
        return shown, "warn", f"cannot be read: {error.strerror}"
    if mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IRWXO):
        return shown, "warn", f"mode {stat.S_IMODE(mode):04o}: others may read it or write to it; chmod 0600"
    return shown, "ok", f"mode {stat.S_IMODE(mode):04o}"
