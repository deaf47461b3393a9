"""A KMS plugin on its socket. The messages are those that Go's k8s.io/kms v0.37.2 writes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import grpc
import k8senc
import pytest
from k8senc import kms_messages
from k8senc.kms import local_kek

from tests.vectors import SAMPLE, VECTORS, load

STATUS = bytes.fromhex("0a02763212026f6b1a036b656b")  # version v2, healthz ok, key_id kek
V2_REQUEST = bytes.fromhex("0a030102031203752d311a036b656b22080a03612e6212010922090a03632e6412027979")
V1_REQUEST = bytes.fromhex("0a07763162657461311203010203")
ANSWER = bytes.fromhex("0a020707")

Methods = dict[str, Callable[[bytes, grpc.ServicerContext], bytes]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Methods], str]]:
    servers = []

    def start(methods: Methods) -> str:
        class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
            def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
                method = methods.get(call.method)
                return grpc.unary_unary_rpc_method_handler(method) if method else None

        server = grpc.server(futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers((Handler(),))
        endpoint = f"unix://{tmp_path}/kms.sock"
        server.add_insecure_port(endpoint)
        server.start()
        servers.append(server)
        return endpoint

    yield start
    for server in servers:
        server.stop(None).wait(10)


def request(suite: str, case_id: str) -> k8senc.DekRequest:
    case = next(case for case in load("wire") if case["suite"] == suite and case["id"] == case_id)
    config = k8senc.Config.parse((VECTORS / case["config"]).read_bytes())
    (needed,) = config.chain("secrets").needs([bytes.fromhex(case["stored"])])
    return needed


def test_messages_are_those_of_go() -> None:
    assert dict(kms_messages.fields(STATUS)) == {1: b"v2", 2: b"ok", 3: b"kek"}
    assert dict(kms_messages.fields(ANSWER)) == {1: b"\7\7"}
    built = kms_messages.field(1, b"\1\2\3") + kms_messages.field(2, b"u-1") + kms_messages.field(3, b"kek")
    for name, value in ((b"a.b", b"\t"), (b"c.d", b"yy")):
        built += kms_messages.tagged(4, kms_messages.field(1, name) + kms_messages.field(2, value))
    assert built == V2_REQUEST
    assert kms_messages.field(1, b"v1beta1") + kms_messages.field(2, b"\1\2\3") == V1_REQUEST
    assert kms_messages.field(1, bytes(300))[:3].hex() == "0aac02" and kms_messages.field(1, b"") == b""


@pytest.mark.parametrize("answer", [b"\x0a", b"\x0a\x05\x01", b"\x0b", b"\xff" * 12, b"\x09\x01"])
def test_an_answer_that_is_no_message(answer: bytes) -> None:
    with pytest.raises(RuntimeError, match="no protobuf"):
        list(kms_messages.fields(answer))


def test_v2(serve: Callable[[Methods], str]) -> None:
    asked = []

    def decrypt(message: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(dict(kms_messages.fields(message)))
        return ANSWER

    endpoint = serve({"/v2.KeyManagementService/Status": lambda *_: STATUS, "/v2.KeyManagementService/Decrypt": decrypt})
    needed = request("wire/kmsv2", "spec-example-key")
    with k8senc.SocketKms(endpoint, "v2") as kms:
        assert (kms.key_id, kms.healthz, kms.uses_seed) == ("kek", "ok", True)
        assert kms.unwrap(needed) == b"\7\7"
    assert asked[0][1] == needed.ciphertext and asked[0][3] == b"1" and len(asked[0][2]) == 36


def test_v1(serve: Callable[[Methods], str]) -> None:
    asked = []

    def decrypt(message: bytes, context: grpc.ServicerContext) -> bytes:
        asked.append(dict(kms_messages.fields(message)))
        return ANSWER

    needed = request("wire/kmsv1", "spec-example")
    with k8senc.SocketKms(serve({"/v1beta1.KeyManagementService/Decrypt": decrypt}), "v1") as kms:
        assert kms.key_id is None and kms.unwrap(needed) == b"\7\7"
    assert asked == [{1: b"v1beta1", 2: needed.ciphertext}]


def test_a_refusal_has_the_words_of_go(serve: Callable[[Methods], str]) -> None:
    def decrypt(message: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
        return b""

    with k8senc.SocketKms(serve({"/v1beta1.KeyManagementService/Decrypt": decrypt}), "v1") as kms:
        with pytest.raises(RuntimeError, match="^rpc error: code = PermissionDenied desc = no$"):
            kms.unwrap(request("wire/kmsv1", "spec-example"))


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(k8senc.RemoteError) as caught:
        k8senc.SocketKms(f"unix://{tmp_path}/none.sock", "v2")
    assert caught.value.code == "kms-unreachable"


def test_wrong_endpoints() -> None:
    for endpoint, version in (("http://x", "v2"), ("unix:///x", "v3")):
        with pytest.raises(k8senc.UsageError):
            k8senc.SocketKms(endpoint, version)


def command(*kms: str, form: str = "table") -> subprocess.CompletedProcess[str]:
    arguments = ["audit", str(SAMPLE / "snapshot.db"), "--config", str(SAMPLE / "encryption-config.yaml"), f"--format={form}", *(f"--kms={one}" for one in kms)]
    return subprocess.run([sys.executable, "-c", "from k8senc.cli import run; run()", *arguments], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


def test_the_command_asks_a_socket(serve: Callable[[Methods], str]) -> None:
    local = local_kek((SAMPLE / "local-kek.json").read_bytes(), "cloud-kms")
    config = k8senc.Config.parse((SAMPLE / "encryption-config.yaml").read_bytes())
    needs, _ = k8senc._native.Audit(SAMPLE / "snapshot.db", config).survey()
    answers = {need.request.ciphertext: local.unwrap(need.request) for need in needs if need.request.provider == "cloud-kms"}
    status = kms_messages.field(2, b"ok") + kms_messages.field(3, b"kek-2026-10")
    endpoint = serve(
        {
            "/v2.KeyManagementService/Status": lambda *_: status,
            "/v2.KeyManagementService/Decrypt": lambda message, _: kms_messages.field(1, answers[dict(kms_messages.fields(message))[1]]),
        }
    )
    run = command(f"cloud-kms={endpoint}", f"legacy-kms={SAMPLE / 'local-kek.json'}", form="json")
    assert run.returncode == 1
    totals = json.loads(run.stdout)["totals"]
    assert (totals["unreadable"], totals["undecided"], totals["staleUnknown"]) == (4, 0, 0)


def test_the_command_says_who_is_not_there(tmp_path: Path) -> None:
    run = command(f"cloud-kms=unix://{tmp_path}/none.sock")
    assert run.returncode == 5 and run.stdout == ""
    assert run.stderr.startswith(f"k8senc: the KMS plugin at unix://{tmp_path}/none.sock does not answer: ")
