"""How long it takes to judge a configuration, and whether that grows with the file and not faster."""

import math
import subprocess

from . import machine

LIMIT = 20.0  # seconds for one pass, above which a shape is not tried any larger
WANTED_MS = 1.0  # validate and lint together of a usual file of 200 lines


def main(args: list[str]) -> None:
    with machine.ours() as program:
        lines = subprocess.run([program, "config", args[0] if args else str(LIMIT)], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = [line.split("\t") for line in lines.splitlines()]
    print(f"validate and lint, ms, the fastest of several passes; {machine.describe()}")
    print("growth: 1.0 where ten times the bytes take ten times as long, 2.0 where they take a hundred times as long\n")
    print(f"{'shape':12}{'lines':>8}{'KiB':>9}{'validate':>10}{'growth':>8}{'lint':>10}{'growth':>8}")
    before: dict[str, tuple[int, float, float]] = {}
    for shape, count, size, check, lint, what in rows:
        now = int(size), float(check), float(lint)
        growth = ["", ""]
        if shape not in before:
            print(f"{shape}: {what}")
        elif int(count) > 1000:
            more = math.log(now[0] / before[shape][0])
            growth = [f"{math.log(now[at] / before[shape][at]) / more:.2f}" for at in (1, 2)]
        before[shape] = now
        print(f"{'':12}{count:>8}{now[0] / 1024:9.0f}{now[1]:10.3f}{growth[0]:>8}{now[2]:10.3f}{growth[1]:>8}")
        if shape == "plain" and count == "200":
            both = now[1] + now[2]
            print(f"{'':12}together {both:.3f} ms, wanted below {WANTED_MS:.0f}: {'met' if both < WANTED_MS else 'MISSED'}")
