"""A live etcd as commands take it: endpoint, certificates, user."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc.command import USAGE, Failure
from k8senc.key_sources import key_from

if TYPE_CHECKING:
    from k8senc.etcd_client import EtcdClient

__all__ = ["Access", "access_options", "etcd_options"]

PASSWORD = "K8SENC_ETCD_PASSWORD"


@dataclass(frozen=True)
class Access:
    """What shows etcd who asks. Nobody is called before `client`."""

    cacert: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    user: str | None = None
    password: str | None = None
    """Where the password is, such as `env:NAME`."""

    def client(self, endpoint: str) -> EtcdClient:
        """The member there. It is only called at once if a user has to log in."""
        from k8senc.etcd_client import EtcdClient, Tls

        return EtcdClient(endpoint, Tls(self.cacert, self.cert, self.key), user=self.user, password=self._password())

    def client_if(self, endpoint: str | None) -> EtcdClient | None:
        """None without an endpoint, for which nothing else may be given then."""
        if endpoint is not None:
            return self.client(endpoint)
        if self != Access():
            raise Failure(USAGE, "certificates and users are etcd's: they need --endpoint")
        return None

    def _password(self) -> str | None:
        if self.user is None:
            if self.password is not None:
                raise Failure(USAGE, "--etcd-password belongs to a user: give --etcd-user")
            return None
        source = self.password or (f"env:{PASSWORD}" if PASSWORD in os.environ else None)
        if source is not None:
            return key_from(source, "--etcd-password")[1].decode("utf-8", "replace").rstrip("\r\n")
        if not sys.stdin.isatty():
            raise Failure(USAGE, f"the password of {self.user!r} at etcd is needed: --etcd-password file:PATH, or {PASSWORD} in the environment")
        password: str = click.prompt(f"password of {self.user} at etcd", hide_input=True, err=True)
        return password


def access_options(where: str, *key_names: str, name: str = "access") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the options of an `Access`; the command gets it as its one argument `name`. `where` begins their help, and
    `key_names` are those of the option for the client's private key: `--key` means another key to some commands.
    """
    options = [
        click.option("--cacert", type=click.Path(path_type=Path), metavar="FILE", help=f"{where}the authority of etcd's certificate, such as /etc/kubernetes/pki/etcd/ca.crt."),
        click.option("--cert", type=click.Path(path_type=Path), metavar="FILE", help=f"{where}a client certificate that etcd takes, such as /etc/kubernetes/pki/etcd/healthcheck-client.crt."),
        click.option(*key_names, "cert_key", type=click.Path(path_type=Path), metavar="FILE", help=f"{where}its private key."),
        click.option("--etcd-user", "--user", "etcd_user", metavar="NAME", help=f"{where}etcd's own user, where it has users."),
        click.option("--etcd-password", metavar="SOURCE", help=f"{where}the user's password: file:PATH, fd:N, env:NAME or prompt; by default {PASSWORD} in the environment, or it is asked for."),
    ]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def bundled(*args: Any, cacert: Path | None, cert: Path | None, cert_key: Path | None, etcd_user: str | None, etcd_password: str | None, **others: Any) -> Any:
            return command(*args, **{name: Access(cacert, cert, cert_key, etcd_user, etcd_password)}, **others)

        wrapped: Callable[..., Any] = bundled
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def etcd_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--endpoint` and the options of an `Access`; the command gets `endpoint` and `etcd`."""
    endpoint = click.option("--endpoint", metavar="URL", help="A live etcd member: https://HOST:2379, http://HOST:2379 or unix:///path.")
    decorated: Callable[..., Any] = endpoint(access_options("Etcd: ", "--cert-key", name="etcd")(command))
    return decorated
