#!/usr/bin/env python3
"""Runs every conformance vector that has a call in the C interface through a C program, and compares with what was recorded.

The C program (tests/c/driver.c) only makes calls; cases and comparison are here. Suites of kinds that have no call of their own in
C (`yaml`, `object`, `decode`) are named and left out; all others must run as often as the manifest counts.

usage: conformance.py PROGRAM [ARGUMENT...]     such as: conformance.py valgrind -q target/driver
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from datetime import datetime, timezone
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = ROOT / "conformance-vectors"
ETCD_KEY = b"/registry/secrets/default/a"
NO_CALL = {"yaml", "object", "decode"}
STATES = {False: "2", True: "3"}
PATH = "<PATH>"


def packed(items: list[bytes]) -> bytes:
    return b"".join(len(item).to_bytes(4, "big") + item for item in items)


def annotations(given: dict[str, str] | None) -> bytes:
    return packed([part for name, value in sorted((given or {}).items()) for part in (name.encode(), bytes.fromhex(value))])


class Failed(Exception):
    """A call that answered an error."""

    def __init__(self, words: list[str]) -> None:
        self.status, self.code = int(words[0]), words[1]
        text, upstream, details = (None if word == "~" else unhex(word).decode() for word in words[2:5])
        self.text, self.upstream = text, upstream
        self.details = json.loads(details) if details else None
        super().__init__(f"{self.status} {self.code}: {text}")


class Needs(Exception):
    """A value that needs a DEK."""

    def __init__(self, words: list[str]) -> None:
        self.words = words[:5]
        super().__init__(" ".join(words))


def unhex(word: str) -> bytes:
    return b"" if word in ("-", "~") else bytes.fromhex(word)


class Driver:
    """The C program. A call is a word and its arguments; texts and bytes go as hex, numbers as they are."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.calls = 0

    def call(self, word: str, *given: bytes | str | int) -> list[str]:
        self.calls += 1
        line = [word]
        for value in given:
            if isinstance(value, int):
                line.append(str(value))
            else:
                line.append((value.encode() if isinstance(value, str) else value).hex() or "-")
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(" ".join(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer:
            raise SystemExit(f"conformance: the program ended at {word} with status {self.process.wait()}")
        if answer[0] == "err":
            raise Failed(answer[1:])
        if answer[0] == "needs":
            raise Needs(answer[1:])
        if answer[0] != "ok":
            raise SystemExit(f"conformance: {' '.join(answer)}")
        return answer[1:]

    def json(self, word: str, *given: bytes | str | int) -> Any:
        return json.loads(unhex(self.call(word, *given)[0]))

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait()


def same_text(found: str | None, expect: dict[str, Any]) -> bool:
    compare = expect.get("compare", "exact")
    if found is None:
        return False
    if compare == "exact":
        return found == expect["upstream"]
    if compare == "proto-space":
        return found.replace("proto:\u00a0", "proto: ") == expect["upstream"]
    if compare == "prefix":
        return found.startswith(expect["upstreamPrefix"])
    assert compare == "map-order", compare
    rest = found.removeprefix(expect.get("upstreamPrefix", ""))
    return rest[:1] == "[" and rest[-1:] == "]" and permutes(rest[1:-1], expect["upstreamParts"])


def permutes(text: str, parts: list[str]) -> bool:
    """Whether the text is the parts in some order, joined by commas; a part may hold a comma."""
    if len(parts) == 1:
        return text == parts[0]
    return any(
        text.startswith(part + ", ") and permutes(text[len(part) + 2 :], parts[:i] + parts[i + 1 :]) for i, part in enumerate(parts)
    )


def refused(error: Failed, expect: dict[str, Any]) -> None:
    result, _, code = expect["result"].partition(":")
    assert result in ("refused", "upstream-panics"), f"refused with {error}, expected {expect['result']}"
    assert error.code == code, f"{error.code} instead of {code}"
    if result == "refused":
        assert same_text(error.upstream, expect), f"{error.upstream!r} instead of {expect['upstream']!r}"


def known(case: dict[str, Any], *fields: str) -> None:
    extra = case.keys() - set(fields)
    assert not extra, f"fields that this runner does not know: {extra}"


class Runner:
    """One method for each kind of case."""

    def __init__(self, driver: Driver) -> None:
        self.c = driver
        self.chain_of: tuple[str, str] | None = None

    def chain(self, case: dict[str, Any]) -> None:
        wanted = (case["config"], case["resource"])
        if self.chain_of is None or self.chain_of[0] != wanted[0]:
            self.c.call("config", (VECTORS / case["config"]).read_bytes(), b"")
        if self.chain_of != wanted:
            self.c.call("chain", case["resource"])
        self.chain_of = wanted

    @staticmethod
    def etcd_key(case: dict[str, Any]) -> bytes:
        return bytes.fromhex(case["etcdKeyHex"]) if "etcdKeyHex" in case else case["etcdKey"].encode()

    def read(self, case: dict[str, Any]) -> None:
        known(case, "id", "why", "config", "resource", "etcdKey", "etcdKeyHex", "stored", "kms", "expect")
        self.chain(case)
        self.c.call("deks")
        answers: dict[tuple[str, ...], tuple[dict[str, Any], list[bytes | str | int]]] = {}
        for name, side in case.get("kms", {}).items():
            known(side, "apiVersion", "status", "answers")
            api = int(side["apiVersion"][1:])
            if api == 2:
                status = side["status"]
                state = (int(STATES[status["usesSeed"]]), status["keyId"]) if status else (1, "")
                self.c.call("state", name, *state)
            for answer in side["answers"]:
                question: list[bytes | str | int] = [
                    api,
                    name,
                    bytes.fromhex(answer["ciphertext"]),
                    answer.get("keyId", ""),
                    annotations(answer.get("annotations")),
                ]
                words = (str(api), *((v.encode() if isinstance(v, str) else v).hex() or "-" for v in question[1:]))  # type: ignore[union-attr]
                answers[words] = (answer, question)
        unasked = set(answers)
        stored, etcd_key, expect = bytes.fromhex(case["stored"]), self.etcd_key(case), case["expect"]
        for _ in range(len(answers) + 2):
            try:
                plain, stale, reasons, _unauthenticated = self.c.call("open", stored, etcd_key)
            except Needs as needs:
                words = tuple(needs.words)
                assert words in unasked, f"upstream never asked {words}"
                unasked.remove(words)
                answer, question = answers[words]
                if "dek" in answer:
                    self.c.call("supply", *question, bytes.fromhex(answer["dek"]))
                else:
                    self.c.call("refuse", *question, answer["error"])
            except Failed as error:
                refused(error, expect)
                break
            else:
                assert expect["result"] == "opened", f"opened, expected {expect['result']}"
                assert unhex(plain).hex() == expect["plaintext"], "another plaintext"
                assert stale == str(int(expect["stale"])), f"stale {stale}"
                assert (reasons != "0") == expect["stale"]
                assert not unasked, f"upstream asked {unasked}, we did not"
                break
        else:
            raise AssertionError("still asking")

    def write(self, case: dict[str, Any]) -> None:
        known(case, "id", "why", "config", "resource", "etcdKey", "etcdKeyHex", "plaintext", "random", "kms", "expect")
        self.chain(case)
        writer = self.c.json("providers")[0]
        kms = case.get("kms", {}).get(writer["name"]) if writer["name"] else None
        random, expect = bytes.fromhex(case["random"]), case["expect"]
        try:
            self.write_key(kms)
            if kms and kms["apiVersion"] == "v1":
                random = random[32:]
            sealed = self.c.call("seal", 0, bytes.fromhex(case["plaintext"]), self.etcd_key(case), random)
        except Failed as error:
            refused(error, expect)
            return
        assert expect["result"] == "sealed", f"sealed, expected {expect['result']}"
        if expect["compare"] == "exact":
            assert unhex(sealed[0]).hex() == expect["stored"], "another stored value"
        else:
            assert self.decoded(unhex(sealed[0])) == self.decoded(bytes.fromhex(expect["stored"]))

    def decoded(self, stored: bytes) -> dict[str, Any]:
        """A KMS v2 value taken apart, so that the order of annotations does not count."""
        found: dict[str, Any] = self.c.json("inspect", stored)
        assert found["provider"] == "kms-v2" and found["problem"] is None
        return found

    def write_key(self, kms: dict[str, Any] | None) -> None:
        if kms is None or kms.get("neverHealthy"):
            self.c.call("key-none")
            return
        known(kms, "apiVersion", "dek", "encryptedDek", "seed", "keyId", "counter", "annotations")
        encrypted = bytes.fromhex(kms["encryptedDek"])
        if kms["apiVersion"] == "v1":
            self.c.call("key-v1", bytes.fromhex(kms["dek"]), encrypted)
            return
        answer = (encrypted, kms["keyId"], annotations(kms.get("annotations")))
        if "seed" in kms:
            self.c.call("key-seed", bytes.fromhex(kms["seed"]), *answer)
        else:
            self.c.call("key-dek", bytes.fromhex(kms["dek"]), kms["counter"], *answer)

    def contract(self, case: dict[str, Any]) -> None:
        known(case, "id", "why", "ciphertext", "keyId", "annotations", "expect")
        try:
            self.c.call("contract", bytes.fromhex(case["ciphertext"]), case["keyId"], annotations(case.get("annotations")))
        except Failed as error:
            refused(error, case["expect"])
        else:
            assert case["expect"]["result"] == "accepted", f"accepted, expected {case['expect']['result']}"

    def config(self, case: dict[str, Any]) -> None:
        known(case, "id", "why", "text", "textHex", "reload", "kmsv1", "expect")
        text = bytes.fromhex(case["textHex"]) if "textHex" in case else case["text"].encode()
        options = json.dumps({"path": PATH, "reload": case["reload"], "kmsv1": case["kmsv1"]})
        expect = case["expect"]
        verdict = self.c.json("validate", text, options)
        assert verdict["ok"] == expect["ok"], f"ok is {verdict['ok']}"
        self.chain_of = None
        try:
            self.c.call("config", text, options)
        except Failed as error:
            assert error.status == 200 and not expect["ok"]
            assert error.details == verdict and error.upstream == verdict["upstream"]
        else:
            assert expect["ok"]
            self.described(case)
            return
        assert verdict["stage"] == expect["stage"] and verdict["problems"]
        if expect["stage"] == "panic":
            assert verdict["upstream"] is None
            return
        if verdict["redacted"]:
            assert "REDACTED" in verdict["upstream"]
            return
        if expect["compare"] == "exact":
            assert verdict["upstream"] == expect["upstream"], verdict["upstream"]
        elif expect["compare"] == "scheme-name":
            assert verdict["upstream"].partition(" in scheme ")[0] == expect["upstream"].partition(" in scheme ")[0]
        else:
            assert expect["compare"] == "go-yaml"
            assert verdict["upstream"].startswith(expect["upstream"].partition("yaml: ")[0])
        if expect["stage"] == "validate":
            assert [problem["upstream"] for problem in verdict["problems"]] == expect["errors"]

    def described(self, case: dict[str, Any]) -> None:
        expect = case["expect"]
        found = self.c.json("describe", int(case["reload"]))
        assert {rule["resource"]: rule["prefixes"] for rule in found["rules"]} == expect["chains"]
        assert found["contentHash"] == expect["contentHash"]
        assert found["healthChecks"] == expect.get("healthChecks", [])
        assert found["gracePeriod"] == expect["kmsCloseGracePeriod"]

    def state(self, case: dict[str, Any]) -> None:
        known(case, "id", "why", "apiVersion", "provider", "keyForm", "start", "events")
        self.chain_of = None
        version = case["apiVersion"]
        self.chain({"config": f"configs/kms{version}.yaml", "resource": "secrets"})
        (StateV2 if version == "v2" else StateV1)(self.c, case).replay()


def start_of(case: dict[str, Any]) -> int:
    at = datetime.strptime(case["start"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(at.timestamp()) * 10**9


class StateV1:
    """The health probe of a KMS v1 plugin."""

    def __init__(self, driver: Driver, case: dict[str, Any]) -> None:
        self.c, self.case, self.start = driver, case, start_of(case)
        self.c.call("kms1", case["provider"])
        self.step: list[str] | Failed | None = None

    def call(self, word: str, *given: bytes | str | int) -> list[str] | Failed:
        try:
            return self.c.call(word, *given)
        except Failed as error:
            return error

    def replay(self) -> None:
        for event in self.case["events"]:
            now, what = self.start + event["atMs"] * 10**6, event["event"]
            told = (int("error" in event), event.get("error", ""))
            if what == "encrypt":
                assert bytes.fromhex(event["input"]) == b"ping" and event["by"] == "health"
                assert self.call("v1-health", now) == ["encrypt", "0"]
                assert self.call("v1-health", now) == ["pending", "0"]
                self.step = self.call("v1-encrypt", now, *told)
            elif what == "decrypt":
                assert self.step == ["decrypt", "0"], self.step
                self.step = self.call("v1-decrypt", now, *told)
            elif what == "health":
                step, self.step = self.step or self.call("v1-health", now), None
                if "error" in event:
                    assert isinstance(step, Failed) and step.upstream == event["error"], step
                else:
                    assert step == ["done", "0"], step
            else:
                assert what == "start", what
        assert self.step is None


class StateV2:
    """A KMS v2 plugin over time: as config/tests/state.rs does it."""

    def __init__(self, driver: Driver, case: dict[str, Any]) -> None:
        self.c, self.case, self.clock = driver, case, start_of(case)
        self.start = self.clock
        self.c.call("kms2-key-form" if case.get("keyForm") else "kms2", case["provider"])
        # A write key that follows the plugin outlives every change of its state.
        self.c.call("key-kms")
        self.status_out: int | None = None
        self.encrypt_out: str | None = None
        self.answer: list[str] | Failed | None = None
        self.delay = 20 * 10**9 if case["id"] == "slow-status" else 0

    def call(self, word: str, *given: bytes | str | int) -> list[str] | Failed:
        try:
            return self.c.call(word, *given)
        except Failed as error:
            assert 100 <= error.status < 200, error
            return error

    def run_to(self, now: int) -> None:
        while self.status_out is None and self.encrypt_out is None:
            step = self.call("poll", self.clock)
            assert isinstance(step, list), step
            if step[0] == "status":
                self.status_out = self.clock
            elif step[0] == "wait" and int(step[1]) <= now:
                self.clock = int(step[1])
            else:
                assert step[0] == "wait", step
                return

    def take(self, by: str, step: list[str] | Failed) -> None:
        if step == ["encrypt", "0"]:
            self.encrypt_out = by
        elif by == "health":
            self.answer = step
        else:
            assert isinstance(step, Failed) or step[0] == "done", step

    def replay(self) -> None:
        for event in self.case["events"]:
            now = self.start + event["atMs"] * 10**6
            self.run_to(now)
            what, by = event["event"], event.get("by")
            if what == "start":
                continue
            if not (what == "encrypt" or (what == "status" and by != "health")):
                assert self.encrypt_out is None, "Encrypt is due, upstream did not call it"
                assert self.status_out is None or self.status_out + self.delay > now, "Status is due, upstream did not call it"
            getattr(self, what)(event, now, by)
        assert self.encrypt_out is None and self.answer is None

    def status(self, event: dict[str, Any], now: int, by: str) -> None:
        if by == "health":
            assert self.call("health", now) == ["status", "0"]
        else:
            assert self.status_out is not None and self.status_out + self.delay == now, "when Status was called"
            self.status_out = None
        assert self.call("poll", now) == ["pending", "0"] and self.call("health", now) == ["pending", "0"]
        if "error" in event:
            step = self.call("status-failed", now, event["error"])
        else:
            answer = event["answer"]
            step = self.call("status", now, answer["version"], answer["healthz"], answer["keyId"])
        self.clock = now
        self.take(by, step)

    def encrypt(self, event: dict[str, Any], now: int, by: str) -> None:
        assert self.encrypt_out == by, "who calls Encrypt"
        self.encrypt_out = None
        seed = bytes.fromhex(event["input"])
        assert len(seed) == 32
        if "error" in event:
            step = self.call("encrypt-failed", now, "<UID>", event["error"])
        else:
            answer = event["answer"]
            parts = (bytes.fromhex(answer["ciphertext"]), answer.get("keyId", ""), annotations(answer.get("annotations")))
            step = self.call("encrypt", now, seed, "<UID>", *parts)
        self.clock = now
        self.take(by, step)

    def health(self, event: dict[str, Any], now: int, _by: str) -> None:
        step, self.answer = self.answer or self.call("health", now), None
        if "error" in event:
            assert isinstance(step, Failed), step
            assert f"kms-provider-0: {step.upstream}" == event["error"], step.upstream
        else:
            assert step == ["done", "0"], step

    def write(self, event: dict[str, Any], now: int, _by: str) -> None:
        sealed = self.call("seal", now, b"{}\n", ETCD_KEY, bytes.fromhex(event.get("random", "")))
        if "error" in event:
            assert isinstance(sealed, Failed) and sealed.upstream == event["error"], sealed
        else:
            assert sealed == [event["stored"]], sealed

    def read(self, event: dict[str, Any], _now: int, _by: str) -> None:
        """A good seed value of this key_id: the DEK 00..1f, wrapped by the toy plugin."""
        dek = bytes(range(32))
        wrapped = b"kek:" + bytes(b ^ 0x5A for b in dek)
        self.c.call("key-seed", dek, wrapped, event["keyId"], b"")
        stored = self.c.call("seal-os", 0, b"{}\n", ETCD_KEY)[0]
        self.c.call("key-kms")
        self.c.call("deks")
        self.c.call("follow")
        self.c.call("supply", 2, self.case["provider"], wrapped, event["keyId"], b"", dek)
        opened = self.call("open", unhex(stored), ETCD_KEY)
        if "error" in event:
            assert isinstance(opened, Failed) and opened.upstream == event["error"], opened
        else:
            assert isinstance(opened, list) and opened[1] == str(int(event["stale"])), opened


def sample(driver: Driver) -> None:
    """The audit of the sample snapshot, against what was counted while it was filled."""
    folder = VECTORS / "sample"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    driver.call("config", (folder / "encryption-config.yaml").read_bytes(), b"")
    driver.call("deks")
    found = driver.call("audit-requests", str(folder / "snapshot.db"), b"")
    requests = [found[i : i + 7] for i in range(1, len(found), 7)]
    assert len(requests) == int(found[0])
    for provider, deks in expected["distinctDeks"].items():
        asked = [request for request in requests if unhex(request[1]).decode() == provider]
        assert len(asked) == deks["all"] and sum(int(request[5]) > 0 for request in asked) == deks["live"], provider
    _code, report = driver.call("audit", str(folder / "snapshot.db"), '{"examples": 1}')
    audit = json.loads(unhex(report))
    assert audit["format"] == 1 and audit["judged"] and audit["snapshot"]["sha256"]["status"] == "match", audit["snapshot"]
    found_live = {resource["resource"]: resource["live"] for resource in audit["resources"]}
    assert found_live == {name: resource["live"] for name, resource in expected["resources"].items()}
    _code, plain = driver.call("audit-plain", str(folder / "snapshot.db"), '{"hash": false}')
    assert not json.loads(unhex(plain))["judged"]


def main(command: list[str]) -> int:
    driver = Driver(command)
    runner = Runner(driver)
    manifest = json.loads((VECTORS / "manifest.json").read_text("utf-8"))
    assert manifest["format"] == 1
    wrong: list[str] = []
    counts: dict[str, int] = {}
    left_out = 0
    for name, suite in manifest["suites"].items():
        if suite["kind"] in NO_CALL:
            left_out += suite["cases"]
            continue
        document = json.loads((VECTORS / suite["file"]).read_text("utf-8"))
        assert document["format"] == 1 and document["suite"] == name and document["kind"] == suite["kind"], name
        run = getattr(runner, suite["kind"])
        ran = 0
        for case in document["cases"]:
            ran += 1
            try:
                run(case)
            except (AssertionError, Failed) as error:
                wrong.append(f"{name} {case['id']} ({case['why']}): {error}")
                runner.chain_of = None
        assert ran == suite["cases"] > 0, f"{name}: {ran} cases, the manifest says {suite['cases']}"
        counts[suite["kind"]] = counts.get(suite["kind"], 0) + ran
    runs = sum(counts.values())
    assert runs + left_out == manifest["total"]
    sample(driver)
    status = driver.end()
    for line in wrong[:15]:
        print(line)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(f"conformance in C: {runs} vectors ({listed}), {len(wrong)} wrong, {driver.calls} calls, program ended with {status}")
    return 1 if wrong or status != 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
