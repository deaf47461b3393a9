"""The audit of a large snapshot beside SHA-256 of the file and the same work in Go.

Makes a file of 200,000 Secrets of 1.5 KiB under aesgcm and runs the programs in turn, several times each, in one go: what
counts are the ratios of one run, since absolute times change with the machine and the hour. Each program runs in a fresh
process; its first pass is what a user waits for, the fastest of the others is a warm one. Go maps the file, so ours does too.
Go's ForEach looks at no value; its classify pass parses each row and looks at the prefix, ours also decides which row is
current, which resource it is of and which key wrote it.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

from . import machine

PASSES = 4


def times(command: list[str], rows: int | None) -> list[float]:
    """Milliseconds of each pass; stops when a pass did not see every object."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    passes = [line.split() for line in out.splitlines()]
    for _, seen in passes:
        if rows is not None and int(seen) != rows:
            sys.exit(f"bench: {' '.join(command)} saw {seen} of {rows} objects")
    return [float(ms) for ms, _ in passes]


def main(args: list[str]) -> None:
    objects = int(args[0]) if args else 200_000
    rounds = int(args[1]) if len(args) > 1 else 5
    with machine.programs() as (go, ours), tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        file, config = str(work / "snapshot.db"), str(work / "config.yaml")
        subprocess.run([go, "make", file, str(objects)], check=True)

        def mine(mode: str, threads: int, access: str = "mapped") -> list[str]:
            return [ours, mode, access, file, config, str(threads), str(PASSES)]

        runs = {
            "Go bbolt ForEach": ([go, "foreach", file, str(PASSES)], objects),
            "Go classify": ([go, "classify", file, str(PASSES)], objects),
            "Go decrypt all": ([go, "decrypt", file, str(PASSES)], objects),
            "Go SHA-256": ([go, "sha256", file, str(PASSES)], None),
            "SHA-256 alone": (mine("sha256", 1), None),
            "classify, 1 thread": (mine("classify", 1), objects),
            "classify, 2 threads": (mine("classify", 2), objects),
            "decrypt all, 1 thread": (mine("decrypt", 1), objects),
            "decrypt all, 2 threads": (mine("decrypt", 2), objects),
            "whole audit with hash, 2 threads": (mine("audit", 2), objects),
            "the same, read instead of mapped": (mine("audit", 2, "read"), objects),
        }
        first: dict[str, list[float]] = {name: [] for name in runs}
        warm: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(rounds):
            machine.progress(f"snapshot: round {number + 1} of {rounds}")
            for name, (command, rows) in runs.items():
                passes = times(command, rows)
                first[name].append(passes[0])
                warm[name].append(min(passes[1:]))
        machine.progress("")
        memory = [ours, "memory", "read", file, config, "2", "1"]
        anonymous, live = map(int, subprocess.run(memory, check=True, capture_output=True, text=True).stdout.split())
        size = os.path.getsize(file)
    report(objects, size, rounds, first, warm, anonymous, live)


def report(objects, size, rounds, first, warm, anonymous, live) -> None:
    print(f"{objects} objects, {size} bytes, {rounds} rounds; {machine.describe()}")
    print(f"{'':34}{'first pass':>12}{'warm pass':>12}   ms, median of rounds")
    for name in first:
        print(f"{name:34}{statistics.median(first[name]):12.1f}{statistics.median(warm[name]):12.1f}")

    def ratio(over: str, under: str, of: dict) -> float:
        """Median of the rounds' own ratios, so that a slow minute weighs on both sides."""
        return statistics.median(a / b for a, b in zip(of[over], of[under]))

    sha, go = "SHA-256 alone", "Go decrypt all"
    targets = [
        ("whole audit / SHA-256", ratio("whole audit with hash, 2 threads", sha, warm), "<=", 1.15),
        ("the same, first pass", ratio("whole audit with hash, 2 threads", sha, first), "<=", 1.15),
        ("classify / Go ForEach, first pass", ratio("classify, 2 threads", "Go bbolt ForEach", first), "<=", 1.0),
        ("classify / Go classify, first pass", ratio("classify, 2 threads", "Go classify", first), "<=", 1.0),
        ("classify / Go classify, warm", ratio("classify, 2 threads", "Go classify", warm), "<=", 1.0),
        ("Go decrypt / ours on 1 thread", ratio(go, "decrypt all, 1 thread", warm), ">=", 1.5),
        ("Go decrypt / ours on 2 threads", ratio(go, "decrypt all, 2 threads", warm), ">=", 2.5),
        ("anonymous memory, KiB", anonymous, "<=", 40 * 1024 + 32 * live / 1024),
    ]
    print(f"\n{'target':38}{'measured':>10}{'wanted':>12}")
    for name, measured, sign, wanted in targets:
        met = measured <= wanted if sign == "<=" else measured >= wanted
        places = 0 if wanted > 100 else 2
        print(f"{name:38}{measured:10.{places}f}{sign:>5}{wanted:7.{places}f}  {'met' if met else 'MISSED'}")
