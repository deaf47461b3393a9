"""Instructions of fixed pieces of work, counted by a simulator, beside those on record.

A count does not depend on how busy the machine is, so that it shows what a timing cannot. It does depend on the compiler,
on library versions and on the CPU that the simulator plays: valgrind knows no AVX-512, VAES or SHA instructions, so the
ciphers take other paths than on a new CPU. Counts are for comparing with themselves; they say nothing of nanoseconds.
Two runs of one build differ by less than 0.1 % (hash seeds, addresses); a change below TOLERANCE says nothing either.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from . import machine

RECORD = machine.ROOT / "bench/instructions.txt"
TOLERANCE = 1.0  # per cent


def count(program: str, name: str, folder: str) -> int:
    out = pathlib.Path(folder) / "callgrind"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--toggle-collect=*instructions*measured*", program, "instructions", name]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"^summary: (\d+)", out.read_text(), re.M) if done.returncode == 0 else None
    if not found or int(found[1]) == 0:
        sys.exit(f"bench: nothing counted for {name}:\n{done.stderr}")
    return int(found[1])


def recorded() -> dict[str, int]:
    rows = [line.split() for line in RECORD.read_text().splitlines() if line and not line.startswith("#")] if RECORD.exists() else []
    return {name: int(number) for name, number in rows}


def main(args: list[str]) -> None:
    if not shutil.which("valgrind"):
        print("instructions: not counted, there is no valgrind here (Debian: apt install valgrind)")
        return
    with machine.ours() as program, tempfile.TemporaryDirectory() as folder:
        names = subprocess.run([program, "instructions"], check=True, stdout=subprocess.PIPE, text=True).stdout
        counts = {}
        for line in names.splitlines():
            name, times = line.split()
            machine.progress(f"instructions: {name}")
            counts[name] = round(count(program, name, folder) / int(times))
    machine.progress("")
    before = recorded()
    print(f"instructions of one piece of work; {machine.describe()}")
    print(f"changes of {TOLERANCE:.0f} % or more are marked\n")
    print(f"{'':28}{'on record':>14}{'now':>14}{'change':>9}")
    for name, now in counts.items():
        was = before.get(name)
        change = 100 * (now / was - 1) if was else None
        shown = "new" if change is None else f"{change:+.1f} %"
        print(f"{name:28}{was or '-':>14}{now:>14}{shown:>9}{'  *' if change is None or abs(change) >= TOLERANCE else ''}")
    for name in before.keys() - counts.keys():
        print(f"{name:28}{before[name]:>14}{'gone':>14}")
    if args == ["record"]:
        head = "# Instructions of one piece of work, by `scripts/bench instructions record`.\n"
        head += f"# {machine.versions()}, {subprocess.run(['valgrind', '--version'], capture_output=True, text=True).stdout.strip()}\n"
        RECORD.write_text(head + "".join(f"{name} {number}\n" for name, number in counts.items()))
        print(f"\nrecorded in {RECORD.relative_to(machine.ROOT)}")
