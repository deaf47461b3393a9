"""Kubeconfigs, metrics, plans as lists of resources, and the role: what stands before a request to a cluster."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
import yaml

from k8senc import Config, UsageError
from k8senc.cluster import kubeconfig, servers, targets
from k8senc.cluster.servers import Seen
from k8senc.planning import plan
from tests.fake_api import SECRET, Answer, FakeApi
from tests.test_cli import k8senc

CONFIG = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets, "*.apps"]
  providers:
  - aescbc: {keys: [{name: k1, secret: MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=}]}
  - identity: {}
"""
KMS = """apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - kms: {apiVersion: v2, name: cloud, endpoint: "unix:///run/kms.sock"}
  - identity: {}
"""


def write(folder: Path, user: dict[str, object], cluster: dict[str, object] | None = None, name: str = "config") -> str:
    file = folder / name
    file.write_text(yaml.safe_dump({
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }))
    return str(file)


def test_kubeconfig_token_and_file(tmp_path: Path) -> None:
    assert kubeconfig.load(write(tmp_path, {"token": "abc"})).credentials.headers() == {"Authorization": "Bearer abc"}
    (tmp_path / "token").write_text("from-file\n")
    # Relative names are relative to the kubeconfig.
    access = kubeconfig.load(write(tmp_path, {"tokenFile": "token"}))
    assert access.credentials.headers() == {"Authorization": "Bearer from-file"}
    (tmp_path / "token").write_text("renewed")
    assert access.credentials.forget()
    assert access.credentials.headers() == {"Authorization": "Bearer renewed"}
    assert kubeconfig.load(write(tmp_path, {"username": "u", "password": "p", "as": "other"})).credentials.headers() == {
        "Authorization": "Basic " + base64.b64encode(b"u:p").decode(),
        "Impersonate-User": "other",
    }


def test_kubeconfig_exec_plugin(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text("""#!/bin/sh
echo run >>"$LOG"
echo "$KUBERNETES_EXEC_INFO" >"$LOG.info"
echo '{"kind": "ExecCredential", "status": {"token": "t-'"$1"'", "expirationTimestamp": "2199-01-01T00:00:00Z"}}'
""")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "args": ["x"], "env": [{"name": "LOG", "value": str(tmp_path / "log")}], "provideClusterInfo": True}
    access = kubeconfig.load(write(tmp_path, {"exec": spec}))
    for _ in range(3):
        assert access.credentials.headers() == {"Authorization": "Bearer t-x"}
    assert (tmp_path / "log").read_text() == "run\n"
    assert json.loads((tmp_path / "log.info").read_text())["spec"]["cluster"] == {"server": "https://api.example:6443"}
    assert access.credentials.forget()
    access.credentials.headers()
    assert (tmp_path / "log").read_text() == "run\nrun\n"
    with pytest.raises(UsageError, match="is not there; install it"):
        kubeconfig.load(write(tmp_path, {"exec": {"command": "no-such-plugin", "installHint": "install it"}})).credentials.headers()


def test_kubeconfig_client_certificate(tmp_path: Path) -> None:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "admin")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    user: dict[str, object] = {"client-certificate-data": base64.b64encode(pem).decode(), "client-key-data": base64.b64encode(secret).decode()}
    with pytest.raises(UsageError, match="the certificate authority is no certificate in PEM"):
        kubeconfig.load(write(tmp_path, user, {"certificate-authority-data": base64.b64encode(b"\xffno PEM").decode()})).tls()
    access = kubeconfig.load(write(tmp_path, user, {"certificate-authority-data": user["client-certificate-data"]}))
    access.tls()
    assert secret.decode() not in repr(access)
    with pytest.raises(UsageError, match="no pair"):
        kubeconfig.load(write(tmp_path, {**user, "client-key-data": base64.b64encode(b"no key").decode()})).tls()


