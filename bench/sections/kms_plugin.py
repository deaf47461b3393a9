"""The KMS plugin over its socket beside a reference, in turn in one run: start, memory, calls a second, p99."""

import pathlib
import subprocess
import tempfile

from . import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main(args: list[str]) -> None:
    rounds = args[0] if args else "5"
    machine.progress("kms-plugin: building")
    subprocess.run([ROOT / "scripts" / "go-library"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as room:
        plugin, load = pathlib.Path(room) / "k8senc-kms-plugin", pathlib.Path(room) / "loadtest"
        for program, package in ((plugin, "./cmd/k8senc-kms-plugin"), (load, "./internal/loadtest")):
            subprocess.run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, package], cwd=ROOT / "kms-plugin", check=True)
        subprocess.run([load, "-plugin", plugin, "-rounds", rounds], check=True)
