"""What is wrong with a KMS plugin, seen from the machine of an API server: its socket, its answers, what the API server says."""

from __future__ import annotations

import errno
import grp
import hashlib
import os
import pwd
import secrets
import socket
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from k8senc._native import encrypt_answer_fault, escape
from k8senc.errors import RemoteError
from k8senc.kms_blocks import Block
from k8senc.kms_client import PluginClient, Refusal, Status, Unavailable

__all__ = ["Check", "Diagnosis", "diagnose", "seen_by_server"]

_T = TypeVar("_T")

_SILENT = "the plugin's own log says why: most often it does not reach its KMS, or is not let in"
_KMS = "the plugin runs and says why: repair its KMS or the way to it; a restart of the plugin mends nothing"
_WORDS = "healthz is the plugin's own reason: begin there; its log has more"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    what: str
    outcome: str
    """`ok`, `bad`, `warn` or `unknown`."""
    found: str
    next: str = ""
    """What to do, where something is wrong."""


@dataclass
class Diagnosis:
    """Everything about one plugin."""

    name: str
    endpoint: str
    checks: list[Check] = field(default_factory=list)
    key_id: str | None = None
    decrypt_seconds: float | None = None

    @property
    def healthy(self) -> bool:
        return not any(check.outcome == "bad" for check in self.checks)

    def next_step(self) -> str:
        """What to do first."""
        return next((check.next for check in self.checks if check.outcome == "bad" and check.next), "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "endpoint": self.endpoint,
            "healthy": self.healthy,
            "keyIdHash": _hash(self.key_id) if self.key_id else None,
            "decryptSeconds": self.decrypt_seconds,
            "checks": [{"what": one.what, "outcome": one.outcome, "found": one.found, "next": one.next} for one in self.checks],
        }


def diagnose(block: Block) -> Diagnosis:
    """Looks at the socket and makes three calls: Status, Encrypt, Decrypt. Stops where going on tells nothing."""
    found = Diagnosis(block.name, block.endpoint)
    if _socket(block.endpoint, found.checks):
        with PluginClient(block.endpoint, timeout=block.timeout) as client:
            if block.version == "v1":
                _round_trip_v1(client, block, found)
            else:
                _round_trip(client, block, found)
    return found


def seen_by_server(found: Diagnosis, key_ids: dict[str, dict[str, float]], failing: dict[str, str], server: str) -> None:
    """Adds what an API server says of the plugin."""
    for check, text in failing.items():
        if check.startswith("kms-provider") or check == "readyz":
            found.checks.append(Check("API server", "bad", f"{server} {check}: {text}", "see above what the plugin answers; if it is healthy here, this server reaches another socket or another plugin"))
    heard = key_ids.get(found.name)
    if not heard or found.key_id is None:
        return
    newest = max(heard, key=lambda one: heard[one])
    age = time.time() - heard[newest]
    if newest != _hash(found.key_id):
        found.checks.append(Check("key_id", "warn", f"{server} last heard of {newest}, the plugin now says {_hash(found.key_id)}", "wait a minute for the next poll and look again; if they still differ, the server talks to another plugin"))
    elif age > 180:
        found.checks.append(Check("key_id", "bad", f"{server} has not heard of the plugin for {age:.0f} s, so its writes fail", "the server does not reach this plugin: compare the endpoint, and the mount of the socket into its pod"))
    else:
        found.checks.append(Check("key_id", "ok", f"{server} uses the same key_id, heard {max(0.0, age):.0f} s ago"))


def _socket(endpoint: str, checks: list[Check]) -> bool:
    path = endpoint.removeprefix("unix://")
    if path.lstrip("/").startswith("@"):
        checks.append(Check("socket", "ok", f"{escape(path)} is an abstract socket: it has no file"))
        return _connect("\0" + path.lstrip("/")[1:], checks)
    shown = escape(path)
    try:
        status = os.stat(path)
    except FileNotFoundError:
        missing = _first_missing(path)
        checks.append(Check("socket", "bad", f"{shown} is not there" + (f"; {escape(missing)} is missing already" if missing != path else ""), "start the plugin; if it runs, its socket is elsewhere, or not mounted to here"))
        return False
    except OSError as error:
        checks.append(Check("socket", "unknown", f"{shown} cannot be looked at: {error.strerror}", "run this as root, on the machine of the API server"))
        return False
    if not stat.S_ISSOCK(status.st_mode):
        what = "a directory, which a container runtime makes where a file to mount is missing" if stat.S_ISDIR(status.st_mode) else "no socket"
        checks.append(Check("socket", "bad", f"{shown} is {what}", "remove it and start the plugin again; mount the socket's directory, not the socket"))
        return False
    owner = f"{_name(pwd.getpwuid, status.st_uid)}:{_name(grp.getgrgid, status.st_gid)}"
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    since = max(0.0, time.time() - status.st_mtime)
    told = f"{shown}, mode {mode}, owner {owner}, made {_span(since)} ago"
    if status.st_mode & 0o002:
        checks.append(Check("socket", "warn", f"{told}: every user may have the KMS decrypt", f"chmod 0600 {shown}, or 0660 with a group of its own"))
    else:
        checks.append(Check("socket", "ok", told))
    return _connect(path, checks)


def _connect(address: str, checks: list[Check]) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(3)
        try:
            probe.connect(address)
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                checks.append(Check("connect", "bad", "nobody listens: the file is left from a plugin that ended", "start the plugin; if it says that the address is in use, remove the file first"))
            elif error.errno in (errno.EACCES, errno.EPERM):
                checks.append(Check("connect", "bad", "not permitted for this user", "run this as the user of kube-apiserver, most often root; if that fails as well, correct the owner or mode of the socket"))
            else:
                checks.append(Check("connect", "bad", error.strerror or "no answer in 3 s", "restart the plugin: it listens and takes no connections"))
            return False
    checks.append(Check("connect", "ok", "somebody listens"))
    return True


