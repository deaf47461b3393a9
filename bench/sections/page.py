"""The page in Chromium: how soon it speaks, whether it stays responsive, and a snapshot of 400 MB beside native programs.

Builds the page, makes a file of 200,000 Secrets of 1.5 KiB under aesgcm and takes turns between the page, which gets the file as
a person drops it, and our native program on one thread. The file is in the page cache, as it is behind a download.
"""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from typing import Any

from . import machine

WEB = machine.ROOT / "bindings-wasm/web"
# A file of 200 lines as people write them: one entry a resource, three keys each.
ENTRY = """- resources: [{name}]
  providers:
  - secretbox:
      keys:
      - name: key{n}a
        secret: {a}
      - name: key{n}b
        secret: {b}
  - identity: {{}}
"""


def configuration(lines: int) -> str:
    import base64
    import hashlib

    text = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n"
    for n in range((lines - 3) // 9 + 1):
        a, b = (base64.b64encode(hashlib.sha256(f"{n}{side}".encode()).digest()).decode() for side in "ab")
        text += ENTRY.format(name="secrets" if n == 0 else f"widgets{n}.example.com", n=n, a=a, b=b)
    return text


def main(args: list[str]) -> None:
    objects = int(args[0]) if args else 200_000
    rounds = int(args[1]) if len(args) > 1 else 5
    subprocess.run(["scripts/wasm-build"], cwd=machine.ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["scripts/web-build"], cwd=machine.ROOT, check=True, stdout=subprocess.DEVNULL)
    with machine.programs() as (go, ours), tempfile.TemporaryDirectory() as folder:
        file, config = pathlib.Path(folder, "snapshot.db"), pathlib.Path(folder, "config.yaml")
        # The maker writes the configuration beside its file.
        subprocess.run([go, "make", str(file), str(objects)], check=True)
        with subprocess.Popen(["node", "bench/measure.mjs"], cwd=WEB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as page:

            def ask(what: str, **how: Any) -> dict[str, Any]:
                assert page.stdin and page.stdout
                page.stdin.write(json.dumps({"what": what, **how}) + "\n")
                page.stdin.flush()
                answer: dict[str, Any] = json.loads(page.stdout.readline())
                return answer

            def native(mode: str, access: str) -> float:
                command = [ours, mode, access, str(file), str(config), "1", "1"]
                return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0])

            print(machine.describe())
            responsiveness(ask, rounds)
            snapshots(ask, native, file, config.read_text(), objects, rounds)
            assert page.stdin
            page.stdin.close()


def target(name: str, measured: float, wanted: float, unit: str) -> None:
    print(f"{name:58}{measured:10.2f}{'<=':>5}{wanted:7.0f} {unit:4} {'met' if measured <= wanted else 'MISSED'}")


def responsiveness(ask: Callable[..., dict[str, Any]], rounds: int) -> None:
    starts = []
    for number in range(rounds + 1):
        machine.progress(f"page: start {number}")
        starts.append(ask("start"))
    del starts[0]  # the browser's own start
    machine.progress("page: typing")
    typed = ask("typing", text=configuration(200), letters=100, gap=40)
    machine.progress("")
    middle = {name: statistics.median(start[name] for start in starts) for name in starts[0]}
    print(f"\nstart, ms, median of {rounds}: load event {middle['load']:.0f}, first diagnostics {middle['fromNavigation']:.0f} after the navigation began")
    print(f"typing into 200 lines: judged {len(typed['judged'])} times, the slowest {max(typed['judged']):.2f} ms; {len(typed['long'])} tasks longer than 50 ms\n")
    target("first diagnostics after the load event", middle["fromLoad"], 50, "ms")
    target("validate, lint and load of 200 lines, median", statistics.median(typed["judged"]), 5, "ms")
    target("longest task while typing", max(typed["long"], default=0), 50, "ms")


def snapshots(ask: Callable[..., dict[str, Any]], native: Callable[[str, str], float], file: pathlib.Path, config: str, objects: int, rounds: int) -> None:
    runs = {"classify": (None, False), "classify with hash": (None, True), "decrypt": (config, False), "decrypt with hash": (config, True)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    alone: dict[str, list[float]] = {"classify read": [], "classify mapped": [], "decrypt read": []}
    memory: dict[str, list[float]] = {name: [] for name in runs}
    readings: list[float] = []
    busy: list[float] = []
    told = 0
    native("classify", "read")
    for number in range(rounds):
        for name, (text, hashed) in runs.items():
            machine.progress(f"page: snapshot, round {number + 1} of {rounds}: {name}")
            found = ask("snapshot", file=str(file), config=text, hash=hashed, stopAt=0)
            if f"{objects:,} live values" not in found["said"]:
                raise SystemExit(f"bench: the page says of {objects:,} objects: {found['said']}")
            times[name].append(found["ms"])
            memory[name].append((found["most"] - found["before"]) / 1024)
            busy += found["long"]
            told = found["told"]
        readings.append(ask("reading", file=str(file), piece=32 << 20)["ms"])
        for name in alone:
            alone[name].append(native(*name.split()))
    stopped = ask("snapshot", file=str(file), config=None, hash=True, stopAt=0.3)
    machine.progress("")
    size = os.path.getsize(file)
    print(f"\na snapshot of {objects:,} objects, {size / 1e6:.0f} MB, ms, median of {rounds}")
    for name, found in {**{f"page: {name}": times[name] for name in times}, "Chromium: reads the file, no more": readings, **{f"native, one thread: {name}": alone[name] for name in alone}}.items():
        print(f"{name:40}{statistics.median(found):10.0f}  {size / 1e3 / statistics.median(found):8.0f} MB/s")
    print(f"progress told {told} times; Stop at 30 % ended it after {stopped['toStop']:.0f} ms and gave back {(stopped['most'] - stopped['after']) / 1024:.0f} of {(stopped['most'] - stopped['before']) / 1024:.0f} MiB")
    print(f"longest task of the page meanwhile: {max(busy, default=0):.0f} ms\n")

    def ratio(name: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], alone[other], strict=True))

    target("classified / native by offsets, one thread", ratio("classify", "classify read"), 4, "")
    target("the same / native mapped, one thread", ratio("classify", "classify mapped"), 4, "")
    floor = statistics.median(a / b for a, b in zip(readings, alone["classify read"], strict=True))
    print(f"{'Chromium reads the file, no more / native by offsets':58}{floor:10.2f}      reported")
    target("most memory while classifying", statistics.median(memory["classify"]), 200, "MiB")
    target("most memory while decrypting with hash", statistics.median(memory["decrypt with hash"]), 200, "MiB")
    print(f"{'decrypted / native by offsets, one thread':58}{ratio('decrypt', 'decrypt read'):10.2f}      reported")
