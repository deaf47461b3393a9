"""Plays kube-apiserver against a KMS v2 plugin, and a little more than it: what the contract says and nobody tests."""

from __future__ import annotations

import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from k8senc._native import KmsProbe, encrypt_answer_fault
from k8senc.errors import RemoteError
from k8senc.kms_client import DEFAULT_TIMEOUT, PluginClient, Refusal, Sealed, Status, Unavailable

__all__ = ["RULES", "Check", "Report", "check"]

Progress = Callable[[int, int], object]
_T = TypeVar("_T")

_NAME = "plugin"
_SEED = 32
# What a read may cost before requests pile up: half of kube-apiserver's default timeout.
_SLOW_SHARE = 0.5
_OLD_AUTHORITY = "kube-apiserver before 1.32 sends the escaped socket path as :authority"

RULES = {
    "K8P01": "the socket can be reached, and by nobody else",
    "K8P02": "Status answers the version, healthz and key_id that kube-apiserver takes",
    "K8P03": "Encrypt of a seed answers within the limits, with the key_id of Status",
    "K8P04": "kube-apiserver becomes healthy and writes",
    "K8P05": "Decrypt gives back what was encrypted",
    "K8P06": "a ciphertext hides its seed and differs every time",
    "K8P07": "a changed ciphertext is refused",
    "K8P08": "garbage is refused, and the plugin lives on",
    "K8P09": "a ciphertext under another key_id is refused",
    "K8P10": "a ciphertext without its annotations is refused",
    "K8P11": "key_id stays the same while nothing changes",
    "K8P12": "Status is quick: it is asked every minute and by every readiness probe",
    "K8P13": "many calls at once are answered, each within the timeout",
    "K8P14": "the escaped socket path as :authority is tolerated",
    "K8P15": "a caller that gives up does no harm",
    "K8P16": "a restart changes nothing: same key_id, old ciphertexts open",
}


@dataclass(frozen=True)
class Check:
    """One rule, decided."""

    rule: str
    outcome: Literal["pass", "fail", "warn", "untested"]
    found: str
    """What the plugin did."""
    consequence: str | None = None
    """What kube-apiserver makes of it, or why it matters."""


