#!/usr/bin/env python3
"""Checks what the workspace depends on.

* Crates of the workspace point only down the diagram of CONTRIBUTING.md (`BELOW`).
* `<crate>/deps.allow` lists what the crate depends on, `name  reason` a line, compared both
  ways. For the crates that go into no_std and wasm trees (`WHOLE_TREE`) that is every crate
  they link on any platform; for the others the ones their manifest names. What only tests
  use is free.
* Every locked crate comes from the public crate registry, has an accepted licence, is not banned, and does
  not need a newer Rust than the workspace promises.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What each crate may depend on inside the workspace. Tests may use the vectors' loader besides.
BELOW = {
    "k8senc": set(),
    "etcd-store": set(),
    "k8s-object": set(),
    "k8senc-vectors": set(),
    "k8senc-backends": {"k8senc"},
    "k8senc-config": {"k8senc"},
    # Backends reach the audit as an argument.
    "k8senc-audit": {"k8senc", "k8senc-config", "k8s-object", "etcd-store"},
    # What reveals plaintext is apart from what must not.
    "k8senc-recovery": {"k8senc", "k8senc-config", "k8s-object", "etcd-store", "k8senc-audit"},
    "k8senc-py": {"k8senc", "k8senc-backends", "k8senc-config", "k8s-object", "etcd-store", "k8senc-audit", "k8senc-recovery"},
    "k8senc-c": {"k8senc", "k8senc-backends", "k8senc-config", "k8s-object", "etcd-store", "k8senc-audit"},
    "k8senc-bench": {"k8senc", "k8senc-backends", "k8senc-config", "etcd-store", "k8senc-audit"},
    # What fuzz targets do, which uses everything, and the vectors for seeds.
    "k8senc-fuzz-bodies": {"k8senc", "k8senc-backends", "k8senc-config", "k8s-object", "etcd-store", "k8senc-audit", "k8senc-recovery", "k8senc-vectors"},
    # The Rust side of differential runs.
    "k8senc-peer": {"k8senc", "k8senc-backends", "k8senc-config"},
    # Its tests look at all crates that hold keys.
    "k8senc-secret-proof": {"k8senc", "k8senc-backends", "k8senc-config"},
    # No native backend in a wasm tree.
    "k8senc-wasm": {"k8senc", "k8senc-config", "k8s-object", "etcd-store", "k8senc-audit", "k8senc-recovery"},
}
TEST_ONLY = {"k8senc-vectors"}
WHOLE_TREE = {"k8senc", "k8s-object", "etcd-store"}

LICENCES = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0",
    "CC0-1.0", "ISC", "MIT", "MIT-0", "OpenSSL", "Unicode-3.0", "Unlicense", "Zlib",
}
# Tools that tests run, of licences we do not ship. They must be dev-dependencies only.
TOOLS = {
    "cbindgen": ("MPL-2.0", "compares the C header with the sources"),
}
BANNED = {
    "crypto_secretbox": "0.2.0-pre.0 does not resolve beside the RustCrypto generation in use",
    "libyml": "unmaintained and unsound",
    "native-tls": "brings the system's OpenSSL",
    "openssl": "a system library with its own release cycle",
    "openssl-sys": "a system library with its own release cycle",
    "serde_yml": "unmaintained and unsound",
    "xsalsa20poly1305": "deprecated, RUSTSEC-2023-0037",
}
REGISTRY = re.compile(r"registry\+\S+/crates\.io-index")


def licence_accepted(expression: str) -> bool:
    """Evaluates an SPDX expression (and the old `A/B` for `A OR B`) over `LICENCES`."""
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def term() -> bool:
        nonlocal at
        if at >= len(words):
            return False
        word = words[at]
        at += 1
        if word == "(":
            value = either()
            at += 1
            return value
        if words[at:at + 1] == ["WITH"]:
            word = " ".join([word, *words[at:at + 2]])
            at += 2
        return word in LICENCES

    def both() -> bool:
        nonlocal at
        value = term()
        while words[at:at + 1] == ["AND"]:
            at += 1
            value = term() and value
        return value

    def either() -> bool:
        nonlocal at
        value = both()
        while words[at:at + 1] == ["OR"]:
            at += 1
            value = both() or value
        return value

    value = either()
    return value and at == len(words)


def newer(version: str | None, floor: str | None) -> bool:
    """Whether a crate's rust-version is above the floor; `1.89` and `1.89.0` are the same."""
    numbers = [[*map(int, (v or "0").split(".")), 0, 0][:3] for v in (version, floor)]
    return numbers[0] > numbers[1]


