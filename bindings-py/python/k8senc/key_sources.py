"""Keys as a command takes them: from a file, a file descriptor, an environment variable or a prompt, never from its words."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from k8senc._native import escape
from k8senc.command import USAGE, Failure, kms_of, read_file

if TYPE_CHECKING:
    from k8senc._native import Config
    from k8senc.kms import Kms
    from k8senc.unwrapping import Offline

__all__ = ["Opening", "key_from", "opening_options"]

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = [
    click.option(
        "--kms",
        "kms_specs",
        multiple=True,
        metavar="NAME=WHERE",
        help="Who answers for the KMS provider NAME: its plugin's socket as unix:///path, the KMS itself as aws:, gcp:, azure: or vault: (docs/recovery.md), or a file with local KEKs. Repeatable.",
    ),
    click.option("--recovery-key", "recovery_keys", multiple=True, metavar="SOURCE", help="The private key of a recovery recipient of k8senc's KMS plugin: file:PATH, fd:N, env:NAME or prompt. No KMS is called. Repeatable."),
    click.option("--local-kek", "local_keks", multiple=True, metavar="SOURCE", help="A KEK of the local backend of k8senc's KMS plugin, from such a source. Repeatable."),
    click.option("--cluster-label", metavar="LABEL", help="The cluster's label in the configuration of k8senc's KMS plugin: its records are bound to it."),
    click.option("--set-key", "set_key", metavar="SOURCE", help="The set key of k8senc's KMS plugin, from such a source: it proves who wrote a record."),
]


@dataclass(frozen=True, repr=False)
class Opening:
    """What unwraps DEKs and seeds, as it was given: each an option of `opening_options`."""

    kms_specs: tuple[str, ...]
    recovery_keys: tuple[str, ...]
    local_keks: tuple[str, ...]
    cluster_label: str | None
    set_key: str | None

    def kms(self, config: Config | None) -> dict[str, Kms]:
        """Who answers for which KMS provider of the configuration."""
        return kms_of(self.kms_specs, config, self.offline())

    def offline(self) -> Offline:
        """What opens records of k8senc's KMS plugin. Raises `Failure` for a source that holds no key of 32 bytes."""
        from k8senc.unwrapping import Offline

        if (self.recovery_keys or self.local_keks) and self.cluster_label is None:
            raise Failure(USAGE, "--recovery-key and --local-kek need --cluster-label: every record is bound to its cluster's label")
        return Offline(
            self.cluster_label,
            None if self.set_key is None else _sized(self.set_key, "--set-key")[1],
            tuple(_sized(source, "--recovery-key") for source in self.recovery_keys),
            tuple(_sized(source, "--local-kek") for source in self.local_keks),
        )


def opening_options(command: F) -> Callable[..., Any]:
    """Adds the options that say what unwraps DEKs and seeds; the command gets them as its one argument `opening`."""

    @wraps(command)
    def bundled(*args: Any, kms_specs: tuple[str, ...], recovery_keys: tuple[str, ...], local_keks: tuple[str, ...], cluster_label: str | None, set_key: str | None, **others: Any) -> Any:
        return command(*args, opening=Opening(kms_specs, recovery_keys, local_keks, cluster_label, set_key), **others)

    wrapped: Callable[..., Any] = bundled
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def key_from(source: str, option: str = "--key") -> tuple[str, bytes]:
    """A label without the secret, and what the source holds."""
    kind, colon, rest = source.partition(":")
    try:
        if kind == "file" and rest:
            return f"the key in {escape(rest)}", read_file(Path(rest), "the key file")
        if kind == "fd" and rest.isdecimal():
            with os.fdopen(int(rest), "rb", closefd=False) as stream:
                return f"the key of file descriptor {rest}", stream.read(4096)
        if kind == "env" and rest:
            if rest not in os.environ:
                raise Failure(USAGE, f"{option} env:{escape(rest)}: there is no such environment variable")
            return f"the key in ${escape(rest)}", os.environb[os.fsencode(rest)]
        if kind == "prompt" and not colon:
            entered: str = click.prompt("Key (base64 or hex)", hide_input=True, err=True)
            return "the key that was typed in", entered.encode()
    except OSError as error:
        raise Failure(USAGE, f"{option} {kind}:{escape(rest)} cannot be read: {error.strerror}") from None
    # What was given is not repeated: it may be a key.
    raise Failure(USAGE, f"{option} takes file:PATH, fd:N, env:NAME or prompt; a key itself on the command line would be seen by every process of the machine")


def _sized(source: str, option: str) -> tuple[str, bytes]:
    label, text = key_from(source, option)
    key = _decoded(text)
    if key is None:
        raise Failure(USAGE, f"{option}: {label} has {len(text)} bytes that are no key: 32 bytes are needed, raw or as base64 or hex")
    return label, key


def _decoded(text: bytes) -> bytes | None:
    if len(text) == 32:
        return text
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(b"#")]
    if len(lines) != 1:
        return None
    for decode in (binascii.unhexlify, lambda line: base64.b64decode(line, validate=True), base64.urlsafe_b64decode):
        try:
            key: bytes = decode(lines[0])
        except (binascii.Error, ValueError):
            continue
        if len(key) == 32:
            return key
    return None
