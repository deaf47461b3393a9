#!/usr/bin/env python3
"""Runs every case of the program `taint` under valgrind and judges what memcheck reports.

A comparison in constant time still ends in a decision, which is public: opened or refused. So a report is right where that
decision is taken, and in no other place; and the decision has to be reported, or the poison did not reach it.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Where a public decision is taken: its name, the function, and a piece of the source line if the file is one of ours.
DECISIONS = [
    ("padding", r"constant_time::pad$", None),
    # Where it was inlined it is known by its line.
    ("padding", r"^pad$", r"if bool::from\(bad_"),
    ("padding", r"wire::aescbc::open$", r"match found|Pad::|truncate"),
    ("padding", r"truncate$", r"self\.0\.truncate"),
    ("gcm-tag", r"decrypt_inout_detached$", None),
    ("secretbox-tag", r"\{closure#0\}|XSalsa20Poly1305", r"ours\.ct_eq\(tag\)"),
    ("mac", r"Record::check$", r"\.ct_eq\(mac\)"),
    ("commitment", r"Record::unseal$", r"commitment\(|\.ct_eq\("),
    # The same verdict, handed on.
    ("verdict", r"wire::(aesgcm|secretbox)::open$|open_seed$|unseal$|GcmOf|scrubbed|apart|\{closure#0\}", r"map_err|Refused|scrubbed|work\(\)|let out|fn |^\s*\}"),
]

# What has to be seen in each case; any other decision is a fault.
EXPECTED = {
    "control-compare": {"LEAK"},
    "control-table": {"LEAK"},
    "control-nothing": set(),
    "aescbc-open": {"padding"},
    "aescbc-open-bad-padding": {"padding"},
    "aescbc-seal": set(),
    "aesgcm-open": {"gcm-tag"},
    "aesgcm-open-bad-tag": {"gcm-tag"},
    "aesgcm-seal": set(),
    "secretbox-open": {"secretbox-tag"},
    "secretbox-open-bad-tag": {"secretbox-tag"},
    "secretbox-seal": set(),
    "kmsv2-seed-open": {"gcm-tag"},
    "kmsv2-seed-open-bad-tag": {"gcm-tag"},
    "kmsv2-seed-seal": set(),
    "keyset-seal": set(),
    "keyset-mac": {"mac"},
    "keyset-open": {"commitment", "gcm-tag"},
    "keyset-open-wrong-key": {"commitment"},
}


def source_line(frame: xml.Element) -> str | None:
    """The text of a frame's line if the file is in the tree."""
    folder, file, line = (frame.findtext(tag) for tag in ("dir", "file", "line"))
    if not (folder and file and line):
        return None
    path = pathlib.Path(folder, file)
    if not path.is_relative_to(ROOT) or not path.is_file():
        return None
    return path.read_text().splitlines()[int(line) - 1]


def place(error: xml.Element) -> tuple[str, str, str | None]:
    """Function, place and source line of the innermost frame that is not the standard library's."""
    frames = error.findall("stack/frame")
    outside = [f for f in frames if f.findtext("file") and "library/" not in f"{f.findtext('dir')}/{f.findtext('file')}"]
    frame = (outside or frames)[0]
    where = f"{frame.findtext('file')}:{frame.findtext('line')}"
    return frame.findtext("fn") or "?", where, source_line(frame)


def judge(error: xml.Element) -> tuple[str, str]:
    """The decision a report stands for, or LEAK, and what to show of it."""
    function, where, line = place(error)
    shown = f"{error.findtext('kind')} in {function} ({where})"
    if error.findtext("kind") == "UninitCondition":
        for name, functions, lines in DECISIONS:
            if re.search(functions, function) and (lines is None or (line is not None and re.search(lines, line))):
                return name, shown
    return "LEAK", shown


def run(program: str, case: str) -> list[xml.Element]:
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = ["valgrind", "--quiet", "--xml=yes", f"--xml-file={report.name}", program, case]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
        if done.returncode != 0 or f"{case} ran" not in done.stdout:
            sys.exit(f"taint: case {case} did not run: {done.stderr.strip()}")
        return xml.parse(report.name).findall("error")


def main() -> int:
    [program] = sys.argv[1:]
    cases = subprocess.run([program, "list"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    if set(cases) != set(EXPECTED):
        sys.exit(f"taint: the program and this script differ in {set(cases) ^ set(EXPECTED)}")
    wrong = 0
    for case in cases:
        judged = [judge(error) for error in run(program, case)]
        found = {name for name, _ in judged} - {"verdict"}
        if found == EXPECTED[case]:
            print(f"  {case}: {', '.join(sorted(found)) or 'nothing'}")
            continue
        wrong += 1
        print(f"  {case}: WRONG, {sorted(found)} instead of {sorted(EXPECTED[case])}")
        for name, shown in judged:
            print(f"      {name}: {shown}")
    print(f"taint: {len(cases)} cases, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
