"""A live etcd as commands take it: endpoint, certificates, user."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from k8senc.command import USAGE, Failure
from k8senc.key_sources import key_from

if TYPE_CHECKING:
    from k8senc.etcd_client import EtcdClient

__all__ = ["client_of", "etcd_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option("--endpoint", metavar="URL", help="A live etcd member: https://HOST:2379, http://HOST:2379 or unix:///path."),
    click.option("--cacert", type=click.Path(path_type=Path), metavar="FILE", help="The authority of etcd's certificate, such as /etc/kubernetes/pki/etcd/ca.crt."),
    click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help="A client certificate that etcd takes, such as /etc/kubernetes/pki/etcd/healthcheck-client.crt."),
    click.option("--cert-key", type=click.Path(path_type=Path), metavar="FILE", help="Its private key."),
    click.option("--etcd-user", metavar="NAME", help="etcd's own user, where it has users."),
    click.option("--etcd-password", metavar="SOURCE", help="The user's password: file:PATH, fd:N, env:NAME or prompt."),
]


def etcd_options(command: F) -> F:
    """The options that `client_of` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def client_of(endpoint: str | None, cacert: Path | None, cert: Path | None, cert_key: Path | None, etcd_user: str | None, etcd_password: str | None) -> EtcdClient | None:
    """The member they name; None without an endpoint. Nobody is called yet, unless a user has to log in."""
    if endpoint is None:
        if cacert or cert or cert_key or etcd_user or etcd_password:
            raise Failure(USAGE, "certificates and users are etcd's: they need --endpoint")
        return None
    from k8senc.etcd_client import EtcdClient, Tls

    if (etcd_user is None) != (etcd_password is None):
        raise Failure(USAGE, "--etcd-user and --etcd-password are needed together")
    password = None
    if etcd_password is not None:
        password = key_from(etcd_password, "--etcd-password")[1].decode("utf-8", "replace").rstrip("\r\n")
    return EtcdClient(endpoint, Tls(cacert, cert, cert_key), user=etcd_user, password=password)
