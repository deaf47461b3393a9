"""Every exit code that a command's help names, made by running the command. One that is documented and not made here fails."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click
import pytest
from k8senc import Config, KmsState
from k8senc.cli import main
from k8senc.cluster.servers import CONFIG_INFO
from k8senc.etcd_client import EtcdClient
from k8senc.kms import local_kek

from tests import plugin as plugins
from tests.etcd_server import etcd
from tests.fake_api import FakeApi, status
from tests.test_cli import COMMAND, ENVIRONMENT, SNAPSHOT, STORED, k8senc
from tests.servers.test_repairing import NEW, OLD, configuration, key, secret
from tests.servers.test_triage import config as kms_config

Words = list[str | Path]
INTERRUPTED = 130


def _documented() -> Iterator[tuple[str, int]]:
    def below(command: click.Command, context: click.Context, name: str) -> Iterator[tuple[str, int]]:
        if isinstance(command, click.Group):
            for one in command.list_commands(context):
                inner = command.get_command(context, one)
                assert inner is not None
                yield from below(inner, click.Context(inner, parent=context, info_name=one), f"{name} {one}".strip())
            return
        codes = re.findall(r"^  (\d+)  \S", command.epilog or "", re.MULTILINE)
        assert codes, f"the help of {name} has no exit codes"
        for code in codes:
            yield name, int(code)

    yield from below(main, click.Context(main), "")


DOCUMENTED = list(_documented())


class World:
    """Snapshots and servers in every state that an exit code tells of."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self.folder, self.servers = folder, servers
        self.keks = self.write("keks.json", json.dumps({"format": 1, "plugins": {"cloud": {"apiVersion": "v2", "currentKeyId": "kek-1", "usesSeed": True, "keks": {"kek-1": base64.b64encode(bytes(32)).decode()}}}}))
        self.new, self.old = self.write("new.yaml", NEW), self.write("old.yaml", OLD)
        self.refused = self.write("refused.yaml", NEW.replace("aesgcm", "aesgcn"))
        self.strong = self.write("strong.yaml", configuration("secretbox", ("key1", base64.b64encode(os.urandom(32)).decode())))
        self.away = kms_config(self.folder, "unix:///nowhere.sock")
        fresh = Config.parse(NEW).chain("secrets").seal(secret("db"), key("db"))
        state = KmsState.create(local_kek(self.keks.read_bytes(), "cloud"))
        waiting = Config.parse(self.away.read_bytes()).chain("secrets").seal(secret("db"), key("db"), state)
        bad = Config.parse(configuration("aesgcm", ("gone", base64.b64encode(bytes(32)).decode()))).chain("secrets").seal(secret("db"), key("db"))
        self.values = {name: self.write(f"{name}.value", value) for name, value in {"fresh": fresh, "waiting": waiting, "bad": bad}.items()}
        self.live, self.snapshots = {}, {}
        for name, value in {"fresh": fresh, "waiting": waiting, "bad": bad}.items():
            endpoint = servers.enter_context(etcd(folder / f"etcd-{name}"))
            with EtcdClient(endpoint) as client:
                # Older than no list of the API server that is played here.
                assert all(client.create(b"other/%d" % number, b"x") for number in range(20))
                client.create(key("db").encode(), value)
                content = b"".join(piece for piece, _ in client.snapshot())
            self.live[name], self.snapshots[name] = endpoint, self.write(f"{name}.db", content)
        self.torn = self.write("torn.db", SNAPSHOT.read_bytes()[:5000])
        self.object = self.write("object.json", secret("db"))
        self.stored = self.write("stored.value", STORED)
        self.cut = self.write("cut.value", STORED[:-5])
        self.nothing = self.write("nothing.json", b'{"header":{"revision":9}}')
        self.public = self.write("public.yaml", NEW)
        self.public.chmod(0o644)
        healthy, sick = folder / "healthy", folder / "sick"
        for one in (healthy, sick):
            one.mkdir(mode=0o700)
        self.healthy = servers.enter_context(plugins.served(plugins.Plugin(), healthy / "kms.sock"))
        self.sick = servers.enter_context(plugins.served(plugins.Sick(), sick / "kms.sock"))
        self.well = kms_config(healthy, self.healthy)
        self.maps = {name: self.write(f"{name}.map", json.dumps({"*": str(config)})) for name, config in {"fresh": self.new, "waiting": self.away}.items()}

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.folder / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o600)
        return file

    def api(self, *, fails: bool = False) -> Path:
        """The kubeconfig of an API server with one Secret, which uses the configuration `new`."""
        fake = self.servers.enter_context(FakeApi(["a/s"], (lambda method, *_: status(422, "Invalid") if method == "PATCH" else None) if fails else None))
        fake.texts["/metrics"] = f'{CONFIG_INFO}{{hash="{Config.parse(NEW).content_hash}"}} 1\nprocess_start_time_seconds 1.6e+09\n'
        folder = self.folder / f"api-{len(list(self.folder.glob('api-*')))}"
        folder.mkdir()
        return fake.kubeconfig(folder)

    def nowhere(self) -> Path:
        return self.write("kubeconfig", json.dumps({"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c"}}], "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}]}))

    def rewrite(self, config: Path, kubeconfig: Path, *more: str | Path) -> Words:
        return ["reencrypt", "-c", config, "--kubeconfig", kubeconfig, "--journal", self.folder / f"{kubeconfig.parent.name}.journal", "--settled", *more]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as servers:
        yield World(tmp_path_factory.mktemp("world"), servers)


