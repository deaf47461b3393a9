"""The KMS plugin over its socket, in turn in one run with the mock of k8s.io/kms on SoftHSM and with the same service package around AES
in its process: start, memory, calls a second, p99."""

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
        plugin, load, mock = (pathlib.Path(room) / name for name in ("k8senc-kms-plugin", "loadtest", "mock"))
        own = ROOT / "kms-plugin"
        for program, module, package in (
            (plugin, own, "./cmd/k8senc-kms-plugin"),
            (load, own, "./internal/loadtest"),
            (mock, own / "testservers" / "mock", "."),
        ):
            subprocess.run(["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, package], cwd=module, check=True)
        subprocess.run([load, "-plugin", plugin, "-mock", mock, "-rounds", rounds], check=True)
