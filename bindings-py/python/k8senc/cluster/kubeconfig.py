"""Who to call and as whom: kubeconfig files as kubectl reads them, and the service account of a pod."""

from __future__ import annotations

import base64
import binascii
import importlib
import json
import os
import ssl
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from k8senc._native import escape
from k8senc.errors import RemoteError, UsageError

__all__ = ["Access", "Credentials", "in_cluster", "load"]

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# kubelet renews a mounted token long before it expires; reading it again each minute is what client-go does.
_TOKEN_FILE_SECONDS = 60.0
_EXEC_TIMEOUT = 60


@dataclass
class Credentials:
    """What a request is made with. A token may come from a file or a program, and is then asked for again."""

    user: Mapping[str, Any] = field(default_factory=dict, repr=False)
    folder: Path = Path()
    cluster: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _token: str | None = field(default=None, repr=False)
    _until: float = 0.0
    _given: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def headers(self) -> dict[str, str]:
        """The headers that say who asks."""
        headers: dict[str, str] = {}
        token = self._bearer()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        elif self.user.get("username"):
            pair = f"{self.user['username']}:{self.user.get('password', '')}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self.user.get("as"):
            headers["Impersonate-User"] = str(self.user["as"])
        return headers

    def forget(self) -> bool:
        """After a 401: whether asking again can give another token."""
        again = "exec" in self.user or "tokenFile" in self.user
        self._token, self._until, self._given = None, 0.0, {}
        return again

    def certificate(self) -> tuple[bytes, bytes] | None:
        """The client certificate and its key, in PEM."""
        certificate = _material(self.user, "client-certificate", self.folder)
        key = _material(self.user, "client-key", self.folder)
        if certificate is None and "exec" in self.user:
            given = self._ask_program()
            if given.get("clientCertificateData"):
                return str(given["clientCertificateData"]).encode(), str(given.get("clientKeyData", "")).encode()
        if certificate is None or key is None:
            return None
        return certificate, key

    def _bearer(self) -> str | None:
        if self.user.get("tokenFile"):
            if time.monotonic() >= self._until:
                self._token = _read(self.folder / str(self.user["tokenFile"]), "the token file").decode().strip()
                self._until = time.monotonic() + _TOKEN_FILE_SECONDS
            return self._token
        if self.user.get("token"):
            return str(self.user["token"])
        if "exec" in self.user:
            token = self._ask_program().get("token")
            return str(token) if token else None
        return None

    def _ask_program(self) -> Mapping[str, Any]:
        if not self._given or time.time() >= self._until:
            self._given, self._until = _run_program(self.user["exec"], self.cluster, self.folder)
        return self._given


@dataclass(frozen=True)
class Access:
    """One API server and how to be let in."""

    server: str
    credentials: Credentials = field(repr=False)
    authority: bytes | None = field(default=None, repr=False)
    """Its certificate authorities in PEM; the system's when None."""
    server_name: str | None = None
    insecure: bool = False
    proxy: str | None = None
    origin: str = ""
    """Where this was read, for messages."""

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the cluster alone."""
        try:
            context = ssl.create_default_context(cadata=self.authority.decode() if self.authority else None)
        except (ssl.SSLError, UnicodeDecodeError):
            raise UsageError("kubeconfig", f"{escape(self.origin)}: the certificate authority is no certificate in PEM") from None
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        pair = self.credentials.certificate()
        if pair is not None:
            _load_pair(context, *pair)
        return context


def load(path: str | None = None, context: str | None = None) -> Access:
    """From a kubeconfig file, `KUBECONFIG`, the pod's service account, or ~/.kube/config: the first that is there.

    Raises `UsageError` when nothing is there or it says nothing usable.
    """
    named = path or os.environ.get("KUBECONFIG")
    if not named and "KUBERNETES_SERVICE_HOST" in os.environ and (_SERVICE_ACCOUNT / "token").is_file():
        return in_cluster()
    files = [Path(part) for part in named.split(os.pathsep) if part] if named else [Path.home() / ".kube" / "config"]
    present = [file for file in files if path or file.is_file()]
    if not present:
        raise UsageError("kubeconfig", f"no kubeconfig is at {escape(str(files[0]))}: give --kubeconfig FILE")
    return _access(_merged(present), context, os.pathsep.join(map(str, present)))


def in_cluster(folder: Path = _SERVICE_ACCOUNT) -> Access:
    """As the service account of the pod that this runs in."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    bracketed = f"[{host}]" if ":" in host else host
    credentials = Credentials({"tokenFile": str(folder / "token")})
    return Access(f"https://{bracketed}:{port}", credentials, _read(folder / "ca.crt", "the service account's CA"), origin="the pod's service account")