@dataclass(frozen=True)
class Report:
    """All rules in order, and latencies in milliseconds by method."""

    endpoint: str
    key_id: str | None
    checks: tuple[Check, ...]
    latency: dict[str, dict[str, float]]

    @property
    def failed(self) -> bool:
        """Whether a rule is broken."""
        return any(one.outcome == "fail" for one in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """The form of `--format json`."""
        checks = [{**asdict(one), "title": RULES[one.rule]} for one in self.checks]
        count = {outcome: sum(one.outcome == outcome for one in self.checks) for outcome in ("pass", "fail", "warn", "untested")}
        return {
            "format": 1,
            "kind": "k8senc-kms-check",
            "endpoint": self.endpoint,
            "keyId": self.key_id,
            "summary": count,
            "checks": checks,
            "latencyMilliseconds": self.latency,
        }


@dataclass
class _Session:
    """What the rules share: the plugin, what it said, and how long it took."""

    client: PluginClient
    requests: int
    concurrency: int
    watch: float
    restart: Callable[[], None] | None
    status: Status | None = None
    sealed: Sealed | None = None
    seed: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self.seconds: dict[str, list[float]] = {"Status": [], "Encrypt": [], "Decrypt": []}

    def ask_status(self) -> Status:
        return self._timed("Status", self.client.status)

    def encrypt(self, seed: bytes) -> Sealed:
        return self._timed("Encrypt", lambda: self.client.encrypt(seed))

    def decrypt(self, sealed: Sealed) -> bytes:
        return self._timed("Decrypt", lambda: self.client.decrypt(sealed))

    def _timed(self, method: str, call: Callable[[], _T]) -> _T:
        started = time.perf_counter()
        try:
            return call()
        finally:
            self.seconds[method].append(time.perf_counter() - started)


def check(
    endpoint: str,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    requests: int = 100,
    concurrency: int = 16,
    watch: float = 0,
    restart: Callable[[], None] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Checks the KMS v2 plugin behind `endpoint` (`unix:///path`). No key of a cluster is involved: the seeds are drawn here.

    `requests` is how many Decrypt calls the load rule makes, `concurrency` how many at once, `timeout` (seconds) that of
    the provider's configuration. `watch` seconds of Status polls test that key_id stays; `restart` restarts the plugin.
    Raises `RemoteError` when nobody answers on the socket, `UsageError` when the endpoint is none.
    """
    checks: list[Check] = []
    with PluginClient(endpoint, timeout=timeout) as client:
        session = _Session(client, requests, concurrency, watch, restart)
        for done, rule in enumerate(RULES):
            if progress:
                progress(done, len(RULES))
            checks.extend(_decide(session, rule))
        key_id = session.status.key_id if session.status else None
        return Report(endpoint, key_id, tuple(checks), {method: _percentiles(taken) for method, taken in session.seconds.items() if taken})


def _decide(session: _Session, rule: str) -> Iterator[Check]:
    needs_sealed = rule not in ("K8P01", "K8P02", "K8P03", "K8P04", "K8P12")
    if needs_sealed and session.sealed is None:
        yield Check(rule, "untested", "Encrypt gave nothing to test with")
        return
    try:
        yield from _DECIDE[rule](session, rule)
    except RemoteError as error:
        if rule == "K8P01":
            raise
        if isinstance(error, Unavailable):
            yield Check(rule, "fail", str(error), "kube-apiserver gets this error, tries again, and cannot do what needs this call")
            return
        yield Check(rule, "fail", str(error), "kube-apiserver gives up after its timeout; /readyz fails, and reads that need this call")
    except RuntimeError as error:
        yield Check(rule, "fail", str(error))


def _socket(session: _Session, rule: str) -> Iterator[Check]:
    # A plugin that refuses Status is there all the same.
    with suppress(Refusal):
        session.client.status()
    path = session.client.endpoint.removeprefix("unix://")
    if path.startswith("@"):
        yield Check(rule, "warn", "the socket is abstract: it has no owner and no mode", "every process in the network namespace can ask for plaintext seeds")
        return
    mode = stat.S_IMODE(os.stat(path).st_mode)
    folder = stat.S_IMODE(os.stat(Path(path).parent).st_mode)
    if mode & 0o007 and folder & 0o001:
        yield Check(rule, "fail", f"the socket has mode {mode:04o} and its directory {folder:04o}", "every user of this machine can have seeds decrypted; 0600 in a directory of 0700 is usual")
    elif folder & 0o002 and not folder & stat.S_ISVTX:
        yield Check(rule, "fail", f"the socket's directory has mode {folder:04o}", "every user of this machine can put another socket in its place")
    else:
        yield Check(rule, "pass", f"mode {mode:04o} in a directory of {folder:04o}")


def _status(session: _Session, rule: str) -> Iterator[Check]:
    try:
        session.status = session.ask_status()
    except Refusal as error:
        if error.code == "Unimplemented":
            yield Check(rule, "fail", f"{error}", _only_v1(session))
        else:
            yield Check(rule, "fail", f"{error}", "kube-apiserver starts, but neither reads nor writes with this provider")
        return
    probe = KmsProbe(_NAME)
    probe.poll(0.0)
    given = session.status
    step, said = probe.status_answered(0.0, (given.version, given.healthz, given.key_id))
    if step == "done":
        yield Check(rule, "fail", said or "the key_id is not accepted", "without a good key_id kube-apiserver cannot write with this provider")
        return
    if given.healthz != "ok" or given.version not in ("v2", "v2beta1"):
        yield Check(rule, "fail", f"version {given.version!r}, healthz {given.healthz!r}", "/healthz and /readyz of kube-apiserver fail; writes go on while key_id is good")
        return
    yield Check(rule, "pass", f"version {given.version}, healthz ok, key_id of {len(given.key_id.encode())} bytes")


def _only_v1(session: _Session) -> str:
    try:
        version = session.client.version_v1()
    except (RuntimeError, RemoteError):
        return "nothing on this socket speaks KMS v2"
    return f"this is a KMS v1 plugin (it answers Version with {version!r}): apiVersion: v1 would fit, v1 is off by default since Kubernetes 1.29"


def _encrypt(session: _Session, rule: str) -> Iterator[Check]:
    seed = os.urandom(_SEED)
    sealed = session.encrypt(seed)
    fault = encrypt_answer_fault((sealed.ciphertext, sealed.key_id, dict(sealed.annotations)))
    if fault:
        yield Check(rule, "fail", fault, "kube-apiserver throws the seed away and cannot write with this provider")
        return
    session.seed, session.sealed = seed, sealed
    if session.status and sealed.key_id != session.status.key_id:
        again = session.ask_status()
        if again.key_id != sealed.key_id:
            yield Check(rule, "fail", "Encrypt answers another key_id than Status, before and after", "kube-apiserver throws the seed away and cannot write with this provider")
            return
        session.status = again
        yield Check(rule, "warn", "key_id changed with the first Encrypt", "kube-apiserver throws its first seed away and writes only from the next probe on, 10 s later")
        return
    size = sum(len(name.encode()) + len(value) for name, value in sealed.annotations.items())
    yield Check(rule, "pass", f"ciphertext of {len(sealed.ciphertext):,} bytes, annotations of {size:,} bytes: every stored object carries both")


def _verdict(session: _Session, rule: str) -> Iterator[Check]:
    """The real state machine, with real answers."""
    probe, now = KmsProbe(_NAME), time.time()
    step, said = probe.poll(now)
    while step in ("status", "encrypt"):
        if step == "status":
            try:
                given = session.ask_status()
                step, said = probe.status_answered(time.time(), (given.version, given.healthz, given.key_id))
            except (RuntimeError, RemoteError) as error:
                step, said = probe.status_answered(time.time(), failure=str(error))
        else:
            seed, uid = os.urandom(_SEED), str(uuid.uuid4())
            try:
                sealed = session.encrypt(seed)
                step, said = probe.encrypt_answered(time.time(), seed, uid, (sealed.ciphertext, sealed.key_id, dict(sealed.annotations)))
            except (RuntimeError, RemoteError) as error:
                step, said = probe.encrypt_answered(time.time(), seed, uid, failure=str(error))
    refusal = probe.write_refusal(time.time())
    if said:
        yield Check(rule, "fail", f"kube-apiserver's health: {said}", f"writes are refused: {refusal}" if refusal else "writes work all the same")
    elif refusal:
        yield Check(rule, "fail", f"writes are refused: {refusal}")
    else:
        yield Check(rule, "pass", "healthy, and writing")


def _roundtrip(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    if session.decrypt(sealed) == session.seed:
        yield Check(rule, "pass", "the seed came back")
    else:
        yield Check(rule, "fail", "Decrypt answered other bytes", "what kube-apiserver writes with this provider cannot be read after a restart")


def _hides(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    seed = session.seed
    if seed in sealed.ciphertext or seed.hex().encode() in sealed.ciphertext.lower() or any(seed in value for value in sealed.annotations.values()):
        yield Check(rule, "fail", "the ciphertext contains the seed", "whoever reads etcd reads every object")
    elif session.encrypt(seed).ciphertext == sealed.ciphertext:
        yield Check(rule, "warn", "the same seed gives the same ciphertext twice", "kube-apiserver never encrypts a seed twice; a fixed nonce under one KEK would still be a break of AES-GCM")
    else:
        yield Check(rule, "pass", "two ciphertexts of one seed differ")


def _tampered(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    last = len(sealed.ciphertext) - 1
    taken = []
    for at in sorted({0, last // 4, last // 2, 3 * last // 4, last}):
        changed = bytearray(sealed.ciphertext)
        changed[at] ^= 0x01
        if _opens(session, replace(sealed, ciphertext=bytes(changed))):
            taken.append(at)
    if taken:
        where = ", ".join(map(str, taken))
        yield Check(rule, "fail", f"with a bit changed at byte {where} Decrypt still answers", "a writer to etcd can change seeds; objects under them fail with an authentication error at best")
    else:
        yield Check(rule, "pass", "refused at every place tried")


def _garbage(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    taken = [size for size in (0, 1, 32, 1024, 65536) if _opens(session, replace(sealed, ciphertext=os.urandom(size)))]
    session.ask_status()
    if session.decrypt(sealed) != session.seed:
        yield Check(rule, "fail", "after garbage Decrypt answers other bytes")
    elif taken:
        yield Check(rule, "fail", f"Decrypt answers random input of {', '.join(map(str, taken))} bytes with a plaintext")
    else:
        yield Check(rule, "pass", "refused from 0 to 65,536 bytes, and alive afterwards")


def _other_key_id(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    if _opens(session, replace(sealed, key_id=sealed.key_id + "-other")):
        yield Check(rule, "warn", "key_id is not looked at", "harmless while the ciphertext itself names its key; then key_id tells nothing about which key reads a value")
    else:
        yield Check(rule, "pass", "refused")


def _no_annotations(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    if not sealed.annotations:
        yield Check(rule, "pass", "the plugin uses no annotations")
    elif _opens(session, replace(sealed, annotations={})):
        yield Check(rule, "warn", "annotations are stored with every object but not needed", "they cost space in etcd and prove nothing")
    else:
        yield Check(rule, "pass", "refused")


def _stable(session: _Session, rule: str) -> Iterator[Check]:
    seen = {_held(session).key_id}
    until = time.monotonic() + session.watch
    polls = 0
    while polls < 10 or time.monotonic() < until:
        seen.add(session.ask_status().key_id)
        polls += 1
        if polls >= 10:
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
    if len(seen) > 1:
        yield Check(rule, "fail", f"{len(seen)} different key_ids in {polls} polls", "every change makes all stored objects stale and costs an Encrypt on every API server")
    else:
        yield Check(rule, "pass", f"one key_id in {polls} polls" + (f" over {session.watch:g} s" if session.watch else ""))


def _quick(session: _Session, rule: str) -> Iterator[Check]:
    for _ in range(20):
        session.ask_status()
    taken = _percentiles(session.seconds["Status"])
    told = f"median {taken['p50']:.1f} ms, slowest {taken['max']:.1f} ms"
    if taken["max"] > session.client.timeout * 1000 * _SLOW_SHARE:
        yield Check(rule, "fail", told, f"over half of the timeout of {session.client.timeout:g} s: a slow day makes /readyz fail")
    elif taken["p50"] > 100:
        yield Check(rule, "warn", told, "Status seems to ask the KMS each time; it should read memory")
    else:
        yield Check(rule, "pass", told)


def _load(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    count = session.requests
    before = len(session.seconds["Decrypt"])
    wrong: list[str] = []

    def one(_: int) -> None:
        try:
            if session.decrypt(sealed) != session.seed:
                wrong.append("other bytes")
        except (RuntimeError, RemoteError) as error:
            wrong.append(str(error))

    with ThreadPoolExecutor(session.concurrency) as pool:
        list(pool.map(one, range(count)))
    taken = _percentiles(session.seconds["Decrypt"][before:]) if count else {"p50": 0.0, "p99": 0.0, "max": 0.0}
    told = f"{count:,} Decrypt calls, {session.concurrency} at once: median {taken['p50']:.1f} ms, p99 {taken['p99']:.1f} ms, slowest {taken['max']:.1f} ms"
    if wrong:
        yield Check(rule, "fail", f"{len(wrong):,} of {count:,} calls failed, the first with: {wrong[0]}", "a restarting API server reads with many calls at once; objects behind failed ones are errors to its clients")
    elif taken["p99"] > session.client.timeout * 1000 * _SLOW_SHARE:
        yield Check(rule, "warn", told, f"over half of the timeout of {session.client.timeout:g} s")
    else:
        yield Check(rule, "pass", told)


def _authority(session: _Session, rule: str) -> Iterator[Check]:
    path = session.client.endpoint.removeprefix("unix://")
    escaped = path if path.startswith("@") else path.replace("/", "%2F")
    try:
        with PluginClient(session.client.endpoint, timeout=session.client.timeout, authority=escaped) as old:
            old.status()
    except (RuntimeError, RemoteError) as error:
        # A plugin that is away by now says nothing about :authority; that raises.
        session.ask_status()
        yield Check(rule, "warn", str(error), f"{_OLD_AUTHORITY}: with 1.29 to 1.31 this plugin would not work")
    else:
        yield Check(rule, "pass", f"tolerated; {_OLD_AUTHORITY}")


def _gives_up(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    for _ in range(20):
        try:
            session.client.decrypt(sealed, timeout=0.0005)
        except (RuntimeError, RemoteError):
            continue
    if session.decrypt(sealed) == session.seed:
        yield Check(rule, "pass", "after 20 calls that gave up at once the plugin answers as before")
    else:
        yield Check(rule, "fail", "after calls that gave up Decrypt answers other bytes")


def _restart(session: _Session, rule: str) -> Iterator[Check]:
    sealed = _held(session)
    if session.restart is None:
        yield Check(rule, "untested", "give --restart COMMAND to test it")
        return
    session.restart()
    started = time.monotonic()
    # A fresh connection: the old one may be in gRPC's back-off, which kube-apiserver waits out too.
    while True:
        try:
            with PluginClient(session.client.endpoint, timeout=session.client.timeout) as fresh:
                status, seed = fresh.status(), fresh.decrypt(sealed)
            break
        except RemoteError as error:
            if time.monotonic() - started > 60:
                yield Check(rule, "fail", f"60 s after the restart: {error}")
                return
            time.sleep(0.1)
    after = time.monotonic() - started
    if seed != session.seed:
        yield Check(rule, "fail", "after the restart Decrypt answers other bytes", "what was written before cannot be read")
    elif status.key_id != sealed.key_id:
        yield Check(rule, "fail", "after the restart Status answers another key_id", "every restart makes all stored objects stale")
    else:
        yield Check(rule, "pass", f"back after {after:.1f} s with the same key_id; what was encrypted before opens")


_DECIDE: dict[str, Callable[[_Session, str], Iterator[Check]]] = {
    "K8P01": _socket,
    "K8P02": _status,
    "K8P03": _encrypt,
    "K8P04": _verdict,
    "K8P05": _roundtrip,
    "K8P06": _hides,
    "K8P07": _tampered,
    "K8P08": _garbage,
    "K8P09": _other_key_id,
    "K8P10": _no_annotations,
    "K8P11": _stable,
    "K8P12": _quick,
    "K8P13": _load,
    "K8P14": _authority,
    "K8P15": _gives_up,
    "K8P16": _restart,
}


def _held(session: _Session) -> Sealed:
    if session.sealed is None:
        raise RuntimeError("Encrypt gave nothing to test with")
    return session.sealed


def _opens(session: _Session, sealed: Sealed) -> bool:
    """Whether the plugin answers at all; a refusal is what is hoped for."""
    try:
        session.client.decrypt(sealed)
    except Refusal:
        return False
    return True


def _percentiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds; nearest rank."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)

    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": round(1000 * ordered[-1], 3), "calls": len(ordered)}
