#!/usr/bin/env python3
"""Checks what the tracked Markdown files say against the tree.

* Relative links and their anchors lead somewhere; scripts that are named exist. Each page of docs can be reached from README.
* `make` targets that are named exist, and CONTRIBUTING names each `test-*` target.
* The counts in README are those of the vectors' manifest and of the rules' page.

Commands and options of `k8senc` are checked by bindings-py/tests/test_docs.py, which has them at hand.
"""

import collections
import json
import pathlib
import posixpath
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SCRIPT = re.compile(r"(?<![\w/.])scripts/[\w-]+(?:\.[\w-]+)*")
# In text a target stands as code; in a block it begins a line.
MAKE = re.compile(r"(?:`|^\$? *)make ([a-z][\w-]*)", re.MULTILINE)
TARGET = re.compile(r"^([a-z][\w-]*):", re.MULTILINE)
CLAIM = re.compile(r"([\d,]+) (recorded cases that it has calls for|recorded cases|recorded configurations|recorded objects|transcripts|answers\b|rules\b(?= on|\]))")


def anchors(text: str) -> set[str]:
    """What a heading can be linked as."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = sum(1 for one in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", one))
        found.add(f"{slug}-{again}" if slug in found else slug)
    return found


def counts(manifest: dict, rules: str) -> dict[str, set[int]]:
    """What may be said of how many cases there are, by the words that follow the number."""
    kinds: collections.Counter[str] = collections.Counter()
    for suite in manifest["suites"].values():
        kinds[suite["kind"]] += suite["cases"]
    bound = kinds["read"] + kinds["write"] + kinds["config"] + kinds["contract"]
    return {
        "recorded cases": {kinds["read"], kinds["write"], bound + kinds["decode"]},
        "recorded cases that it has calls for": {bound + kinds["state"]},
        "recorded configurations": {kinds["config"]},
        "recorded objects": {kinds["decode"]},
        "transcripts": {kinds["state"]},
        "answers": {kinds["contract"]},
        "rules": {len(re.findall(r"^#+ K8", rules, re.MULTILINE))},
    }


def complaints(path: str, text: str, files: dict[str, set[str]], targets: set[str]) -> list[str]:
    """`files` are the tracked paths, folders among them, with the anchors of those that are Markdown."""
    found = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        to = posixpath.normpath(posixpath.join(posixpath.dirname(path), file)) if file else path
        if to not in files:
            found.append(f"{path}: the link {link} leads nowhere")
        elif anchor and anchor not in files[to]:
            found.append(f"{path}: the link {link} has no such heading")
    found += [f"{path}: there is no {name}" for name in SCRIPT.findall(text) if name not in files]
    found += [f"{path}: there is no target for make {name}" for name in MAKE.findall(text) if name not in targets]
    return found


def unreachable(texts: dict[str, str]) -> list[str]:
    """`texts` are the Markdown files by their paths."""
    reached, ahead = set(), ["README.md"]
    while ahead:
        path = ahead.pop()
        if path in texts and path not in reached:
            reached.add(path)
            ahead += [posixpath.normpath(posixpath.join(posixpath.dirname(path), link.partition("#")[0])) for link in LINK.findall(texts[path])]
    return [f"{path}: no way leads here from README" for path in texts if path.startswith("docs/") and path not in reached]


def wrong_counts(text: str, known: dict[str, set[int]]) -> list[str]:
    claims = [(int(number.replace(",", "")), what) for number, what in CLAIM.findall(text)]
    found = [f"README.md: {number} {what}, but there are {sorted(known[what])}" for number, what in claims if number not in known[what]]
    return found + [f"README.md: says of no number that it counts {what}" for what in known if what not in {said for _, said in claims}]


def unnamed_targets(contributing: str, targets: set[str]) -> list[str]:
    return [f"CONTRIBUTING.md: says nothing of make {one}" for one in sorted(targets) if one.startswith("test-") and f"`make {one}`" not in contributing]


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    paths = [path for path in listed if path and (ROOT / path).is_file()]
    files: dict[str, set[str]] = {str(parent): set() for path in paths for parent in pathlib.PurePosixPath(path).parents}
    texts = {path: (ROOT / path).read_text("utf-8") for path in paths if path.endswith(".md")}
    files |= {path: anchors(texts[path]) if path in texts else set() for path in paths}
    targets = set(TARGET.findall((ROOT / "Makefile").read_text("utf-8")))

    manifest = json.loads((ROOT / "conformance-vectors" / "manifest.json").read_text("utf-8"))
    found = wrong_counts(texts["README.md"], counts(manifest, texts["docs/rules.md"]))
    found += unnamed_targets(texts["CONTRIBUTING.md"], targets)
    found += unreachable(texts)
    for path, text in texts.items():
        found += complaints(path, text, files, targets)
    for line in found:
        print(line)
    print(f"documents: {len(texts)} Markdown files, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
