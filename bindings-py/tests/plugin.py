"""A KMS v2 plugin for tests: AES-256-GCM by an independent library is not needed, HMAC-SHA256 in counter mode with a
tag is enough; what matters is that it keeps or breaks the contract."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path

import grpc
from k8senc.kms_messages import field, fields, tagged

Answer = bytes


class Plugin:
    """Keeps the contract. Subclasses break it in one place each."""

    version, healthz, key_id = "v2", "ok", "kek-1"
    annotations: dict[str, bytes] = {"note.k8senc.example": b"1"}

    def __init__(self) -> None:
        self.kek = os.urandom(32)

    def status(self) -> tuple[str, str, str]:
        return self.version, self.healthz, self.key_id

    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        nonce = os.urandom(16)
        body = nonce + self._mask(nonce, plaintext)
        return body + self._tag(body), self.key_id, self.annotations

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        if key_id != self.key_id or annotations != self.annotations:
            raise ValueError("unknown key_id or annotations")
        body, tag = ciphertext[:-32], ciphertext[-32:]
        if len(body) < 16 or not hmac.compare_digest(tag, self._tag(body)):
            raise ValueError("the ciphertext is not authentic")
        return self._mask(body[:16], body[16:])

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self.kek, b"tag" + body, "sha256")

    def _mask(self, nonce: bytes, data: bytes) -> bytes:
        stream = hashlib.shake_256(self.kek + nonce).digest(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))


@contextmanager
def served(plugin: Plugin, socket: Path, workers: int = 8) -> Iterator[str]:
    """The plugin on its socket, as the endpoint."""

    def status(_: bytes, context: grpc.ServicerContext) -> bytes:
        version, healthz, key_id = plugin.status()
        return field(1, version.encode()) + field(2, healthz.encode()) + field(3, key_id.encode())

    def encrypt(message: bytes, context: grpc.ServicerContext) -> bytes:
        try:
            ciphertext, key_id, annotations = plugin.encrypt(dict(fields(message)).get(1, b""))
        except ConnectionError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            return b""
        except TimeoutError as error:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(error))
            return b""
        answer = field(1, ciphertext) + field(2, key_id.encode())
        for name, value in annotations.items():
            answer += tagged(3, field(1, name.encode()) + field(2, value))
        return answer

    def decrypt(message: bytes, context: grpc.ServicerContext) -> bytes:
        asked = list(fields(message))
        single = dict(asked)
        annotations = {}
        for number, value in asked:
            if number == 4:
                entry = dict(fields(value))
                annotations[entry.get(1, b"").decode()] = entry.get(2, b"")
        try:
            return field(1, plugin.decrypt(single.get(1, b""), single.get(3, b"").decode(), annotations))
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return b""

    methods = {"Status": status, "Encrypt": encrypt, "Decrypt": decrypt}

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            service, _, method = call.method.removeprefix("/").partition("/")
            known = service == "v2.KeyManagementService" and method in methods
            return grpc.unary_unary_rpc_method_handler(methods[method]) if known else None

    server = grpc.server(futures.ThreadPoolExecutor(workers))
    server.add_generic_rpc_handlers((Handler(),))
    endpoint = f"unix://{socket}"
    server.add_insecure_port(endpoint)
    server.start()
    try:
        socket.chmod(0o600)
        yield endpoint
    finally:
        server.stop(None).wait(10)


class Sick(Plugin):
    healthz = "sick"


class WithoutKMS(Plugin):
    """Its KMS is away, and it says so at once."""

    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        raise ConnectionError("vault: wrap: unavailable: connection refused")


class SlowKMS(Plugin):
    """Its KMS is slow, and it says so before time is up."""

    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        raise TimeoutError("vault: no answer in time")


class WrongVersion(Plugin):
    version = "v1"


class NoKeyId(Plugin):
    key_id = ""


class LongKeyId(Plugin):
    key_id = "k" * 1025


class OtherKeyId(Plugin):
    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        ciphertext, _, annotations = super().encrypt(plaintext)
        return ciphertext, "kek-2", annotations


class BadAnnotation(Plugin):
    annotations = {"note": b"1"}


class LongCiphertext(Plugin):
    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        return bytes(1025), self.key_id, self.annotations


class OtherPlaintext(Plugin):
    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        return super().decrypt(ciphertext, key_id, annotations)[::-1]


class Plain(Plugin):
    def encrypt(self, plaintext: bytes) -> tuple[bytes, str, dict[str, bytes]]:
        return plaintext, self.key_id, self.annotations

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        return ciphertext


class Malleable(Plugin):
    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        if len(ciphertext) < 48:
            raise ValueError("too short")
        return self._mask(ciphertext[:16], ciphertext[16:-32])


class Credulous(Plugin):
    """Looks at neither key_id nor annotations."""

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        return super().decrypt(ciphertext, self.key_id, self.annotations)


class Flapping(Plugin):
    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def status(self) -> tuple[str, str, str]:
        self.asked += 1
        return self.version, self.healthz, self.key_id if self.asked < 6 or self.asked % 2 else "kek-2"


class Slow(Plugin):
    def status(self) -> tuple[str, str, str]:
        time.sleep(0.3)
        return super().status()


class Overwhelmed(Plugin):
    """Refuses while another call is out."""

    def __init__(self) -> None:
        super().__init__()
        self.out = 0

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        self.out += 1
        try:
            if self.out > 2:
                raise ValueError("too many calls")
            time.sleep(0.01)
            return super().decrypt(ciphertext, key_id, annotations)
        finally:
            self.out -= 1


class Exhausted(Plugin):
    """Opens wrongly after 40 calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def decrypt(self, ciphertext: bytes, key_id: str, annotations: dict[str, bytes]) -> bytes:
        self.calls += 1
        return super().decrypt(ciphertext, key_id, annotations)[:: 1 if self.calls <= 40 else -1]
