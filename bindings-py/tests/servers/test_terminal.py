"""What a terminal shows of long work, and what an interrupt leaves of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.fake_api import Answer, FakeApi
from tests.test_cli import COMMAND, ENVIRONMENT, SNAPSHOT
from tests.servers.test_cluster import CONFIG

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SIGHT = re.compile(r"\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]")


def watched(arguments: list[str], until: str, *, width: int = 80, command: list[str] = COMMAND, **environment: str) -> tuple[int, str]:
    """Runs a command on a terminal, interrupts it once it has shown what `until` matches; how it ended, and all that it printed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    own = {name: value for name, value in ENVIRONMENT.items() if name not in ("NO_COLOR", "COLUMNS")} | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | environment
    printed, asked, end = "", False, time.monotonic() + 60
    with subprocess.Popen([*command, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=own) as process:
        os.close(theirs)
        while time.monotonic() < end:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                printed += os.read(ours, 1 << 16).decode("utf-8", "replace")
            except OSError:
                break
            if not asked and re.search(until, COLOUR.sub("", printed)):
                asked = True
                process.send_signal(signal.SIGINT)
        else:
            process.kill()
    os.close(ours)
    assert asked, printed
    return process.returncode, printed


@pytest.fixture
def large(tmp_path: Path) -> str:
    """A member's own db file with gigabytes of free pages; it takes no room on the disk."""
    file = tmp_path / "large.db"
    file.write_bytes(SNAPSHOT.read_bytes()[:-32])
    os.truncate(file, 24 << 30)
    return str(file)


@pytest.mark.parametrize("width", [80, 40])
def test_a_bar_fits_and_vanishes(large: str, width: int) -> None:
    code, printed = watched(["audit", large], "1% ", width=width)
    assert code == 130
    frames = [frame for frame in re.split(r"\r\x1b\[2K|\r\n", COLOUR.sub("", printed)) if "reading" in frame]
    assert len(frames) > 1 and max(len(SIGHT.sub("", frame)) for frame in frames) <= width
    # The cursor is back, the line of the bar is empty, and what follows says what holds.
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
    assert printed.rindex("\x1b[2K") > printed.rindex("reading")
    assert printed.endswith("k8senc: interrupted; nothing was changed\r\n")
    assert COLOUR.search(printed)


def test_no_color(large: str) -> None:
    code, printed = watched(["audit", large], "1% ", NO_COLOR="1")
    assert code == 130 and not COLOUR.search(printed)


def test_a_rewrite_says_how_fast_it_is_and_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "enc.yaml").write_text(CONFIG)

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if method == "PATCH":
            time.sleep(0.02)
        return None

    with FakeApi([f"{namespace}/secret-{number:05}" for namespace in "ab" for number in range(600)], hook) as fake:
        words = ["reencrypt", "-c", str(tmp_path / "enc.yaml"), "--kubeconfig", str(fake.kubeconfig(tmp_path)), "--journal", str(tmp_path / "journal")]
        code, printed = watched(words, r" [1-9]\d+ of 1,200", NO_COLOR="1")
    assert code == 130
    frames = [SIGHT.sub("", frame) for frame in re.split(r"\r\x1b\[2K|\r\n", printed) if "at once" in frame]
    assert frames and max(map(len, frames)) <= 80
    assert re.search(r"secrets +\d+/s, \d at once, 0 failed .*\d+ of 1,200 .*left \d:\d\d:\d\d", frames[-1]), frames[-1]
    assert printed.rindex("\x1b[?25h") > printed.rindex("\x1b[?25l")
    assert "the same command goes on from there" in printed.replace("\r\n", " ")


@pytest.mark.parametrize("where", ["dumb", "pipe"])
def test_elsewhere_a_line_now_and_then(large: str, where: str) -> None:
    quick = [COMMAND[0], "-c", "from k8senc import command; command.HEARTBEAT_SECONDS = 0.2; from k8senc.cli import run; run()"]
    if where == "dumb":
        code, printed = watched(["audit", large], "reading: ", command=quick, TERM="dumb")
    else:
        with subprocess.Popen([*quick, "audit", large], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True) as process:
            assert process.stderr
            printed = process.stderr.readline()
            process.send_signal(signal.SIGINT)
            printed += process.stderr.read()
        code = process.returncode
    assert code == 130 and "\x1b" not in printed
    assert re.match(r"k8senc: reading: \d+%\r?\n", printed), printed