@pytest.mark.parametrize("text,told", [
    ("a: [", "is no YAML at line 1"),
    ("- x", "a mapping is needed"),
    ("{}", "has no current-context"),
    ("{current-context: x}", "has no context x"),
    ("{current-context: x, contexts: [{name: x, context: {cluster: gone}}]}", "cluster gone, which is not there"),
])
def test_kubeconfig_that_is_none(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(UsageError, match=told):
        kubeconfig.load(str(file))


def test_kubeconfigs_merge_as_kubectl_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tmp_path / "first"
    first.write_text("users: [{name: u, user: {token: first}}]")
    second = write(tmp_path, {"token": "second"}, name="second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:{tmp_path / 'absent'}:{second}")
    assert kubeconfig.load().credentials.headers() == {"Authorization": "Bearer first"}


def test_in_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("pod")
    (tmp_path / "ca.crt").write_text("ca")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = kubeconfig.in_cluster(tmp_path)
    assert (access.server, access.credentials.headers()) == ("https://[fd00::1]:443", {"Authorization": "Bearer pod"})


GOALS = [("rotate-key", "1.37", None), ("rotate-key", "1.34", None), ("rotate-key", "1.34", "parts"), ("rotate-key", "1.36", "migration"), ("rotate-key", "1.33", "migration"), ("change-provider=secretbox", "1.37", None), ("decrypt-all", "1.36", None)]


@pytest.mark.parametrize("goal,release,by", GOALS)
def test_resources_of_a_plan(goal: str, release: str, by: str | None) -> None:
    made = plan(CONFIG, goal=goal, kubernetes=release, rewrite_by=by)
    wanted = targets.from_plan(made.json.encode())
    assert "secrets" in wanted.names and "deployments.apps" in wanted.names
    assert all(name == "secrets" or name.endswith(".apps") for name in wanted.names)
    assert wanted.groups == ()


@pytest.mark.parametrize("release", ["1.37", "1.34"])
def test_groups_of_a_plan(release: str) -> None:
    of_group = CONFIG.replace('"*.apps"', '"*.example.com"')
    assert targets.from_plan(plan(of_group, goal="rotate-key", kubernetes=release).json.encode()).groups == ("example.com",)
    every = CONFIG.replace('secrets, "*.apps"', '"*.*"')
    assert targets.from_plan(plan(every, goal="rotate-key", kubernetes=release).json.encode()).groups == ("*",)


def test_settling_of_a_plan() -> None:
    made = plan(CONFIG, goal="kms-v2=cloud,unix:///run/kms.sock", kms_delay=40)
    assert targets.from_plan(made.json.encode()).settle == 220
    with pytest.raises(UsageError, match="of another form"):
        targets.from_plan(made.json.replace("kubectl create -f -", "kubectl create").replace("resource: secrets", "resource").encode())
    with pytest.raises(UsageError, match="no plan"):
        targets.from_plan(b"[]")


def test_role_names_what_is_needed_and_no_more() -> None:
    documents = list(yaml.safe_load_all(targets.rbac(targets.from_config(Config.parse(CONFIG)).names)))
    rules = next(one for one in documents if one["kind"] == "ClusterRole")["rules"]
    granted = {(group, resource): set(rule["verbs"]) for rule in rules for group in rule.get("apiGroups", []) for resource in rule.get("resources", [])}
    assert granted[("", "secrets")] == granted[("apps", "deployments")] == {"list", "patch"}
    assert granted.pop(("storagemigration.k8s.io", "storageversionmigrations")) == {"create", "get"}
    assert all(verbs == {"list", "patch"} for verbs in granted.values())
    assert "*" not in json.dumps([rule.get("resources") for rule in rules])


METRICS = """# HELP apiserver_encryption_config_controller_last_config_info [ALPHA] x
apiserver_encryption_config_controller_last_config_info{apiserver_id_hash="sha256:aa",hash="sha256:bb"} 1
apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:aa",status="success"} 1.7e+09
apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds{apiserver_id_hash="sha256:aa",status="failure"} 1.9e+09
apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash="sha256:aa",key_id_hash="sha256:old",provider_name="cl\\"oud"} 1.7000005e+09
apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds{apiserver_id_hash="sha256:aa",key_id_hash="sha256:new",provider_name="cl\\"oud"} 1.700001e+09
process_start_time_seconds 1.6e+09
broken{ 1
"""


def test_metrics(tmp_path: Path) -> None:
    from k8senc.cluster.api import Api

    with FakeApi([]) as fake:
        fake.texts["/metrics"] = METRICS
        api = Api(kubeconfig.load(str(fake.kubeconfig(tmp_path))))
        seen = servers.look(api, ["kms-providers"])
        api.close()
    assert (seen.file_hash, seen.started, seen.reloaded, seen.ready) == ("sha256:bb", 1.6e9, 1.7e9, True)
    assert seen.key_ids == {'cl"oud': {"sha256:old": 1.7000005e9, "sha256:new": 1.700001e9}}
    # The old key_id was last heard of 500 s after the reload; the new one came within a minute of that.
    assert seen.changed == 1.7000005e9 + 60


def test_settled() -> None:
    early, late = Seen("a", started=1000.0), Seen("b", started=1500.0)
    assert servers.settled_in([early, late], now=1600.0) == (80.0, "b")
    assert servers.settled_in([early, late], now=1600.0, delay=30) == (110.0, "b")
    assert servers.settled_in([early, late], now=1700.0) == (0.0, "b")
    assert servers.settled_in([early, late], now=1700.0, changed_at=1650.0) == (130.0, "--changed-at")
    assert servers.settled_in([early, Seen("c")], now=9999.0) is None
    assert servers.settled_in([Seen("c")], now=1700.0, changed_at=1600.0) == (80.0, "--changed-at")


def reencrypt(fake: FakeApi, folder: Path, config: str, *more: str) -> tuple[int, str, str]:
    (folder / "enc.yaml").write_text(config)
    run = k8senc("reencrypt", "-c", folder / "enc.yaml", "--kubeconfig", fake.kubeconfig(folder), "--journal", folder / "journal", *more)
    told, said = run.stdout.decode(), run.stderr.decode()
    assert SECRET not in told + said
    return run.returncode, told, said


def test_too_early(tmp_path: Path) -> None:
    import time

    now = time.time()
    with FakeApi(["a/s"]) as fake:
        code, _, said = reencrypt(fake, tmp_path, KMS)
        assert (code, "is not known" in said, fake.patched) == (2, True, {})
        fake.texts["/metrics"] = f"process_start_time_seconds {now - 30}\n"
        code, _, said = reencrypt(fake, tmp_path, KMS)
        assert (code, "too early by" in said, fake.patched) == (2, True, {})
        fake.texts["/metrics"] = f"process_start_time_seconds {now - 300}\n"
        assert reencrypt(fake, tmp_path, KMS, "--kms-delay", "600")[0] == 2
        assert reencrypt(fake, tmp_path, KMS)[0] == 0
        assert fake.patched == {"a/s": 1}


def test_settled_is_believed(tmp_path: Path) -> None:
    with FakeApi(["a/s"]) as fake:
        assert reencrypt(fake, tmp_path, KMS, "--settled")[0] == 0
        assert fake.patched == {"a/s": 1}


def test_every_api_server_is_asked_before_anything_is_written(tmp_path: Path) -> None:
    same, other = (f'{servers.CONFIG_INFO}{{hash="{Config.parse(text).content_hash}"}} 1\nprocess_start_time_seconds 1.6e+09\n' for text in (CONFIG, KMS))
    with FakeApi(["a/s"]) as first, FakeApi([]) as second:
        every = ("--server", first.url, "--server", second.url)
        first.texts["/metrics"], second.texts["/metrics"] = same, other
        code, _, said = reencrypt(first, tmp_path, CONFIG, *every)
        assert (code, f"{second.url} uses another configuration" in said, first.patched) == (2, True, {})
        second.texts["/metrics"] = same
        del second.texts["/readyz"]
        second.hook = lambda method, path, query: (500, "etcd failed", {}) if path == "/readyz" else None
        code, _, said = reencrypt(first, tmp_path, CONFIG, *every)
        assert (code, f"{second.url} is not ready" in said, first.patched) == (2, True, {})
        second.hook, second.texts["/readyz"] = None, "ok"
        code, _, _ = reencrypt(first, tmp_path, CONFIG, *every)
        # Written through the first alone, and each object once.
        assert (code, first.patched, second.patched) == (0, {"a/s": 1}, {})
    with FakeApi(["a/s"]) as first:
        first.texts["/metrics"] = same
        code, _, said = reencrypt(first, tmp_path, CONFIG, "--journal", str(tmp_path / "other"), "--server", first.url, "--server", "http://127.0.0.1:1")
        assert (code, "does not answer" in said, first.patched) == (5, True, {})


def test_objects_that_fail(tmp_path: Path) -> None:
    from tests.fake_api import status

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        return status(422, "Invalid", SECRET) if path.endswith("/b/secrets/bad") else None

    with FakeApi(["a/s", "b/bad"], hook) as fake:
        code, told, _ = reencrypt(fake, tmp_path, CONFIG)
        assert (code, "✗ secrets b/bad: 422 Invalid" in told) == (1, True)
        # Nothing may fail where it is tried first.
        code, _, said = reencrypt(fake, tmp_path, CONFIG, "--journal", str(tmp_path / "other"), "--canary", "b")
        assert (code, "failed in the first namespace, b" in said, fake.patched) == (5, True, {"a/s": 1})


def test_migration_by_the_cluster(tmp_path: Path) -> None:
    group, found = "/apis/storagemigration.k8s.io", {"state": "Failed"}

    def hook(method: str, path: str, query: dict[str, str]) -> Answer | None:
        if method == "GET" and path.startswith(f"{group}/v1/storageversionmigrations/"):
            return 200, {"status": {"conditions": [{"type": found["state"], "status": "True", "message": "1 of 2 done"}]}}, {}
        return None

    with FakeApi(["a/s", "b/t"], hook) as fake:
        fake.objects[group] = {"versions": [{"version": "v1"}]}
        code, _, said = reencrypt(fake, tmp_path, CONFIG)
        assert (code, "failed: 1 of 2 done" in said) == (5, True)
        found["state"] = "Succeeded"
        # It is found again by the name in the journal, and not made under another one.
        assert reencrypt(fake, tmp_path, CONFIG)[0] == 0
        assert len({one["metadata"]["name"] for one in fake.posted}) == 1
        assert fake.patched == {}
        # What only requests can do is done by requests.
        assert reencrypt(fake, tmp_path, CONFIG, "--journal", str(tmp_path / "other"), "--rate", "1000")[0] == 0
        assert fake.patched == {"a/s": 1, "b/t": 1}
        assert reencrypt(fake, tmp_path, CONFIG, "--journal", str(tmp_path / "third"), "--rate", "5", "--by", "migration")[0] == 2


def test_unauthorized_and_unreachable(tmp_path: Path) -> None:
    from tests.fake_api import status

    with FakeApi(["a/s"], lambda method, path, query: status(401, "Unauthorized", "who are you?")) as fake:
        code, told, said = reencrypt(fake, tmp_path, CONFIG)
    assert (code, told) == (5, "")
    assert said == "k8senc: the API server answers 401 Unauthorized: who are you?\n"
    code, told, said = reencrypt(fake, tmp_path, CONFIG)
    assert (code, told, len(said.splitlines())) == (5, "", 1)
    assert "does not answer" in said