def _merged(files: list[Path]) -> dict[str, Any]:
    """As kubectl does: of two entries of one name the first counts."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    for file in files:
        read = _yaml(file)
        merged["current-context"] = merged["current-context"] or read.get("current-context") or ""
        for kind, inner in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
            for entry in read.get(kind) or []:
                if isinstance(entry, dict) and isinstance(entry.get(inner), dict):
                    merged[kind].setdefault(str(entry.get("name", "")), (entry[inner], file.absolute().parent))
    return merged


def _yaml(file: Path) -> dict[str, Any]:
    try:
        # PyYAML has no types of its own.
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise UsageError("extra-cluster", "calling a cluster needs urllib3 and PyYAML: pip install 'k8senc[cluster]'") from None
    try:
        read = yaml.safe_load(_read(file, "the kubeconfig"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        # The text of the error quotes the file, which holds credentials.
        raise UsageError("kubeconfig", f"{escape(str(file))} is no YAML{where}") from None
    if not isinstance(read, dict):
        raise UsageError("kubeconfig", f"{escape(str(file))} is no kubeconfig: a mapping is needed")
    return read


def _access(merged: Mapping[str, Any], wanted: str | None, origin: str) -> Access:
    name = wanted or merged["current-context"]
    if not name:
        raise UsageError("kubeconfig", f"{escape(origin)} has no current-context: name one with --context")
    if name not in merged["contexts"]:
        known = ", ".join(map(escape, merged["contexts"])) or "none"
        raise UsageError("kubeconfig", f"{escape(origin)} has no context {escape(str(name))}; it has {known}")
    context, _ = merged["contexts"][name]
    cluster, folder = _entry(merged, "clusters", context.get("cluster"), origin)
    user, user_folder = _entry(merged, "users", context.get("user"), origin) if context.get("user") else ({}, folder)
    if user.get("auth-provider"):
        raise UsageError("kubeconfig", "the user has an auth-provider, which Kubernetes took out in 1.26: use an exec credential plugin")
    if not cluster.get("server"):
        raise UsageError("kubeconfig", f"the cluster of context {escape(str(name))} has no server")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        credentials=Credentials(user, user_folder, cluster),
        authority=_material(cluster, "certificate-authority", folder),
        server_name=cluster.get("tls-server-name"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy=cluster.get("proxy-url"),
        origin=origin,
    )


def _entry(merged: Mapping[str, Any], kind: str, name: Any, origin: str) -> tuple[dict[str, Any], Path]:
    try:
        found: tuple[dict[str, Any], Path] = merged[kind][str(name)]
    except KeyError:
        raise UsageError("kubeconfig", f"{escape(origin)}: the context names {kind[:-1]} {escape(str(name))}, which is not there") from None
    return found


def _material(entry: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        try:
            return base64.b64decode(str(entry[f"{name}-data"]), validate=True)
        except binascii.Error:
            raise UsageError("kubeconfig", f"{name}-data is no base64") from None
    return _read(folder / str(entry[name]), name) if entry.get(name) else None


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError("kubeconfig", f"{what} {escape(str(file))} cannot be read: {error.strerror}") from None


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL takes files alone. On Linux the key stays in memory; elsewhere the file is gone as soon as it is read."""
    try:
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("k8senc", os.MFD_CLOEXEC)
            with os.fdopen(handle, "wb") as file:
                file.write(certificate + b"\n" + key)
                file.flush()
                context.load_cert_chain(f"/proc/self/fd/{handle}")
        else:
            with tempfile.TemporaryDirectory() as folder:
                pair = Path(folder, "pair.pem")
                with os.fdopen(os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(certificate + b"\n" + key)
                context.load_cert_chain(pair)
    except (ssl.SSLError, OSError):
        raise UsageError("kubeconfig", "the client certificate and key are no pair in PEM") from None


def _run_program(spec: Mapping[str, Any], cluster: Mapping[str, Any], folder: Path) -> tuple[Mapping[str, Any], float]:
    """A credential plugin's answer, and until when it is good."""
    command = str(spec.get("command", ""))
    if os.sep in command and not os.path.isabs(command):
        command = str(folder / command)
    info: dict[str, Any] = {"apiVersion": spec.get("apiVersion"), "kind": "ExecCredential", "spec": {"interactive": False}}
    if spec.get("provideClusterInfo"):
        wanted = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        info["spec"]["cluster"] = {name: cluster[name] for name in wanted if name in cluster}
    env = dict(os.environ)
    env.update({str(one["name"]): str(one["value"]) for one in spec.get("env") or []})
    env["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    try:
        ran = subprocess.run([command, *map(str, spec.get("args") or [])], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_EXEC_TIMEOUT, check=False)
    except FileNotFoundError:
        hint = f"; {escape(str(spec['installHint']).strip())}" if spec.get("installHint") else ""
        raise UsageError("kubeconfig-exec", f"the credential plugin {escape(command)} is not there{hint}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RemoteError("kubeconfig-exec", f"the credential plugin {escape(command)} did not answer: {type(error).__name__}") from None
    if ran.returncode:
        raise RemoteError("kubeconfig-exec", f"the credential plugin {escape(command)} ended with exit code {ran.returncode}; what it says is above")
    try:
        status: Mapping[str, Any] = json.loads(ran.stdout)["status"]
        expires = status.get("expirationTimestamp")
        until = datetime.fromisoformat(str(expires)).timestamp() if expires else float("inf")
    except (ValueError, KeyError, TypeError):
        raise RemoteError("kubeconfig-exec", f"the credential plugin {escape(command)} answered something that is no ExecCredential with a status") from None
    # A little before it expires, as a request takes time.
    return status, until - 10
