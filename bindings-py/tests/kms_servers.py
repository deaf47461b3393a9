"""Servers on loopback that speak like a KMS, with AES and RSA by an independent library."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.cloud import kms_v1

Answer = tuple[int, dict[str, str], dict[str, Any]]


@contextmanager
def http(answer: Callable[[str, str, dict[str, str], dict[str, Any]], Answer], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers JSON, as its host and port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, document = answer(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body or b"{}"))
            content = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Transit:
    """One Transit key, version 3, behind a token."""

    def __init__(self) -> None:
        self.key, self.token = os.urandom(32), "s.made-up"
        self.calls = 0

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(self.key).encrypt(nonce, plaintext, associated)

    def text(self, plaintext: bytes) -> bytes:
        return b"vault:v3:" + base64.b64encode(self.encrypt(plaintext))

    def answer(self, _: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        self.calls += 1
        if headers.get("x-vault-token") != self.token:
            return 403, {}, {"errors": ["permission denied"]}
        if path != "/v1/transit/decrypt/k8s":
            return 400, {}, {"errors": ["encryption key not found"]}
        raw = base64.b64decode(body["ciphertext"].removeprefix("vault:v3:"))
        try:
            plaintext = AESGCM(self.key).decrypt(raw[:12], raw[12:], base64.b64decode(body.get("associated_data", "")))
        except InvalidTag:
            return 400, {}, {"errors": ["cipher: message authentication failed"]}
        return 200, {}, {"data": {"plaintext": base64.b64encode(plaintext).decode()}}


class Vault:
    """A Key Vault key in two versions, both RSA-2048, for whoever shows the token `t`."""

    def __init__(self) -> None:
        self.keys = {version * 32: rsa.generate_private_key(65537, 2048) for version in "12"}

    def encrypt(self, version: str, plaintext: bytes, scheme: padding.AsymmetricPadding) -> bytes:
        return self.keys[version].public_key().encrypt(plaintext, scheme)

    def answer(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Answer:
        host = headers["host"]
        if headers.get("authorization") != "Bearer t":
            return 401, {"WWW-Authenticate": 'Bearer authorization="https://login.example/t", resource="https://vault.example"'}, {}
        parts = path.partition("?")[0].strip("/").split("/")
        if method == "GET" and parts == ["keys", "k8s", "versions"]:
            made = [{"kid": f"https://{host}/keys/k8s/{version}", "attributes": {"enabled": True, "created": int(version[0])}} for version in self.keys]
            return 200, {}, {"value": made}
        if len(parts) == 4 and parts[:2] == ["keys", "k8s"] and parts[3] == "decrypt" and parts[2] in self.keys:
            scheme = OAEP if body["alg"] == "RSA-OAEP-256" else padding.PKCS1v15()
            raw = base64.urlsafe_b64decode(body["value"] + "==")
            try:
                plaintext = self.keys[parts[2]].decrypt(raw, scheme)
            except ValueError:
                return 400, {}, {"error": {"code": "BadParameter", "message": "The ciphertext does not decrypt"}}
            return 200, {}, {"kid": f"https://{host}/keys/k8s/{parts[2]}", "value": base64.urlsafe_b64encode(plaintext).decode().rstrip("=")}
        return 403, {}, {"error": {"code": "Forbidden", "message": f"{method} is not allowed"}}


OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class CloudKms:
    """One CryptoKey of Google Cloud KMS."""

    name = "projects/p/locations/l/keyRings/r/cryptoKeys/k"

    def __init__(self) -> None:
        self.key = os.urandom(32)

    def encrypt(self, plaintext: bytes, associated: bytes = b"") -> bytes:
        nonce = os.urandom(12)
        return b"\x0a\x24\x00" + nonce + AESGCM(self.key).encrypt(nonce, plaintext, associated)

    @contextmanager
    def served(self) -> Iterator[str]:
        def decrypt(request: Any, context: grpc.ServicerContext) -> Any:
            fits = request.ciphertext_crc32c.value == google_crc32c.value(request.ciphertext)
            if request.name != self.name or not fits:
                context.abort(grpc.StatusCode.NOT_FOUND, f"CryptoKey {request.name} not found")
            raw = request.ciphertext[3:]
            try:
                plaintext = AESGCM(self.key).decrypt(raw[:12], raw[12:], request.additional_authenticated_data)
            except InvalidTag:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid.")
            return kms_v1.DecryptResponse.pb(kms_v1.DecryptResponse(plaintext=plaintext, plaintext_crc32c=google_crc32c.value(plaintext)))

        asked, answered = kms_v1.DecryptRequest.pb(), kms_v1.DecryptResponse.pb()
        handler = grpc.unary_unary_rpc_method_handler(decrypt, asked.FromString, answered.SerializeToString)
        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("google.cloud.kms.v1.KeyManagementService", {"Decrypt": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that its own reader trusts, and the server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    made = folder / "server.crt"
    made.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = folder / "server.key"
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, private)
    return made, context
