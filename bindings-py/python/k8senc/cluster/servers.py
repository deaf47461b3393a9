"""What an API server says of its encryption: its metrics and health checks, read and judged."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from k8senc._native import escape
from k8senc.cluster.api import Api, Refused
from k8senc.errors import RemoteError

__all__ = ["SETTLING_SECONDS", "Seen", "look", "samples", "settled_in"]

# A server asks a KMS v2 plugin once a minute and may write with a seed until three minutes after its last good Status.
SETTLING_SECONDS = 180

CONFIG_INFO = "apiserver_encryption_config_controller_last_config_info"
RELOADED = "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds"
KEY_ID_SEEN = "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds"
STARTED = "process_start_time_seconds"
_KEPT = {CONFIG_INFO, RELOADED, KEY_ID_SEEN, STARTED}

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)(?:\s+\d+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


@dataclass
class Seen:
    """What one server says now."""

    server: str
    file_hash: str | None = None
    """`sha256:` of the configuration in use; from 1.34 on."""
    started: float | None = None
    reloaded: float | None = None
    key_ids: dict[str, dict[str, float]] = field(default_factory=dict)
    """By KMS provider: each key_id's hash, with the time it was last heard of."""
    failing: dict[str, str] = field(default_factory=dict)
    """Health checks of encryption that fail, with their text."""
    ready: bool | None = None
    metrics: bool = True
    why_not: str = ""

    @property
    def changed(self) -> float | None:
        """The last time at which this server can have begun to write otherwise: a start, a reload, another key_id."""
        times = [at for at in (self.started, self.reloaded) if at]
        for heard in self.key_ids.values():
            newest = max(heard.values())
            # The answer that named an older key_id last bounds when the new one came, to the minute between polls.
            times += [at + 60 for at in heard.values() if at < newest]
        return max(times, default=None)


def samples(text: str, wanted: Iterable[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
    """The samples of some metrics in the Prometheus text format."""
    names = set(wanted)
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is None or found["name"] not in names:
            continue
        labels = {name: re.sub(r"\\.", lambda part: _ESCAPED.get(part[0], part[0]), value) for name, value in _LABEL.findall(found["labels"] or "")}
        try:
            yield found["name"], labels, float(found["value"])
        except ValueError:
            continue


def look(api: Api, checks: Iterable[str] = ()) -> Seen:
    """Asks one server. Raises `RemoteError` when it does not answer at all; what it does not allow is said in `why_not`."""
    seen = Seen(api.server)
    try:
        text = api.text("/metrics")
    except Refused as error:
        seen.metrics, seen.why_not = False, str(error)
        text = ""
    for name, labels, value in samples(text, _KEPT):
        if name == CONFIG_INFO and value:
            seen.file_hash = labels.get("hash")
        elif name == STARTED:
            seen.started = value
        elif name == RELOADED and labels.get("status") == "success":
            seen.reloaded = max(seen.reloaded or 0.0, value)
        elif name == KEY_ID_SEEN:
            heard = seen.key_ids.setdefault(labels.get("provider_name", ""), {})
            key = labels.get("key_id_hash", "")
            heard[key] = max(heard.get(key, 0.0), value)
    seen.ready = _check(api, "/readyz", seen.failing, "readyz")
    for check in checks:
        _check(api, f"/readyz/{check}", seen.failing, check)
    return seen


def settled_in(seen: Iterable[Seen], *, delay: int = 0, changed_at: float | None = None, now: float | None = None) -> tuple[float, str] | None:
    """Seconds to wait until no server writes with what was before, and why; None when it is not known since when."""
    moment = time.time() if now is None else now
    times = [(one.changed, one.server) for one in seen]
    if changed_at is not None:
        times.append((changed_at, "--changed-at"))
    known = [(at, who) for at, who in times if at is not None]
    if not known or any(at is None for at, _ in times):
        return None if changed_at is None else (max(0.0, changed_at + SETTLING_SECONDS + delay - moment), "--changed-at")
    at, who = max(known)
    return max(0.0, at + SETTLING_SECONDS + delay - moment), who


def _check(api: Api, path: str, failing: dict[str, str], name: str) -> bool | None:
    try:
        api.text(path)
    except Refused as error:
        if error.status in (401, 403, 404):
            return None
        failing[name] = str(error)
        return False
    return True


def unreachable(error: RemoteError) -> str:
    """One clause for a server that does not answer."""
    return escape(str(error))
