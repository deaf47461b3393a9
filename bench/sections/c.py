"""What the C library costs: time of its calls from C, its size, and what programs in C and Go grow by."""

import pathlib
import subprocess
import tempfile

from . import machine

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-s"]
EMPTY_C = "int main(void) { return 0; }\n"
EMPTY_GO = 'package main\n\nimport "os"\n\nfunc main() { os.Stdout.WriteString("") }\n'


def build(folder: pathlib.Path, name: str, source: pathlib.Path, *more: str | pathlib.Path) -> pathlib.Path:
    program = folder / name
    subprocess.run(["cc", *FLAGS, source, *more, "-o", program], check=True)
    return program


def go_build(program: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "."]
    subprocess.run(command, cwd=directory, env={**machine.GO, "GOFLAGS": "-mod=mod"}, check=True)
    return program


def mib(path: pathlib.Path) -> float:
    return path.stat().st_size / (1 << 20)


def main(args: list[str]) -> None:
    machine.progress("c: building")
    subprocess.run([ROOT / "scripts" / "go-library"], check=True, stdout=subprocess.DEVNULL)
    library = ROOT / "target/c/lib/libk8senc.a"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        include = f"-I{ROOT / 'bindings-c/include'}"
        bench = build(folder, "bench", ROOT / "bench/c/main.c", include, library)
        machine.progress("")
        subprocess.run([bench, *args], check=True)

        (folder / "empty.c").write_text(EMPTY_C)
        smoke = build(folder, "smoke", ROOT / "bindings-c/tests/c/smoke.c", include, library)
        empty = build(folder, "empty", folder / "empty.c")
        (folder / "go").mkdir()
        (folder / "go/main.go").write_text(EMPTY_GO)
        (folder / "go/go.mod").write_text("module empty\n\ngo 1.25\n")
        go_empty = go_build(folder / "go-empty", folder / "go")
        go_open = go_build(folder / "go-open", ROOT / "bindings-c/go/internal/open")
        print(f"\nsizes, stripped: static library {mib(library):.1f} MiB, shared {mib(library.with_name('libk8senc.so')):.1f} MiB")
        print(f"a C program that does nothing {mib(empty):.2f} MiB, one with the library {mib(smoke):.2f} MiB")
        print(f"a Go program that does nothing {mib(go_empty):.2f} MiB, one with the library {mib(go_open):.2f} MiB")