CALLED = ["--kms", "cloud=unix:///nowhere.sock", "-y"]
RUNS: dict[tuple[str, int], Callable[[World], Words]] = {
    ("audit", 0): lambda w: ["audit", w.snapshots["fresh"], "-c", w.new],
    ("audit", 1): lambda w: ["audit", SNAPSHOT],
    ("audit", 2): lambda w: ["audit", SNAPSHOT, "-c", w.refused],
    ("audit", 3): lambda w: ["audit", w.torn],
    ("audit", 4): lambda w: ["audit", w.snapshots["waiting"], "-c", w.away],
    ("audit", 5): lambda w: ["audit", w.snapshots["waiting"], "-c", w.away, *CALLED],
    ("fleet", 0): lambda w: ["fleet", w.snapshots["fresh"], "--config-map", w.maps["fresh"]],
    ("fleet", 1): lambda w: ["fleet", w.snapshots["fresh"], SNAPSHOT],
    ("fleet", 2): lambda w: ["fleet", w.folder / "none-*.db"],
    ("fleet", 3): lambda w: ["fleet", SNAPSHOT, w.torn],
    ("fleet", 4): lambda w: ["fleet", w.snapshots["waiting"], "--config-map", w.maps["waiting"]],
    ("fleet", 5): lambda w: ["fleet", "http://127.0.0.1:1/*.db"],
    ("drill", 0): lambda w: ["drill", w.snapshots["fresh"], "-c", w.new],
    ("drill", 1): lambda w: ["drill", w.snapshots["bad"], "-c", w.new],
    ("drill", 2): lambda w: ["drill", w.snapshots["fresh"], "-c", w.refused],
    ("drill", 3): lambda w: ["drill", w.torn, "-c", w.new],
    ("drill", 4): lambda w: ["drill", w.snapshots["waiting"], "-c", w.away],
    ("drill", 5): lambda w: ["drill", w.snapshots["waiting"], "-c", w.away, *CALLED],
    ("decrypt", 0): lambda w: ["decrypt", w.snapshots["fresh"], "secrets/db", "-n", "shop", "-c", w.new],
    ("decrypt", 1): lambda w: ["decrypt", w.snapshots["bad"], "secrets/db", "-n", "shop", "-c", w.new],
    ("decrypt", 2): lambda w: ["decrypt", w.snapshots["fresh"], "-c", w.new],
    ("decrypt", 3): lambda w: ["decrypt", w.torn, "--all", "-c", w.new],
    ("decrypt", 4): lambda w: ["decrypt", w.snapshots["waiting"], "secrets", "-c", w.away],
    ("decrypt", 5): lambda w: ["decrypt", w.snapshots["waiting"], "secrets", "-c", w.away, *CALLED],
    ("unreadable", 0): lambda w: ["unreadable", "--endpoint", w.live["fresh"], "-c", w.new],
    ("unreadable", 1): lambda w: ["unreadable", "--endpoint", w.live["bad"], "-c", w.new],
    ("unreadable", 2): lambda w: ["unreadable", "-c", w.new],
    ("unreadable", 4): lambda w: ["unreadable", "--endpoint", w.live["waiting"], "-c", w.away],
    ("unreadable", 5): lambda w: ["unreadable", "--endpoint", "http://127.0.0.1:1", "-c", w.new],
    ("reseal", 0): lambda w: ["reseal", key("db"), "--endpoint", w.live["fresh"], "-c", w.new],
    ("reseal", 1): lambda w: ["reseal", key("db"), "--value", w.values["bad"], "-c", w.new],
    ("reseal", 2): lambda w: ["reseal", key("db"), "-c", w.new],
    ("reseal", 4): lambda w: ["reseal", key("db"), "--value", w.values["waiting"], "-c", w.away],
    ("reseal", 5): lambda w: ["reseal", key("db"), "--endpoint", "http://127.0.0.1:1", "-c", w.new],
    ("encrypt", 0): lambda w: ["encrypt", key("db"), w.object, "-c", w.new],
    ("encrypt", 2): lambda w: ["encrypt", key("db"), w.stored, "-c", w.new],
    ("encrypt", 5): lambda w: ["encrypt", key("db"), w.object, "-c", w.new, "--endpoint", "http://127.0.0.1:1"],
    ("inspect", 0): lambda w: ["inspect", w.stored],
    ("inspect", 1): lambda w: ["inspect", w.cut],
    ("inspect", 2): lambda w: ["inspect", "--input", "hex", w.new],
    ("inspect", 3): lambda w: ["inspect", w.nothing],
    ("validate", 0): lambda w: ["validate", w.new],
    ("validate", 1): lambda w: ["validate", w.refused],
    ("validate", 2): lambda w: ["validate", w.new, "--kubernetes", "1.x"],
    ("validate", 3): lambda w: ["validate", w.folder / "none.yaml"],
    ("lint", 0): lambda w: ["lint", w.strong, "--fail-on", "error"],
    ("lint", 1): lambda w: ["lint", w.refused],
    ("lint", 2): lambda w: ["lint", w.new, "--fix", "--format", "json"],
    ("lint", 3): lambda w: ["lint", w.folder / "none.yaml"],
    ("show", 0): lambda w: ["show", w.new],
    ("show", 2): lambda w: ["show", w.refused],
    ("show", 3): lambda w: ["show", w.folder / "none.yaml"],
    ("outage", 0): lambda w: ["outage", w.away],
    ("outage", 2): lambda w: ["outage", w.refused],
    ("outage", 3): lambda w: ["outage", w.folder / "none.yaml"],
    ("diff", 0): lambda w: ["diff", w.new, w.public],
    ("diff", 1): lambda w: ["diff", w.new, w.old],
    ("diff", 2): lambda w: ["diff", w.new, w.refused],
    ("diff", 3): lambda w: ["diff", w.new, w.folder / "none.yaml"],
    ("explain", 0): lambda w: ["explain", "invalid padding on input"],
    ("explain", 1): lambda w: ["explain", "the moon is full"],
    ("explain", 2): lambda w: ["explain", "--format", "markdown", "K8E004"],
    ("reencrypt", 0): lambda w: w.rewrite(w.new, w.api()),
    ("reencrypt", 1): lambda w: w.rewrite(w.new, w.api(fails=True)),
    ("reencrypt", 2): lambda w: w.rewrite(w.refused, w.api()),
    # Its metrics name no configuration, so that this one is taken.
    ("reencrypt", 4): lambda w: w.rewrite(w.away, _unnamed(w), "--prove", w.snapshots["waiting"]),
    ("reencrypt", 5): lambda w: w.rewrite(w.new, w.nowhere()),
    ("preflight", 0): lambda w: ["preflight", w.new, "--kubeconfig", w.api()],
    ("preflight", 1): lambda w: ["preflight", w.new, "--kubeconfig", w.nowhere()],
    ("preflight", 2): lambda w: ["preflight", w.folder / "none.yaml"],
    ("preflight", 3): lambda w: ["preflight", w.new, "--no-cluster", "--inventory", w.nothing],
    ("preflight", 4): lambda w: ["preflight", w.new, "--no-cluster"],
    ("plan", 0): lambda w: ["plan", w.new, "--goal", "rotate-key"],
    ("plan", 1): lambda w: ["plan", w.old, w.new],
    ("plan", 2): lambda w: ["plan", w.new],
    ("plan", 3): lambda w: ["plan", w.new, "--goal", "rotate-key", "--snapshot", w.torn],
    ("kms check", 0): lambda w: ["kms", "check", w.healthy],
    ("kms check", 1): lambda w: ["kms", "check", w.sick],
    ("kms check", 2): lambda w: ["kms", "check"],
    ("kms check", 5): lambda w: ["kms", "check", "unix:///nowhere.sock"],
    ("kms doctor", 0): lambda w: ["kms", "doctor", w.well],
    ("kms doctor", 1): lambda w: ["kms", "doctor", w.away],
    ("kms doctor", 2): lambda w: ["kms", "doctor", w.new],
    ("completion", 0): lambda w: ["completion", "bash"],
    ("completion", 2): lambda w: ["completion", "csh"],
    ("doctor", 0): lambda w: ["doctor", w.new],
    ("doctor", 1): lambda w: ["doctor", w.public],
    ("doctor", 2): lambda w: ["doctor", "--nothing"],
}