def read_allow_list(text: str) -> tuple[set[str], list[str]]:
    """The names of an allow-list, and the lines that lack a reason or come twice."""
    names: set[str] = set()
    bad = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition(" ")
        if not reason.strip() or name in names:
            bad.append(line)
        names.add(name)
    return names, bad


def cargo(*args: str) -> str:
    return subprocess.run(["cargo", *args], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def whole_tree(crate: str) -> set[str]:
    tree = cargo("tree", "--locked", "-p", crate, "--edges", "normal,no-proc-macro", "--target", "all", "--prefix", "none", "--format", "{p}")
    return {line.split(" ")[0] for line in tree.splitlines() if line} - {crate}


def check(metadata: dict) -> list[str]:
    # All of ours inherit one rust-version.
    floor = next(p.get("rust_version") for p in metadata["packages"] if p["id"] in metadata["workspace_members"])
    members = {p["name"]: p for p in metadata["packages"] if p["id"] in metadata["workspace_members"]}
    found = []
    for name, package in sorted(members.items()):
        if name not in BELOW:
            found.append(f"{name}: not in the diagram; give it a line in BELOW and in CONTRIBUTING.md")
            continue
        direct = {d["name"] for d in package["dependencies"] if d["kind"] != "dev"}
        for below in sorted((direct & members.keys()) - BELOW[name]):
            found.append(f"{name} depends on {below}, which the diagram does not allow")
        for below in sorted({d["name"] for d in package["dependencies"]} & members.keys() - BELOW[name] - TEST_ONLY - direct):
            found.append(f"{name}: its tests depend on {below}, which the diagram does not allow")

        for tool in sorted(direct & TOOLS.keys()):
            found.append(f"{name} depends on {tool}, which only tests may use")
        if name in TEST_ONLY:
            continue
        room = pathlib.Path(package["manifest_path"]).parent
        actual = (whole_tree(name) if name in WHOLE_TREE else direct) - members.keys()
        listed = room / "deps.allow"
        allowed, bad = read_allow_list(listed.read_text() if listed.exists() else "")
        where = listed.relative_to(ROOT)
        found += [f"{where}: '{line}' lacks a reason or comes twice" for line in bad]
        found += [f"{where}: {extra} is a dependency without a line" for extra in sorted(actual - allowed)]
        found += [f"{where}: {extra} is listed and no dependency any more" for extra in sorted(allowed - actual)]

    for package in metadata["packages"]:
        label = f"{package['name']} {package['version']}"
        if package["name"] in BANNED:
            found.append(f"{label}: banned, {BANNED[package['name']]}")
        if package["id"] in metadata["workspace_members"]:
            continue
        if not REGISTRY.fullmatch(package["source"] or ""):
            found.append(f"{label}: comes from '{package['source']}', not from the public crate registry")
        if newer(package.get("rust_version"), floor):
            found.append(f"{label}: needs Rust {package['rust_version']}, the workspace promises {floor}")
        if not licence_accepted(package["license"] or "") and TOOLS.get(package["name"], ("",))[0] != package["license"]:
            found.append(f"{label}: licence '{package['license']}' is not an accepted one")
    return found


def main() -> int:
    try:
        metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked"))
        found = check(metadata)
    except subprocess.CalledProcessError as error:
        print(f"dependencies: not checked, cargo {error.cmd[1]} failed (its reason is above)")
        return 1
    for line in found:
        print(line)
    print(f"dependencies: {len(metadata['packages'])} crates, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
