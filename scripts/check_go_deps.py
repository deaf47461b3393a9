#!/usr/bin/env python3
"""Checks what the shipped Go program, k8senc-kms-plugin, is built of.

`kms-plugin/deps.allow` lists each module that is linked into it, `module  licence  reason` a line (a module that another one brings
needs no reason), compared both ways with what Go builds. The licence is also read from the module's own files, so that a line
cannot claim another one. What only tests and benchmarks use is in modules of its own and must not be linked.
"""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "kms-plugin"
ALLOW = PLUGIN / "deps.allow"
OURS = "github.com/k8senc/k8senc/"

# A sentence that only this licence has, as one line without its line breaks.
MARKS = {
    "BUSL-1.1": "business source license",
    "GPL": "gnu general public license",
    "LGPL": "gnu lesser general public license",
    "AGPL": "gnu affero general public license",
    "Apache-2.0": "apache license version 2.0",
    "MPL-2.0": "mozilla public license",
    "MIT": "permission is hereby granted, free of charge, to any person obtaining a copy of this software",
    "ISC": "permission to use, copy, modify, and/or distribute this software for any purpose",
    "BSD-3-Clause": "may be used to endorse or promote products derived from this software",
    "BSD-2-Clause": "redistributions in binary form must reproduce the above copyright notice",
}
# MPL-2.0 binds its own files only: unmodified modules may be linked.
ACCEPTED = {"Apache-2.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "MPL-2.0"}
NEVER = ("github.com/hashicorp/vault", "github.com/k8senc/k8senc/kms-plugin/testservers")


def licence_of(text: str) -> str | None:
    """The licence whose text this is; a refused one wins over an accepted one in the same file."""
    words = " ".join(text.lower().split()).replace("license, version", "license version")
    # The Apache licence's own text names no other; MPL's secondary licences are the GPL family.
    found = [name for name, mark in MARKS.items() if mark in words]
    if "MPL-2.0" in found:
        found = [name for name in found if "GPL" not in name]
    return found[0] if found else None


def licence_in(directory: pathlib.Path) -> str | None:
    for file in sorted(directory.iterdir()):
        if file.is_file() and file.name.lower().startswith(("license", "licence", "copying")):
            found = licence_of(file.read_text("utf-8", "replace"))
            if found:
                return found
    return None


def read_allow_list(text: str) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Licence and reason by module, and the lines that have too little or come twice."""
    listed: dict[str, tuple[str, str]] = {}
    bad = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        module, licence, *reason = line.split(None, 2) + [""]
        if not licence or module in listed:
            bad.append(line)
            continue
        listed[module] = (licence, reason[0].strip())
    return listed, bad


def check(modules: dict[str, tuple[str | None, bool]], text: str) -> list[str]:
    """modules: licence read and whether the module is asked for by ours, by path."""
    listed, bad = read_allow_list(text)
    found = [f"'{line}' has no licence or comes twice" for line in bad]
    for module, (licence, direct) in sorted(modules.items()):
        if module.startswith(NEVER):
            found.append(f"{module} is for tests only and is linked into the program")
            continue
        if module not in listed:
            found.append(f"{module} ({licence}) is linked and has no line")
            continue
        claimed, reason = listed[module]
        if claimed != licence:
            found.append(f"{module} is said to be {claimed}, its files say {licence}")
        if licence not in ACCEPTED:
            found.append(f"{module}: licence {licence} is not an accepted one")
        if direct and not reason:
            found.append(f"{module} has no reason")
    return found + [f"{module} is listed and not linked any more" for module in sorted(listed.keys() - modules.keys())]


def linked() -> dict[str, tuple[str | None, bool]]:
    go = ["go", "list", "-deps", "-json=Module", "./cmd/k8senc-kms-plugin"]
    text = subprocess.run(go, cwd=PLUGIN, check=True, stdout=subprocess.PIPE, text=True).stdout
    decoder, at, modules = json.JSONDecoder(), 0, {}
    while at < len(text.rstrip()):
        package, at = decoder.raw_decode(text, at)
        at += len(text[at:]) - len(text[at:].lstrip())
        module = package.get("Module")
        if module and module["Path"] not in modules and not module["Path"].startswith(OURS + "bindings-c") and module["Path"] != OURS + "kms-plugin":
            modules[module["Path"]] = (licence_in(pathlib.Path(module["Dir"])), not module.get("Indirect", False))
    return modules


def main() -> int:
    try:
        modules = linked()
    except subprocess.CalledProcessError:
        print("go dependencies: not checked, go list failed (its reason is above)")
        return 1
    found = check(modules, ALLOW.read_text("utf-8") if ALLOW.exists() else "")
    for line in found:
        print(f"{ALLOW.relative_to(ROOT)}: {line}")
    print(f"go dependencies: {len(modules)} modules in k8senc-kms-plugin, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
