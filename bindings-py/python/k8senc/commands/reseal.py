"""`k8senc reseal`: one stored value, made anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import Config, escape
from k8senc.command import CLEAN, FINDINGS, USAGE, Failure, kms_of, read_config
from k8senc.etcd_access import Access, etcd_options
from k8senc.key_sources import Opening, key_from, opening_options

if TYPE_CHECKING:
    from k8senc.kms import Kms
    from k8senc.unwrapping import Offline

EXIT_CODES = """\b
Exit codes:
  0  done, or shown what would be done
  1  the value does not open, is another object's, or was changed meanwhile
  2  the command or the configuration is wrong
  4  the value waits for a KMS that was not asked
  5  etcd or a KMS could not be reached
  130  interrupted"""


@click.command(epilog=EXIT_CODES)
@click.argument("etcd_key", metavar="ETCD_KEY")
@etcd_options
@click.option("--value", "value_file", type=click.Path(path_type=Path, allow_dash=True), metavar="FILE", help="The stored value, instead of a live etcd: raw, hex, base64 or what etcdctl printed; - is stdin.")
@click.option("-c", "--config", "config_file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The EncryptionConfiguration in use: the value is written as it says.")
@click.option("--from", "from_file", type=click.Path(path_type=Path), metavar="FILE", help="An older configuration that still opens the value; by default the one in use.")
@opening_options
@click.option("--key", "key_sources", multiple=True, metavar="SOURCE", help="A key that opens the value, without its configuration: file:PATH, fd:N, env:NAME or prompt. Repeatable.")
@click.option("--any-key", is_flag=True, help="Also take what opens with a key under another name, or with another near miss.")
@click.option("--moved", is_flag=True, help="Also take an object of another name than the etcd key.")
@click.option("--write", is_flag=True, help="Write it to etcd. Without it nothing is changed.")
@click.option("--backup", type=click.Path(path_type=Path, file_okay=False, exists=True), default=Path(), metavar="DIR", help="Where the value that is replaced is kept; the current folder by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write the new stored value into this new file (0600), raw.")
@click.option("--etcd-prefix", metavar="PREFIX", help="kube-apiserver's --etcd-prefix, where it is not one of the usual.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=10, show_default=True, metavar="N", help="Call no KMS when it takes more than N calls.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.pass_context
def reseal(
    context: click.Context,
    etcd_key: str,
    endpoint: str | None,
    etcd: Access,
    value_file: Path | None,
    config_file: Path,
    from_file: Path | None,
    opening: Opening,
    key_sources: tuple[str, ...],
    any_key: bool,
    moved: bool,
    write: bool,
    backup: Path,
    output: Path | None,
    etcd_prefix: str | None,
    max_kms_calls: int,
    yes: bool,
) -> None:
    """Opens one stored value with whatever key is left and encrypts it as the configuration in use says, so that
    kube-apiserver can read it again. The last resort, for a value that no API server opens: everything else is
    k8senc reencrypt.

    Without --write it only shows what it would do. With it, the value is replaced in a transaction, only if nobody
    changed it since it was read, and what it replaces is kept in a file first.

    \b
    Examples:
      k8senc reseal /registry/secrets/shop/db --endpoint https://127.0.0.1:2379 --cacert ca.crt --cert c.crt
        --cert-key c.key -c encryption-config.yaml --from old-config.yaml
      k8senc reseal /registry/secrets/shop/db --endpoint ... -c encryption-config.yaml --key prompt --write
      k8senc reseal /registry/secrets/shop/db --value value.bin -c new.yaml --from old.yaml -o new-value.bin
    """
    from k8senc import repairing

    if (endpoint is None) == (value_file is None):
        raise Failure(USAGE, "either a live etcd (--endpoint) or one stored value (--value) is needed")
    if write and endpoint is None:
        raise Failure(USAGE, "--write writes to a live etcd: it needs --endpoint; --output makes a file")
    config = read_config(config_file)
    old = read_config(from_file) if from_file is not None else config
    writes_with, opens_with = _kms(opening.kms_specs, config, old, None), _kms(opening.kms_specs, old, config, opening.offline())
    keys = [key_from(source) for source in key_sources]
    key, prefix = os.fsencode(etcd_key), None if etcd_prefix is None else os.fsencode(etcd_prefix)
    client = etcd.client_if(endpoint)
    seen = None
    if client is not None:
        seen = client.get(key)
        if seen is None:
            raise Failure(FINDINGS, f"etcd has no key {escape(etcd_key)}; k8senc encrypt makes one")
        stored = seen.value
    else:
        assert value_file is not None
        stored = repairing.one_value(value_file)
    opened = repairing.opened(stored, key, old, opens_with, keys, any_key=any_key, moved=moved, prefix=prefix, most=max_kms_calls, yes=yes)
    new = repairing.sealed(opened.plaintext, key, opened.resource, config, writes_with, moved=moved, prefix=prefix)
    click.echo(f"{escape(etcd_key)}" + (f" at revision {seen.mod_revision}" if seen else ""))
    click.echo(f"  now: {repairing.described(stored)}" + (f", opened: {opened.hint}" if opened.hint else f", opens with {opened.key or opened.provider}"))
    click.echo(f"  new: {repairing.described(new)}")
    repairing.finish(client, key, seen, new, write=write, backup=backup, output=output, yes=yes)
    context.exit(CLEAN)


def _kms(specs: tuple[str, ...], config: Config, other: Config, offline: Offline | None) -> dict[str, Kms]:
    """Each configuration takes the providers it has; one that neither has is a mistake."""
    here, there = dict(config.kms_providers), dict(other.kms_providers)
    mine = tuple(spec for spec in specs if spec.partition("=")[0] in here or spec.partition("=")[0] not in there)
    return kms_of(mine, config, offline)
