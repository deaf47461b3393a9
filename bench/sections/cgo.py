"""What the Go package costs beside pure Go: the crossing, one value, batches. One process, interleaved rounds."""

import pathlib
import subprocess

from . import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main(args: list[str]) -> None:
    rounds = args[0] if args else "7"
    machine.progress("cgo: building")
    subprocess.run([ROOT / "scripts" / "go-library"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["go", "run", ".", "-rounds", rounds], cwd=ROOT / "bench" / "cgo", check=True)
