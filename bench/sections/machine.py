"""The programs that are timed, and what they run on."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GO = {**os.environ, "GOTOOLCHAIN": "local"}


@contextlib.contextmanager
def ours() -> Iterator[str]:
    """Builds our program and gives its path."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "-p", "k8senc-bench"], cwd=ROOT, check=True)
    yield str(pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/k8senc-bench")


@contextlib.contextmanager
def programs() -> Iterator[tuple[str, str]]:
    """Builds both and gives their paths: the one in Go, ours."""
    with tempfile.TemporaryDirectory() as folder, ours() as program:
        go = pathlib.Path(folder) / "go-bench"
        subprocess.run(["go", "build", "-o", go, "."], cwd=ROOT / "bench/go", env=GO, check=True)
        yield str(go), program


def version(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, env=GO).stdout.strip()


def versions() -> str:
    """Of Rust and Go."""
    return f"{' '.join(version('rustc', '--version').split()[:2])}, {version('go', 'env', 'GOVERSION')}"


def describe() -> str:
    """CPU, load, versions and day, in one line."""
    cpu = "unknown CPU"
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return f"{cpu}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {versions()}, {time.strftime('%Y-%m-%d')}"


def progress(text: str) -> None:
    """One line that is written over, for people only."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
