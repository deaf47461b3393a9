"""An API server that can be told to misbehave. What a healthy one does is tested on the real one, in ops/."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any, dict[str, str]]
SECRET = "do-not-print-me"


def status(code: int, reason: str, message: str = "", **more: Any) -> Answer:
    metadata = {"continue": more.pop("go_on")} if "go_on" in more else {}
    headers = more.pop("headers", {})
    return code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "metadata": metadata, **more}, headers


class FakeApi:
    """Secrets by `namespace/name` with a resourceVersion; `hook` sees each request first and may answer it."""

    def __init__(self, names: list[str], hook: Callable[[str, str, dict[str, str]], Answer | None] | None = None) -> None:
        self.versions = {name: 10 for name in names}
        self.revision, self.hook = 10, hook
        self.patched: Counter[str] = Counter()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.posted: list[Any] = []
        self.texts: dict[str, str] = {"/readyz": "ok", "/metrics": ""}
        self.objects: dict[str, Any] = {}
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                url = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(url.query).items()}
                with outer.lock:
                    outer.requests.append((self.command, url.path, query))
                    answer = outer.hook(self.command, url.path, query) if outer.hook else None
                    code, document, headers = answer or outer.answer(self.command, url.path, query, body)
                data = document.encode() if isinstance(document, str) else json.dumps(document).encode()
                self.send_response(code)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PATCH = do_POST = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, folder: Path) -> Path:
        file = folder / "kubeconfig"
        file.write_text(json.dumps({
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": SECRET}}],
        }))
        return file

    def answer(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        if path in self.texts:
            return 200, self.texts[path], {}
        if path == "/apis":
            return 200, {"groups": []}, {}
        if path == "/api/v1":
            return 200, {"resources": [{"name": "secrets", "namespaced": True, "kind": "Secret", "verbs": ["list", "patch"]}]}, {}
        if method == "POST":
            self.posted.append(json.loads(body))
            return 201, self.posted[-1], {}
        if path in self.objects:
            return 200, self.objects[path], {}
        if path.endswith("/secrets"):
            return self._list(path, query)
        if method == "PATCH":
            return self._patch(path)
        return status(404, "NotFound", f"{path} is not there")

    def _list(self, path: str, query: dict[str, str]) -> Answer:
        wanted = path.split("/")[4] + "/" if "/namespaces/" in path else ""
        after = query.get("continue", "").partition("@")[0]
        behind = sorted(name for name in self.versions if name > after and name.startswith(wanted))
        page = behind[: int(query.get("limit", "500"))]
        left = len(behind) - len(page)
        metadata: dict[str, Any] = {"resourceVersion": str(self.revision)}
        if left:
            metadata |= {"continue": f"{page[-1]}@{self.revision}", "remainingItemCount": left}
        items = [{"metadata": {"namespace": name.split("/")[0], "name": name.split("/")[1], "resourceVersion": str(self.versions[name])}} for name in page]
        return 200, {"metadata": metadata, "items": items}, {}

    def _patch(self, path: str) -> Answer:
        parts = path.split("/")
        name = f"{parts[4]}/{parts[6]}"
        if name not in self.versions:
            return status(404, "NotFound")
        if not self.patched[name]:
            self.revision += 1
            self.versions[name] = self.revision
        self.patched[name] += 1
        return 200, {"metadata": {"namespace": parts[4], "name": parts[6], "resourceVersion": str(self.versions[name])}}, {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
