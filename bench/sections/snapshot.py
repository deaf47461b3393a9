"""The audit of a large snapshot beside SHA-256 of the file and the same work in Go.

Makes a file of 200,000 Secrets of 1.5 KiB under aesgcm and runs the programs in turn, several times each, in one go: what
counts are the ratios of one run, since absolute times change with the machine and the hour. Each program runs in a fresh
process; its first pass is what a user waits for, the fastest of the others is a warm one. Go maps the file, so ours does too.
A second file holds each object written twice, the first revisions compacted: it is classified, and its free pages are searched
for them. "memory alone" adds up the words of the mapped file. Go's ForEach looks at no value; its classify pass parses each row and looks at the prefix, ours also decides which row is
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
RESIDUE = "classify with residue, 2 threads"


def times(command: list[str], rows: int | None, least: float = 0) -> list[float]:
    """Milliseconds of each pass; stops when a pass did not see every object, or fewer rows than that."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    passes = [line.split() for line in out.splitlines()]
    for _, seen in passes:
        if (rows is not None and int(seen) != rows) or int(seen) < least:
            sys.exit(f"bench: {' '.join(command)} saw {seen} of {rows} objects")
    return [float(ms) for ms, _ in passes]


def main(args: list[str]) -> None:
    objects = int(args[0]) if args else 200_000
    rounds = int(args[1]) if len(args) > 1 else 5
    with machine.programs() as (go, ours), tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        file, config = str(work / "snapshot.db"), str(work / "config.yaml")
        again = str(work / "rewritten.db")
        machine.progress("snapshot: making two files")
        subprocess.run([go, "make", file, str(objects)], check=True)
        subprocess.run([go, "remake", again, str(objects)], check=True)
        sizes = {file: os.path.getsize(file), again: os.path.getsize(again)}

        def mine(mode: str, threads: int, access: str = "mapped", of: str = file) -> list[str]:
            return [ours, mode, access, of, config, str(threads), str(PASSES)]

        runs = {
            "Go bbolt ForEach": ([go, "foreach", file, str(PASSES)], objects),
            "Go classify": ([go, "classify", file, str(PASSES)], objects),
            "Go decrypt all": ([go, "decrypt", file, str(PASSES)], objects),
            "Go SHA-256": ([go, "sha256", file, str(PASSES)], None),
            "SHA-256 alone": (mine("sha256", 1), None),
            "memory alone, 1 thread": (mine("touch", 1), None),
            "classify, 1 thread": (mine("classify", 1), objects),
            "classify, 2 threads": (mine("classify", 2), objects),
            "decrypt all, 1 thread": (mine("decrypt", 1), objects),
            "decrypt all, 2 threads": (mine("decrypt", 2), objects),
            "whole audit with hash, 2 threads": (mine("audit", 2), objects),
            "the same, read instead of mapped": (mine("audit", 2, "read"), objects),
            RESIDUE: (mine("residue", 2, of=again), None),
        }
        first: dict[str, list[float]] = {name: [] for name in runs}
        warm: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(rounds):
            machine.progress(f"snapshot: round {number + 1} of {rounds}")
            for name, (command, rows) in runs.items():
                passes = times(command, rows, objects * 0.9 if name == RESIDUE else 0)
                first[name].append(passes[0])
                warm[name].append(min(passes[1:]))
        machine.progress("")
        memory = [ours, "memory", "read", file, config, "2", "1"]
        anonymous, live = map(int, subprocess.run(memory, check=True, capture_output=True, text=True).stdout.split())
        scan = [ours, "memory", "read", again, config, "2", "1"]
        scanning, _ = map(int, subprocess.run(scan, check=True, capture_output=True, text=True).stdout.split())
    read = {name: sizes[again if name == RESIDUE else file] for name in runs}
    report(objects, read, rounds, first, warm, (anonymous, scanning), live)


def report(objects, read, rounds, first, warm, memory, live) -> None:
    anonymous, scanning = memory
    print(f"{objects} objects, {read['SHA-256 alone']} bytes ({read[RESIDUE]} with residue), {rounds} rounds; {machine.describe()}")
    print(f"{'':34}{'first pass':>12}{'warm pass':>12}   ms, median of rounds{'GB/s warm':>14}")
    for name in first:
        median = statistics.median(warm[name])
        print(f"{name:34}{statistics.median(first[name]):12.1f}{median:12.1f}{read[name] / median / 1e6:37.2f}")

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
        ("the same with residue, KiB", scanning, "<=", 40 * 1024 + 32 * live / 1024),
    ]
    print(f"\n{'target':38}{'measured':>10}{'wanted':>12}")
    for name, measured, sign, wanted in targets:
        met = measured <= wanted if sign == "<=" else measured >= wanted
        places = 0 if wanted > 100 else 2
        print(f"{name:38}{measured:10.{places}f}{sign:>5}{wanted:7.{places}f}  {'met' if met else 'MISSED'}")