# What each command reads, with a pipe in the place where it waits to be interrupted.
WAITS: dict[str, Callable[[World, Path], Words]] = {
    "audit": lambda w, pipe: ["audit", SNAPSHOT, "-c", pipe],
    "fleet": lambda w, pipe: ["fleet", SNAPSHOT, "--config-map", pipe],
    "drill": lambda w, pipe: ["drill", SNAPSHOT, "-c", pipe],
    "decrypt": lambda w, pipe: ["decrypt", SNAPSHOT, "--all", "-c", pipe],
    "unreadable": lambda w, pipe: ["unreadable", "--endpoint", w.live["fresh"], "-c", pipe],
    "reseal": lambda w, pipe: ["reseal", key("db"), "--endpoint", w.live["fresh"], "-c", pipe],
    "encrypt": lambda w, pipe: ["encrypt", key("db"), w.object, "-c", pipe],
    "inspect": lambda w, pipe: ["inspect", pipe],
    "validate": lambda w, pipe: ["validate", pipe],
    "lint": lambda w, pipe: ["lint", pipe],
    "show": lambda w, pipe: ["show", pipe],
    "outage": lambda w, pipe: ["outage", pipe],
    "reencrypt": lambda w, pipe: ["reencrypt", "-c", pipe],
    "preflight": lambda w, pipe: ["preflight", pipe],
    "plan": lambda w, pipe: ["plan", pipe, "--goal", "rotate-key"],
    "kms doctor": lambda w, pipe: ["kms", "doctor", pipe],
}


