"""Draws docs/audit.svg: what `make demo` shows in a terminal of 100 columns.

Run after `make demo`: .venv/bin/python scripts/audit_picture.py
"""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "conformance-vectors/sample"
COMMAND = ["k8senc", "audit", f"{SAMPLE}/snapshot.db", "--config", f"{SAMPLE}/encryption-config.yaml"]
for name in ("cloud-kms", "legacy-kms"):
    COMMAND += ["--kms", f"{name}={SAMPLE}/local-kek.json"]
# Rich's own template loads a font from the network; a picture in a repository should not.
TEMPLATE_WITHOUT_FONTS = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; white-space: pre; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g>
</g>
</svg>
"""


def on_a_terminal() -> str:
    """The command's standard output as a terminal would get it; standard error apart."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    command = [str(ROOT / ".venv/bin" / COMMAND[0]), *COMMAND[1:]]
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as running:
        os.close(theirs)
        output = bytearray()
        while chunk := read(ours):
            output += chunk
    os.close(ours)
    if running.returncode not in (0, 1):
        sys.exit(f"the audit ended with {running.returncode}")
    return output.decode()


def read(terminal: int) -> bytes:
    """The next bytes; nothing once the other side is closed, which Linux reports as an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def main() -> None:
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(Text.from_ansi(on_a_terminal().replace("\r\n", "\n")))
    picture = console.export_svg(title="k8senc audit", code_format=TEMPLATE_WITHOUT_FONTS, unique_id="audit")
    (ROOT / "docs/audit.svg").write_text(picture)


if __name__ == "__main__":
    main()
