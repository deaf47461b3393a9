"""May an API server be restarted, or its configuration reloaded, now? Each question with its answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from k8senc._native import Verdict, escape

if TYPE_CHECKING:
    from k8senc.cluster.servers import Seen
    from k8senc.kms_doctor import Diagnosis

__all__ = ["Answer", "Preflight", "cold_start", "judge"]

# What a client waits for a list before it gives up; kube-apiserver ends a request after a minute.
_LIST_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """One question."""

    question: str
    outcome: str
    """`yes`, `no`, `careful` or `unknown`."""
    told: str


@dataclass
class Preflight:
    """All of them."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """`no` when one answer is no, `unknown` when one could not be given, else `yes`."""
        outcomes = {answer.outcome for answer in self.answers}
        return next((word for word in ("no", "unknown") if word in outcomes), "yes")

    def as_dict(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "answers": [{"question": one.question, "outcome": one.outcome, "told": one.told} for one in self.answers]}


def cold_start(report: Mapping[str, Any], seconds: Mapping[str, float], timeouts: Mapping[str, float]) -> list[Answer]:
    """Decrypt calls until a server that starts has every live DEK again, by KMS provider, and how long they take one by one."""
    answers = []
    for row in report["deks"]:
        name, live = str(row["provider"]), int(row["live"])
        each, limit = seconds.get(name), timeouts.get(name, 3.0)
        told = f"{live:,} distinct {'seeds' if row['api'] == 'v2' else 'DEKs'} behind {escape(name)}: as many Decrypt calls"
        if each is None:
            answers.append(Answer("cold start", "unknown", f"{told}; how long one takes was not measured"))
            continue
        whole = live * each
        told += f", some {whole:.1f} s one after the other at {each * 1000:.0f} ms"
        if each > limit:
            answers.append(Answer("cold start", "no", f"{told}; one takes longer than the block's timeout of {limit:g} s, so none succeeds"))
        elif whole > _LIST_SECONDS:
            answers.append(Answer("cold start", "no", f"{told}; lists of everything fail until the calls are made, a request lasts {_LIST_SECONDS:.0f} s at most. Rewrite first (k8senc reencrypt): fewer seeds are left then"))
        elif whole > limit:
            answers.append(Answer("cold start", "careful", f"{told}; the first lists are slow"))
        else:
            answers.append(Answer("cold start", "yes", told))
    return answers


def judge(
    verdicts: Sequence[tuple[str, Verdict]],
    content_hash: str | None,
    seen: Iterable[Seen],
    unreached: Mapping[str, str],
    plugins: Iterable[Diagnosis],
    *,
    report: Mapping[str, Any] | None,
    timeouts: Mapping[str, float],
    has_kms: bool,
    reload: bool,
) -> Preflight:
    """What all that was looked at says."""
    done = Preflight()
    add = done.answers.append
    for name, verdict in verdicts:
        if verdict.ok:
            add(Answer("file", "yes", f"kube-apiserver {verdict.version} takes {name}"))
        else:
            what = "goes on with the old file, and the next restart fails" if reload else "does not start with it"
            add(Answer("file", "no", f"kube-apiserver {verdict.version} refuses {name} and {what}: {escape(verdict.upstream or '')}"))
    _servers(add, content_hash, list(seen), unreached)
    measured = {}
    for plugin in plugins:
        if plugin.healthy:
            add(Answer("KMS", "yes", f"{escape(plugin.name)} answers Status, Encrypt and Decrypt"))
            if plugin.decrypt_seconds is not None:
                measured[plugin.name] = plugin.decrypt_seconds
        else:
            bad = next(check for check in plugin.checks if check.outcome == "bad")
            add(Answer("KMS", "no", f"{escape(plugin.name)}: {bad.what}: {bad.found}; after a restart nothing it encrypted can be read (k8senc kms doctor)"))
    if has_kms and report is None:
        add(Answer("cold start", "unknown", "how many distinct seeds are stored was not counted: --snapshot or --inventory"))
    elif has_kms and report is not None:
        done.answers.extend(cold_start(report, measured, timeouts))
    return done


def _servers(add: Any, content_hash: str | None, seen: list[Seen], unreached: Mapping[str, str]) -> None:
    for server, why in unreached.items():
        add(Answer("servers", "no", f"{server} cannot be reached: {why}; bring it back before another one goes"))
    for one in seen:
        name = escape(one.server)
        if one.ready is False:
            add(Answer("servers", "no", f"{name} is not ready: {next(iter(one.failing.values()))}"))
        elif one.ready is None:
            add(Answer("servers", "unknown", f"{name} does not say whether it is ready: {escape(one.why_not) or 'not allowed'}"))
        else:
            add(Answer("servers", "yes", f"{name} is ready"))
        if one.file_hash is None:
            why = one.why_not or "its metrics name no hash: it has one from Kubernetes 1.34 on, with a configuration"
            add(Answer("same file", "unknown", f"which file {name} uses is not known: {escape(why)}"))
        elif content_hash is not None and one.file_hash == content_hash:
            add(Answer("same file", "yes", f"{name} uses this file: a restart changes nothing"))
        elif content_hash is not None:
            add(Answer("same file", "careful", f"{name} uses another file ({one.file_hash}) than this ({content_hash}): a restart or reload is a change, which k8senc plan OLD NEW judges"))
    hashes = {one.file_hash for one in seen if one.file_hash}
    if len(hashes) > 1:
        add(Answer("same file", "careful", f"the servers use {len(hashes)} different files: end the change that is under way, or see k8senc plan --goal converge"))
