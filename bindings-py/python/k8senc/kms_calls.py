"""KMS calls of a command: told before they are made, confirmed, capped and paced."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from k8senc._native import escape
from k8senc.command import note, progress

if TYPE_CHECKING:
    from k8senc._native import Audit, Recovery
    from k8senc.auditing import Plan
    from k8senc.kms import Kms


def make(run: Audit | Recovery, planned: Plan, kms: Mapping[str, Kms], most: int, yes: bool) -> bool:
    """Makes the calls of a plan. False when there are more than `most`: none was made then."""
    _tell(planned)
    if len(planned.asked) > most:
        note(f"the snapshot asks for {len(planned.asked):,} KMS calls, more than the {most:,} of --max-kms-calls: none was made, and what needs them stays undecided")
        return False
    _ask(run, planned, kms, yes)
    return True


def _ask(run: Audit | Recovery, planned: Plan, kms: Mapping[str, Kms], yes: bool) -> None:
    from k8senc import auditing

    remote = any(getattr(kms[need.request.provider], "remote", True) for need in planned.asked)
    if remote and not yes and sys.stdin.isatty():
        click.confirm("Make these calls?", abort=True, err=True)
    with progress("asking the KMS") as told:
        refused = auditing.answer(run, planned, kms, told)
    for name, plugin in sorted(kms.items()):
        unproven = getattr(plugin, "proofs", {}).get("nothing", 0)
        if unproven:
            note(f"KMS {escape(name)}: {unproven:,} seeds were opened by a recovery key, which proves nothing about who wrote them; --set-key does, where the plugin has one")
    for name, reason in refused.items():
        note(f"KMS provider {escape(name)} refused: {escape(reason)}")


def _tell(planned: Plan) -> None:
    """Provider, key_id and number of calls, before any is made."""
    for provider, key_id, calls in planned.lines():
        key = f", key_id {escape(key_id)}" if key_id else ""
        click.echo(f"KMS {escape(provider)}{key}: {_calls(calls)}", err=True)
    for provider, calls in sorted(planned.unanswered.items()):
        click.echo(f"KMS {escape(provider)}: {_calls(calls)} not made, no --kms {escape(provider)}=... was given", err=True)
    if planned.beyond:
        click.echo(f"KMS: {_calls(planned.beyond)} more than can be listed; what needs them stays undecided", err=True)


def _calls(count: int) -> str:
    return f"{count:,} call{'' if count == 1 else 's'}"
