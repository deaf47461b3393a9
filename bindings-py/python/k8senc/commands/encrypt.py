"""`k8senc encrypt`: an object as the stored value that kube-apiserver would write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from k8senc._native import escape
from k8senc.command import CLEAN, USAGE, Failure, kms_of, read_config, read_file
from k8senc.etcd_access import Access, etcd_options


EXIT_CODES = """\b
Exit codes:
  0  done, or shown what would be done
  1  the key was changed meanwhile: nothing was written
  2  the command, the configuration or the object is wrong
  5  etcd or a KMS could not be reached
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("etcd_key", metavar="ETCD_KEY")
@click.argument("object_file", metavar="FILE", type=click.Path(path_type=Path, allow_dash=True))
@click.option("-c", "--config", "config_file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The EncryptionConfiguration in use: the value is written as it says.")
@click.option("--kms", "kms_specs", multiple=True, metavar="NAME=WHERE", help="The plugin of the KMS provider that writes, as unix:///path, or a file with local KEKs. Repeatable.")
@etcd_options
@click.option("--moved", is_flag=True, help="Also take an object of another name than the etcd key.")
@click.option("--write", is_flag=True, help="Write it to etcd. Without it nothing is changed.")
@click.option("--backup", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path(), metavar="DIR", help="Where a value that is replaced is kept; the current folder by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the stored value into this new file (0600), raw.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.pass_context
def encrypt(
    context: click.Context,
    etcd_key: str,
    object_file: Path,
    config_file: Path,
    kms_specs: tuple[str, ...],
    endpoint: str | None,
    etcd: Access,
    moved: bool,
    write: bool,
    backup: Path,
    output: Path | None,
    etcd_prefix: str | None,
    yes: bool,
) -> None:
    """Encrypts one object as kube-apiserver would store it under ETCD_KEY. FILE holds its JSON, or the protobuf that
    k8senc decrypt --format raw writes; - is stdin. The last resort, to put an object back where no API server can.

    Without --write nothing is changed in etcd. With it, the key is made, or replaced only if nobody changed it since it
    was read, and what it replaces is kept in a file first.

    \b
    Examples:
      k8senc encrypt /registry/secrets/shop/db db.json -c encryption-config.yaml -o db.value
      k8senc encrypt /registry/secrets/shop/db db.json -c encryption-config.yaml --kms cloud=unix:///run/kms.sock
        --endpoint https://127.0.0.1:2379 --cacert ca.crt --cert c.crt --cert-key c.key --write
    """
    from k8senc import repairing

    if write and endpoint is None:
        raise Failure(USAGE, "--write writes to a live etcd: it needs --endpoint; --output makes a file")
    key, prefix = os.fsencode(etcd_key), None if etcd_prefix is None else os.fsencode(etcd_prefix)
    config = read_config(config_file)
    kms = kms_of(kms_specs, config)
    plaintext = sys.stdin.buffer.read() if str(object_file) == "-" else read_file(object_file, "the object")
    new = repairing.sealed(plaintext, key, repairing.resource_at(key, prefix), config, kms, moved=moved, prefix=prefix)
    client = etcd.client_if(endpoint)
    seen = client.get(key) if client is not None else None
    click.echo(escape(etcd_key) + (f" at revision {seen.mod_revision}" if seen else ""))
    if client is not None:
        click.echo(f"  now: {repairing.described(seen.value) if seen else 'nothing'}")
    click.echo(f"  new: {repairing.described(new)}")
    repairing.finish(client, key, seen, new, write=write, backup=backup, output=output, yes=yes)
    context.exit(CLEAN)