def _round_trip(client: PluginClient, block: Block, found: Diagnosis) -> None:
    asked = _timed(found, "Status", block.timeout, lambda: client.status())
    if asked is None:
        return
    said: Status
    said, seconds = asked
    faults = []
    if said.healthz != "ok":
        faults.append(f"healthz is {escape(said.healthz)!r}, not 'ok'")
    if said.version not in ("v2", "v2beta1"):
        faults.append(f"version is {escape(said.version)!r}, not 'v2'")
    if not said.key_id or len(said.key_id.encode()) > 1024:
        faults.append("key_id is empty" if not said.key_id else f"key_id has {len(said.key_id.encode())} bytes, more than 1024")
    if faults:
        found.checks.append(Check("Status", "bad", f"{'; '.join(faults)} ({_millis(seconds)})", _WORDS if said.healthz not in ("ok", "") else _SILENT))
    else:
        found.key_id = said.key_id
        found.checks.append(_quick("Status", f"v2, ok, key_id {escape(said.key_id)}", seconds, block.timeout))
    seed = secrets.token_bytes(32)
    made = _timed(found, "Encrypt", block.timeout, lambda: client.encrypt(seed))
    if made is None:
        return
    sealed, seconds = made
    fault = encrypt_answer_fault((sealed.ciphertext, sealed.key_id, sealed.annotations))
    if fault is not None:
        found.checks.append(Check("Encrypt", "bad", escape(fault), "kube-apiserver refuses this answer: the plugin breaks the contract (k8senc kms check says more)"))
        return
    if said.key_id and sealed.key_id != said.key_id:
        found.checks.append(Check("Encrypt", "bad", "its key_id is another one than Status gave, so kube-apiserver throws the seed away", "a KEK is being rotated, or two plugins share the socket: wait a minute and look again"))
    else:
        found.checks.append(_quick("Encrypt", f"{len(sealed.ciphertext)} bytes", seconds, block.timeout))
    opened = _timed(found, "Decrypt", block.timeout, lambda: client.decrypt(sealed))
    if opened is None:
        return
    plain, found.decrypt_seconds = opened
    if plain != seed:
        found.checks.append(Check("Decrypt", "bad", "gives back other bytes than were encrypted", "stop writing: what is stored now cannot be read again; go back to the plugin's last good version"))
    else:
        found.checks.append(_quick("Decrypt", "gives back what was encrypted", found.decrypt_seconds, block.timeout))


def _round_trip_v1(client: PluginClient, block: Block, found: Diagnosis) -> None:
    asked = _timed(found, "Version", block.timeout, client.version_v1)
    if asked is None:
        return
    version, seconds = asked
    if version != "v1beta1":
        found.checks.append(Check("Version", "bad", f"{escape(version)!r}, and kube-apiserver takes 'v1beta1' alone", "the block says apiVersion v1, and the plugin speaks another version"))
        return
    found.checks.append(_quick("Version", version, seconds, block.timeout))
    dek = secrets.token_bytes(32)
    made = _timed(found, "Encrypt", block.timeout, lambda: client.encrypt_v1(dek))
    if made is None:
        return
    sealed, seconds = made
    found.checks.append(_quick("Encrypt", f"{len(sealed.ciphertext)} bytes", seconds, block.timeout))
    opened = _timed(found, "Decrypt", block.timeout, lambda: client.decrypt_v1(sealed.ciphertext))
    if opened is None:
        return
    plain, found.decrypt_seconds = opened
    outcome = "ok" if plain == dek else "bad"
    found.checks.append(Check("Decrypt", outcome, "gives back what was encrypted" if plain == dek else "gives back other bytes than were encrypted"))


def _timed(found: Diagnosis, what: str, timeout: float, call: Callable[[], _T]) -> tuple[_T, float] | None:
    began = time.perf_counter()
    try:
        answer = call()
    except Refusal as error:
        hint = "the plugin speaks another version of the API than the block's apiVersion" if error.code == "Unimplemented" else _SILENT
        found.checks.append(Check(what, "bad", f"refused: {escape(str(error))}", hint))
        return None
    except Unavailable as error:
        found.checks.append(Check(what, "bad", f"not available: {escape(error.said)}", _KMS))
        return None
    except RemoteError:
        found.checks.append(Check(what, "bad", f"no answer within {timeout:g} s, the block's timeout", "the plugin listens and does not answer: its KMS may hang; look into its log, then restart it"))
        return None
    return answer, time.perf_counter() - began


def _quick(what: str, told: str, seconds: float, timeout: float) -> Check:
    if seconds > timeout / 2:
        return Check(what, "warn", f"{told}, in {_millis(seconds)}: more than half of the block's timeout of {timeout:g} s", "find out what makes the KMS slow, before calls begin to fail")
    return Check(what, "ok", f"{told}, in {_millis(seconds)}")


def _first_missing(path: str) -> str:
    parts = path.split("/")
    for end in range(2, len(parts) + 1):
        if not os.path.exists("/".join(parts[:end])):
            return "/".join(parts[:end])
    return path


def _name(find: Callable[[int], Iterable[Any]], number: int) -> str:
    try:
        return escape(str(list(find(number))[0]))
    except KeyError:
        return str(number)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _millis(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _hash(key_id: str) -> str:
    """As the API server's metrics label it."""
    return f"sha256:{hashlib.sha256(key_id.encode()).hexdigest()}"
