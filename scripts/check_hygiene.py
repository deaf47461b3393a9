#!/usr/bin/env python3
"""Checks the tracked files for what a compiler does not see.

* Bindings and the audit know no byte of a wire format: no provider prefix outside their tests.
* The audit prints no plaintext: no call of `reveal`.
* No crate steps out of the workspace lints, and none relaxes the panic lints outside tests.
* No note to self, no path of somebody's machine.
"""

import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent

PREFIX = re.compile("k8s:" + "enc")
NOTE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
MACHINE = re.compile(r"(?<![\w.-])/(work|root|home/\w+)/")
REVEAL = re.compile(r"\breveal\(")
PANIC_LINT = re.compile(r"#!?\[(allow|expect)\([^\]]*clippy::(unwrap_used|expect_used|panic|indexing_slicing|unreachable|todo|unimplemented)")

WIRE_FREE = ("bindings-py/", "bindings-c/", "bindings-wasm/", "kms-plugin/", "audit/")
# Unsafe code lives in the C interface, in one file of the audit, and in the allocator and the requests to valgrind of the
# secrets' proof; these have lint tables of their own.
OWN_LINTS = {"audit", "bindings-c", "secret-proof"}
SOURCE = (".rs", ".py", ".pyi", ".go", ".ts", ".js")


def is_test(path: str) -> bool:
    parts = pathlib.PurePosixPath(path).parts
    return "tests" in parts or "benches" in parts or parts[-1].startswith("test_") or parts[-1].endswith(("_test.go", "tests.rs"))


def outside_tests(path: str, text: str) -> list[tuple[int, str]]:
    """Numbered lines, without comments and without what follows `#[cfg(test)]` in a Rust file."""
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if path.endswith(".rs") and line.strip() == "#[cfg(test)]":
            break
        if not line.lstrip().startswith(("//", "#", "*")) or line.lstrip().startswith("#["):
            lines.append((number, line))
    return lines


def complaints(path: str, text: str) -> list[str]:
    found = []

    def report(number: int, what: str) -> None:
        found.append(f"{path}:{number}: {what}")

    for number, line in enumerate(text.splitlines(), 1):
        if NOTE.search(line):
            report(number, "a note to self; open an issue instead")
        if MACHINE.search(line):
            report(number, "a path of somebody's machine")
    if is_test(path) or not path.endswith(SOURCE):
        return found
    for number, line in outside_tests(path, text):
        if path.startswith(WIRE_FREE) and PREFIX.search(line):
            report(number, "a provider prefix; only core knows wire formats")
        if path.startswith("audit/") and REVEAL.search(line):
            report(number, "the audit must not take plaintext out")
        if path.endswith(".rs") and PANIC_LINT.search(line):
            report(number, "a panic lint is relaxed outside tests")
    return found


def lints_complaint(path: str, text: str) -> list[str]:
    manifest = tomllib.loads(text)
    room = str(pathlib.PurePosixPath(path).parent)
    if "package" in manifest and room not in OWN_LINTS and manifest.get("lints") != {"workspace": True}:
        return [f"{path}: lints must be those of the workspace"]
    return []


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    found = []
    read = 0
    for path in listed.decode().split("\0"):
        file = ROOT / path
        if not path or not file.is_file():
            continue
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        read += 1
        found += complaints(path, text)
        if file.name == "Cargo.toml":
            found += lints_complaint(path, text)
    for line in found:
        print(line)
    print(f"hygiene: {read} text files, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
