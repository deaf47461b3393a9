"""Requests to one API server. Objects pass through memory as their metadata alone, and are never repeated in an error."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from k8senc._native import __version__, escape
from k8senc.cluster.kubeconfig import Access
from k8senc.errors import RemoteError, UsageError

__all__ = ["ONE", "PAGE", "Api", "Refused"]

# The API server leaves everything but the metadata out of its answer.
ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PAGE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

_MOST = 64 << 20
# Texts of these say who may not do what, or what broke inside the server. Those of others may quote the object.
_TELLS = {401, 403, 404, 405, 409, 410, 429, 500, 502, 503, 504}


class Refused(RemoteError):
    """The API server answered with an error."""

    def __init__(self, status: int, reason: str, message: str, *, retry_after: float | None = None, go_on: str | None = None) -> None:
        super().__init__("api-refused", f"the API server answers {status} {reason}" + (f": {message}" if message else ""))
        self.status, self.reason, self.retry_after = status, reason, retry_after
        self.go_on = go_on
        """The continue token that a 410 gives, to go on at a newer revision."""

    @property
    def passes(self) -> bool:
        """Whether the same request may well succeed later."""
        return self.status in (409, 429, 500, 502, 503, 504)


class Api:
    """A pool of connections to one API server."""

    def __init__(self, access: Access, *, server: str | None = None, connections: int = 8, timeout: float = 60.0) -> None:
        try:
            self._http: Any = importlib.import_module("urllib3")
        except ImportError:
            raise UsageError("extra-cluster", "calling a cluster needs urllib3 and PyYAML: pip install 'k8senc[cluster]'") from None
        self.access = replace(access, server=server.rstrip("/")) if server else access
        self.server = self.access.server
        if not self.server.startswith(("https://", "http://")):
            raise UsageError("kubeconfig", f"the server {escape(self.server)} is no https:// address")
        if server and server.startswith("http://") and not access.server.startswith("http://"):
            raise UsageError("kubeconfig", f"{escape(server)} would send the credentials unencrypted: use https://")
        options: dict[str, Any] = {
            "num_pools": 2,
            "maxsize": connections,
            "block": True,
            "retries": False,
            "timeout": self._http.Timeout(connect=10.0, read=timeout),
        }
        if self.server.startswith("https://"):
            options["ssl_context"] = self.access.tls()
            if self.access.server_name:
                options["server_hostname"] = self.access.server_name
                options["assert_hostname"] = self.access.server_name
            if self.access.insecure:
                self._http.disable_warnings()
                options["cert_reqs"] = "CERT_NONE"
        proxy = self.access.proxy
        self._pool = self._http.ProxyManager(proxy, **options) if proxy else self._http.PoolManager(**options)

    def get(self, path: str, *, accept: str = "application/json", **query: object) -> Any:
        """The parsed answer. Raises `Refused`, or `RemoteError` when nobody answers."""
        return _parsed(self._call("GET", path, accept, query))

    def text(self, path: str, **query: object) -> str:
        """The answer as text, such as /metrics."""
        return self._call("GET", path, "text/plain, */*", query).decode("utf-8", "replace")

    def merge(self, path: str, patch: Mapping[str, object], **query: object) -> Any:
        """A merge patch; the answer is the object's metadata."""
        return _parsed(self._call("PATCH", path, ONE, query, json.dumps(patch).encode(), "application/merge-patch+json"))

    def post(self, path: str, document: Mapping[str, object]) -> Any:
        """A new object."""
        return _parsed(self._call("POST", path, "application/json", {}, json.dumps(document).encode(), "application/json"))

    def delete(self, path: str, **query: object) -> None:
        """Deletes one object."""
        self._call("DELETE", path, "application/json", query)

    def close(self) -> None:
        """Hangs up."""
        self._pool.clear()

    def _call(self, method: str, path: str, accept: str, query: Mapping[str, object], body: bytes | None = None, content: str | None = None, again: bool = True) -> bytes:
        wanted = {name: value for name, value in query.items() if value not in (None, "")}
        address = f"{self.server}{quote(path, safe='/:')}" + (f"?{urlencode(wanted)}" if wanted else "")
        headers = {"Accept": accept, "User-Agent": f"k8senc/{__version__}", **self.access.credentials.headers()}
        if content:
            headers["Content-Type"] = content
        try:
            answer = self._pool.request(method, address, body=body, headers=headers, redirect=False)
        except self._http.exceptions.HTTPError as error:
            raise RemoteError("api-unreachable", f"the API server {escape(self.server)} does not answer: {_cause(error)}") from None
        if answer.status == 401 and again and self.access.credentials.forget():
            return self._call(method, path, accept, query, body, content, again=False)
        data: bytes = answer.data
        if not 200 <= answer.status < 300:
            raise _refused(answer.status, data, answer.headers.get("Retry-After"))
        if len(data) > _MOST:
            raise RemoteError("api-answer", f"the API server answers more than 64 MiB to {escape(path)}")
        return data


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise RemoteError("api-answer", "the API server's answer is no JSON: is this the address of an API server?") from None


def _refused(status: int, data: bytes, retry_after: str | None) -> Refused:
    reason, message, go_on = "", "", None
    try:
        told = json.loads(data)
        if isinstance(told, dict) and told.get("kind") == "Status":
            reason = escape(str(told.get("reason", "")))
            go_on = (told.get("metadata") or {}).get("continue") or None
            if status in _TELLS:
                message = escape(str(told.get("message", "")))[:500]
            else:
                causes = (told.get("details") or {}).get("causes") or []
                message = ", ".join(escape(str(cause.get("field", ""))) for cause in causes[:5] if isinstance(cause, dict))
    except ValueError:
        if status in _TELLS:
            message = escape(data[:200].decode("utf-8", "replace").strip())
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return Refused(status, reason, message, retry_after=seconds, go_on=go_on)


def _cause(error: BaseException) -> str:
    """The innermost reason: urllib3 wraps it in its own pool's address."""
    seen = error
    while isinstance(getattr(seen, "reason", None), BaseException):
        seen = seen.reason  # type: ignore[attr-defined]
    text = str(seen).rpartition(": ")[2] if "object at 0x" in str(seen) else str(seen)
    return escape(text) or type(seen).__name__


def wait(seconds: float) -> None:
    """Sleeps; Ctrl-C ends it."""
    time.sleep(max(0.0, seconds))