def _unnamed(world: World) -> Path:
    fake = world.servers.enter_context(FakeApi(["a/s"]))
    folder = world.folder / "unnamed"
    folder.mkdir()
    return fake.kubeconfig(folder)


def test_nothing_is_documented_that_is_not_tested() -> None:
    tested = {*RUNS, *((name, INTERRUPTED) for name in WAITS), ("kms check", INTERRUPTED), ("encrypt", 1)}
    assert set(DOCUMENTED) == tested


@pytest.mark.parametrize(("command", "code"), RUNS, ids=lambda value: str(value).replace(" ", "-"))
def test_exit_code(world: World, command: str, code: int) -> None:
    run = k8senc(*RUNS[command, code](world))
    assert run.returncode == code, run.stdout.decode() + run.stderr.decode()
    assert b"Traceback" not in run.stderr
    if code >= 2:
        # Something is said of why, and by a wrong command nothing else.
        assert run.stderr or code in (3, 4)
        assert code != 2 or not run.stdout


@pytest.mark.parametrize("command", WAITS)
def test_interrupted(world: World, tmp_path: Path, command: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([*COMMAND, *map(str, WAITS[command](world, pipe))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**ENVIRONMENT, "PYTHONWARNINGS": ""}) as process:
        # Opens when the command does.
        with pipe.open("wb"):
            process.send_signal(signal.SIGINT)
            try:
                told, said = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                # It came after Python had looked for signals and before the read began: who waits presses it again.
                process.send_signal(signal.SIGINT)
                told, said = process.communicate(timeout=60)
    assert (process.returncode, told) == (INTERRUPTED, b"")
    assert said.decode().lstrip().startswith("k8senc: interrupted; ") and b"Traceback" not in said


def test_interrupted_while_a_plugin_hangs(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "kms.sock"))
        listener.listen()
        with subprocess.Popen([*COMMAND, "kms", "check", f"unix://{tmp_path}/kms.sock"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            listener.settimeout(60)
            connection, _ = listener.accept()
            process.send_signal(signal.SIGINT)
            told, said = process.communicate(timeout=60)
            connection.close()
    assert (process.returncode, told) == (INTERRUPTED, b"") and b"Traceback" not in said


def test_encrypt_does_not_write_over_what_changed_meanwhile(world: World, tmp_path: Path) -> None:
    outside, terminal = pty.openpty()
    words = ["encrypt", key("raced"), world.write("raced.json", secret("raced")), "-c", world.new, "--endpoint", world.live["fresh"], "--write", "--backup", tmp_path]
    try:
        with subprocess.Popen([*COMMAND, *map(str, words)], stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
            assert process.stderr
            said = b""
            while b"Write it to etcd?" not in said:
                said += os.read(process.stderr.fileno(), 1000)
            with EtcdClient(world.live["fresh"]) as client:
                assert client.create(key("raced").encode(), b"somebody else's")
            os.write(outside, b"y\n")
            said += process.stderr.read()
        assert process.returncode == 1 and b"changed by somebody else meanwhile: nothing was written" in said
        with EtcdClient(world.live["fresh"]) as client:
            seen = client.get(key("raced").encode())
            assert seen is not None and seen.value == b"somebody else's" and client.remove(seen)
    finally:
        os.close(outside)
        os.close(terminal)
