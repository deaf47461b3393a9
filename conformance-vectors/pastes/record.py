#!/usr/bin/env python3
"""Records how real tools print stored values: pastes.json, which every binding's reader of pastes has to read back.

usage: record.py ENDPOINT ETCDCTL...

Writes three values to the etcd at ENDPOINT, prints each with every tool, and notes the tools' versions. Needs xxd, hexdump, od,
base64 and the named etcdctl programs, one for each release to be recorded.
"""

import base64
import json
import pathlib
import subprocess
import sys
import tempfile

KEY = "/registry/secrets/default/"
VALUES = {
    # An odd number of bytes, with all that a printer has to escape, and a line feed at the end.
    "odd": b"k8s:enc:aesgcm:v1:key1:" + bytes([0, 10, 0xFF, 0xFE, 0x22, 0x5C, 0x7F, 0xC3, 0xA9, 0x20, 0x09]) + bytes(range(130, 152)) + b"\n",
    # Lines that repeat, which dumps leave out.
    "repeats": b"k8s:enc:aescbc:v1:a:" + bytes(90) + b"\x01 |x| >y<  " + b"\xee" * 61,
    "plaintext": b'{"kind":"Secret","apiVersion":"v1","metadata":{"name":"plaintext",  "namespace":"default"}}\n',
}
# What prints the file v, and what the reader has to call it.
DUMPS = {
    "hexdump": ["xxd v", "xxd -u v", "xxd -g 1 -c 32 v", "xxd -g 0 v", "xxd -c 7 v", "hexdump -C v", "hexdump -v v", "hexdump v", "hexdump -x v", "hexdump -b v", "hexdump -o v",
                "od v", "od -x v", "od -b v", "od -t x1 v", "od -A x -t x1z -v v", "od -A d -t x1 v", "od -t x4 v", "od -w24 -t x1z v", "od -w5 -t x1 v"],
    "hex": ["xxd -p v", "xxd -i v", "xxd -i < v", "od -A n -t x1 -v v", "hexdump -v -e '1/1 \"%02x\"' v"],
    "base64": ["base64 v", "base64 -w 0 v"],
    # Not to be read: other orders, other units, other alphabets.
    None: ["xxd -e -g 2 v", "xxd -e v", "xxd -b v", "xxd -E v", "od -c v", "od -t d1 v", "od -t u2 v", "hexdump -d v"],
}
ETCDCTL = {
    "etcdctl": "get {key}",
    "etcdctl-json": "get {key} -w json",
    "etcdctl-fields": "get {key} -w fields",
    "etcdctl --hex": "get {key} --hex",
}


def printed(command: str, folder: str) -> bytes:
    return subprocess.run(command, shell=True, cwd=folder, check=True, capture_output=True).stdout


def main(endpoint: str, programs: list[str]) -> None:
    cases: list[dict[str, object]] = []
    versions = [printed(f"{tool} 2>&1 | head -1", "/").decode().strip() for tool in ("xxd --version", "hexdump --version", "od --version")]

    def case(name: str, command: str, form: str | None, text: bytes, key: str | None = None) -> None:
        cases.append({"value": name, "command": command, "form": form, "etcdKey": key, "printed": base64.b64encode(text).decode()})

    with tempfile.TemporaryDirectory() as folder:
        for name, value in VALUES.items():
            pathlib.Path(folder, "v").write_bytes(value)
            for form, commands in DUMPS.items():
                for command in commands:
                    case(name, command, form, printed(command, folder))
            key = KEY + name
            for at, program in enumerate(programs):
                etcdctl = f"{program} --endpoints={endpoint}"
                printed(f"{etcdctl} put {key} < v", folder)
                version = printed(f"{program} version", folder).decode().split()[2]
                if f"etcdctl {version}" not in versions:
                    versions.append(f"etcdctl {version}")
                for form, arguments in ETCDCTL.items():
                    arguments = arguments.format(key=key)
                    case(name, f"etcdctl {arguments} ({version})", form, printed(f"{etcdctl} {arguments}", folder), key)
                if at == 0:
                    for pipe in ("hexdump -C", "xxd"):
                        case(name, f"etcdctl get {key} | {pipe}", "etcdctl", printed(f"{etcdctl} get {key} | {pipe}", folder), key)
                    case(name, f"etcdctl get {key} --print-value-only --hex", "etcdctl --hex", printed(f"{etcdctl} get {key} --print-value-only --hex", folder))
    recorded = {"format": 1, "tools": versions, "values": {name: value.hex() for name, value in VALUES.items()}, "cases": cases}
    pathlib.Path(__file__).with_name("pastes.json").write_text(json.dumps(recorded, indent=1) + "\n")
    print(f"{len(cases)} pastes of {', '.join(versions)}")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
