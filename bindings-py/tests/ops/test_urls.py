"""`k8senc audit` of a snapshot that lies in S3."""

from __future__ import annotations

import json
import subprocess

import boto3
from moto.server import ThreadedMotoServer

from tests.test_cli import COMMAND, CONFIG, ENVIRONMENT, SNAPSHOT, k8senc, sentence


def test_a_url_in_s3() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        own = {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        client = boto3.client("s3", endpoint_url=own["AWS_ENDPOINT_URL"], aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        client.create_bucket(Bucket="backups")
        client.upload_file(str(SNAPSHOT), "backups", "night/etcd.db")
        command = [*COMMAND, "audit", "s3://backups/night/etcd.db", "-c", str(CONFIG), "--format", "json"]
        environment = {**ENVIRONMENT, **own, "PYTHONWARNINGS": "ignore"}
        run = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)
        assert json.loads(run.stdout) == json.loads(k8senc("audit", SNAPSHOT, "-c", CONFIG, "--format", "json").stdout)
        command[len(COMMAND) + 1] = "s3://backups/none.db"
        run = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)
        assert run.returncode == 5 and "cannot be read" in sentence(run)
    finally:
        server.stop()
