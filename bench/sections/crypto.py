"""Our crypto beside Go's, cell by cell, in turn.

Two programs wait on pipes, ours and one in Go. For each cell they are asked in turn, in another order each round; each
answers with the median of nine samples of some 60 microseconds. A ratio is taken within its round, so that a slow
second weighs on both sides; printed are the median of the rounds' ratios and their quartiles. Both digest what they made
first: a cell counts only if they made the same.
"""

import contextlib
import statistics
import subprocess
import sys

from . import machine

SIZES = [64, 1024, 4096, 65536, 1 << 20]
ROUNDS = 15

# family, what it is, keys that differ, directions, sizes
FAMILIES = [
    ("gcm", "AES-256-GCM", ["kept", "fresh"], ["open", "seal"], SIZES),
    ("cbc", "AES-256-CBC with padding", ["kept", "fresh"], ["open", "seal"], SIZES),
    ("cbc8", "AES-256-CBC, 8 messages at once", ["kept"], ["seal"], SIZES),
    ("secretbox", "XSalsa20-Poly1305", ["kept", "fresh"], ["open", "seal"], SIZES),
    ("hkdf", "HKDF, seed to DEK, as kube-apiserver calls it", ["kept", "fresh"], ["derive"], [32]),
    ("hkdf-std", "HKDF, seed to DEK, by Go's crypto/hkdf", ["kept"], ["derive"], [32]),
    ("kmsv2", "KMS v2 body: derive, then AES-256-GCM, as kube-apiserver", ["kept", "fresh"], ["open", "seal"], SIZES),
    ("kmsv2-std", "KMS v2 body, Go deriving by crypto/hkdf", ["kept"], ["open", "seal"], SIZES),
    ("value-aesgcm", "whole stored value, aesgcm", ["kept"], ["open", "seal"], SIZES),
    ("value-aescbc", "whole stored value, aescbc", ["kept"], ["open", "seal"], SIZES),
    ("value-secretbox", "whole stored value, secretbox", ["kept"], ["open", "seal"], SIZES),
    ("value-kmsv2", "whole stored value, KMS v2", ["fresh", "kept"], ["open"], SIZES),
    ("value-kmsv2", "whole stored value, KMS v2", ["kept"], ["seal"], SIZES),
]
# Wanted at least: family, direction, size -> how many times Go's speed, with the key kept.
TARGETS = {
    ("gcm", "open", 1024): 1.2, ("gcm", "seal", 1024): 1.2,
    ("gcm", "open", 65536): 2.0, ("gcm", "seal", 65536): 2.0,
    ("cbc", "open", 1024): 4.4, ("cbc", "seal", 1024): 1.3, ("cbc8", "seal", 1024): 5.0,
    ("secretbox", "open", 1024): 3.0, ("secretbox", "seal", 1024): 3.0,
    ("kmsv2", "open", 1024): 2.0, ("kmsv2", "seal", 1024): 2.0,
    ("kmsv2-std", "open", 1024): 2.0, ("kmsv2-std", "seal", 1024): 2.0,
}
SIDES = ["native", "portable", "go"]


class Worker:
    """A program that answers a line with a line."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> tuple[float, str]:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 2:
            sys.exit(f"bench: '{line}' was not answered")
        return float(answer[0]), answer[1]

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def measure(workers: dict[str, Worker], cells: list[tuple], rounds: int) -> dict[tuple, dict[str, list[float]]]:
    times = {cell: {side: [] for side in SIDES} for cell in cells}
    for number in range(rounds):
        machine.progress(f"crypto: round {number + 1} of {rounds}")
        order = SIDES[number % 3:] + SIDES[:number % 3]
        for cell in cells:
            digests = set()
            for side in order:
                worker = workers["go" if side == "go" else "ours"]
                ns, digest = worker.ask(" ".join([side, *map(str, cell)]))
                times[cell][side].append(ns)
                digests.add(digest)
            # Whole values: nonces are drawn, and our program has checked what it opens.
            digests.discard("elsewhere")
            if len(digests) > 1:
                sys.exit(f"bench: {cell} came out different: {digests}")
    machine.progress("")
    return times


def ratios(of: dict[str, list[float]], side: str) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of Go's time over ours, round by round."""
    each = [go / ours for go, ours in zip(of["go"], of[side])]
    if len(each) < 2:
        return each[0], each[0], each[0]
    low, mid, high = statistics.quantiles(each, n=4, method="inclusive")
    return low, mid, high


def name(size: int) -> str:
    if size >= 1 << 20:
        return f"{size >> 20} MiB"
    return f"{size >> 10} KiB" if size >= 1024 else f"{size} B"


def report(times: dict, rounds: int) -> None:
    print(f"Ours against Go, {rounds} rounds; {machine.describe()}")
    print("ns a call, medians. x Go: how many times as fast as Go, median of the rounds and their quartiles.")
    missed, wanted_in_all = [], 0
    for family, title, keys, directions, sizes in FAMILIES:
        for key in keys:
            for direction in directions:
                print(f"\n{title}, {direction}, {key} key")
                print(f"{'':>8}{'Go':>11}{'native':>11}{'portable':>11}   {'native x Go':<20}{'portable x Go':<20}wanted")
                for size in sizes:
                    of = times[family, direction, key, size]
                    ns = "".join(f"{statistics.median(of[side]):11,.0f}" for side in ["go", "native", "portable"])
                    spread = ["{1:.2f} ({0:.2f}..{2:.2f})".format(*ratios(of, side)) for side in ["native", "portable"]]
                    wanted = TARGETS.get((family, direction, size)) if key == "kept" else None
                    verdict = ""
                    if wanted:
                        wanted_in_all += 1
                        met = ratios(of, "native")[1] >= wanted
                        verdict = f"{wanted:.1f} {'met' if met else 'MISSED'}"
                        if not met:
                            missed.append(f"{title}, {direction}, {name(size)}")
                    print(f"{name(size):>8}{ns}   {spread[0]:<20}{spread[1]:<20}{verdict}".rstrip())
    if wanted_in_all:
        print(f"\n{wanted_in_all - len(missed)} of {wanted_in_all} targets met" + "".join(f"\n  missed: {m}" for m in missed))


def main(args: list[str]) -> None:
    rounds = int(args[0]) if args else ROUNDS
    families = args[1:]
    unknown = set(families) - {f[0] for f in FAMILIES}
    if unknown:
        sys.exit(f"bench: no family '{min(unknown)}', take some of: {', '.join(dict.fromkeys(f[0] for f in FAMILIES))}")
    with machine.programs() as (go, ours), Worker(go, "crypto") as theirs, Worker(ours, "crypto") as mine:
        if families:
            FAMILIES[:] = [f for f in FAMILIES if f[0] in families]
        cells = [(family, direction, key, size) for family, _, keys, directions, sizes in FAMILIES
                 for key in keys for direction in directions for size in sizes]
        times = measure({"go": theirs, "ours": mine}, cells, rounds)
    report(times, rounds)
