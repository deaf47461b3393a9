"""Having every object of some resources written again as it is, through the API server.

An empty merge patch does it: the API server reads the object, finds nothing changed, and writes it if and only if what is stored
is stale. This is what the StorageVersionMigration controller does. Data never leaves the server: lists and answers are metadata
alone, of which no more than namespace, name and resourceVersion is kept.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from k8senc.cluster.api import PAGE, Api, Refused
from k8senc.cluster.journal import Journal, Progress
from k8senc.cluster.pace import Pace, TooManyErrors
from k8senc.cluster.targets import Target
from k8senc.errors import RemoteError

__all__ = ["Choice", "Rewrite", "Stopped", "Told"]

_TRIES = 8
_LONGEST_WAIT = 10.0
_NOTE_SECONDS = 1.0
_MANAGER = "k8senc"

REWRITTEN, FRESH, GONE, SKIPPED, NOT_TRIED = "rewritten", "fresh", "gone", "skipped", ""


class Stopped(Exception):
    """The rewrite ended early, by its own decision."""


@dataclass(frozen=True)
class Told:
    """How far the rewrite is."""

    resource: str
    done: int
    total: int | None
    rate: float
    at_once: int
    errors: int


@dataclass(frozen=True)
class Choice:
    """Which objects of a resource are left to do, as an audit counted them."""

    nothing: frozenset[str] = frozenset()
    """Resources with nothing stale."""
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    """The stale objects of a resource as `namespace/name`, where the audit named them all."""


@dataclass
class _Item:
    key: str
    version: str

    def place(self) -> tuple[str, str]:
        namespace, _, name = self.key.rpartition("/")
        return namespace, name


class Rewrite:
    """One run over some resources."""

    def __init__(
        self,
        api: Api,
        journal: Journal,
        pace: Pace,
        *,
        dry_run: bool = False,
        page: int = 500,
        choice: Choice | None = None,
        without: str = "",
        told: Callable[[Told], None] | None = None,
    ) -> None:
        self.api, self.journal, self.pace = api, journal, pace
        self.dry_run, self.page, self.choice, self.without = dry_run, page, choice or Choice(), without
        self._told = told
        self._pool = ThreadPoolExecutor(max_workers=pace.most, thread_name_prefix="rewrite")
        self._started, self._answers, self._noted = time.monotonic(), 0, 0.0

    def run(self, targets: Sequence[Target], *, namespace: str = "", strict: bool = False) -> None:
        """Rewrites everything of `targets`, or what one namespace holds. `strict` ends it at the first failure.

        Raises `Stopped` when it gives up, with all that is done in the journal.
        """
        for target in targets:
            if namespace and not target.namespaced:
                continue
            label = f"{target.name}@{namespace}" if namespace else target.name
            progress = self.journal.progress(label)
            if progress.done and not progress.failed:
                continue
            try:
                self._one(target, namespace, label, progress)
            finally:
                self.journal.note(label)
            if strict and progress.failed:
                raise Stopped(f"{len(progress.failed)} objects of {target.name} failed in the first namespace, {namespace}")

    def close(self) -> None:
        """Waits for what is under way; nothing else is begun."""
        self.pace.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _one(self, target: Target, namespace: str, label: str, progress: Progress) -> None:
        again, progress.failed = progress.failed, {}
        try:
            self._batch(target, label, progress, [_Item(key, "") for key in sorted(again)], None, moves=False)
        except BaseException:
            progress.failed = {**again, **progress.failed}
            raise
        if progress.done:
            return
        if target.name in self.choice.nothing:
            progress.done = True
            return
        only = self.choice.names.get(target.name)
        for items, total in self._pages(target, namespace, progress.cursor):
            elsewhere = "" if namespace else self.without
            wanted = [item for item in items if not (elsewhere and item.key.startswith(f"{elsewhere}/"))]
            self._batch(target, label, progress, wanted, total, only=only)
            if items and items == sorted(items, key=lambda item: item.key):
                progress.cursor = items[-1].key
        progress.done = True

    def _pages(self, target: Target, namespace: str, after: str | None) -> Iterator[tuple[list[_Item], int | None]]:
        """Pages of a list, without what is not behind `after`. One is fetched while the one before is worked on."""
        path, token, passed, restarted = target.path(namespace), "", after, after is not None
        seen = 0
        ahead: Future[Any] = self._pool.submit(self._page, path, token)
        while True:
            try:
                page = ahead.result()
            except Refused as error:
                if error.status != 410 or not token:
                    raise
                # The revision of the list is compacted away. The server may give a token that goes on behind the same name at
                # a newer one; what was made since then was written with today's key. Without it the list starts again.
                token, restarted = error.go_on or "", error.go_on is None
                ahead = self._pool.submit(self._page, path, token)
                continue
            meta = page.get("metadata") or {}
            items = [_item(one["metadata"]) for one in page.get("items") or []]
            token = meta.get("continue") or ""
            seen += len(items)
            if token:
                ahead = self._pool.submit(self._page, path, token)
            remaining = meta.get("remainingItemCount")
            total = seen + remaining if remaining is not None else (None if token else seen)
            if restarted and passed is not None:
                behind = [item for item in items if item.key > passed]
                restarted = not behind
                yield behind, total
            else:
                yield items, total
            if items:
                passed = max(passed or "", items[-1].key)
            if not token:
                return

    def _page(self, path: str, token: str) -> Any:
        def ask() -> Any:
            return self.api.get(path, accept=PAGE, limit=self.page, **{"continue": token})

        return self._patiently(ask)

    def _batch(self, target: Target, label: str, progress: Progress, items: list[_Item], total: int | None, *, only: frozenset[str] | None = None, moves: bool = True) -> None:
        """Rewrites the objects of a page, all at once as far as the pace allows; the journal follows in their order."""
        work = [(item, None if only is not None and item.key not in only else self._pool.submit(self._object, target, item)) for item in items]
        in_order = moves and items == sorted(items, key=lambda item: item.key)
        try:
            for item, future in work:
                outcome = SKIPPED if future is None else future.result()
                if outcome == NOT_TRIED:
                    raise Stopped(f"{self.pace.errors} objects could not be rewritten, more than --max-errors allows")
                _count(progress, item.key, outcome)
                if in_order:
                    progress.cursor = item.key
                self._answers += 1
                now = time.monotonic()
                if now - self._noted > _NOTE_SECONDS:
                    self._noted = now
                    self.journal.note(label)
                if self._told is not None:
                    rate = self._answers / max(0.001, now - self._started)
                    self._told(Told(target.name, progress.looked_at, total, rate, self.pace.at_once, self.pace.errors))
        except BaseException:
            self.pace.stop()
            for _, future in work:
                if future is not None:
                    future.cancel()
            raise

    def _object(self, target: Target, item: _Item) -> str:
        namespace, name = item.place()
        path, options = target.path(namespace, name), {"fieldManager": _MANAGER, "dryRun": "All" if self.dry_run else ""}

        def ask() -> Any:
            if self.pace.stopped:
                return None
            with self.pace:
                if self.pace.stopped:
                    return None
                began = time.monotonic()
                answer = self.api.merge(path, {}, **options)
                self.pace.answered(time.monotonic() - began)
                return answer

        try:
            answer = self._patiently(ask)
        except Refused as error:
            if error.status == 404:
                return GONE
            return self._failure(f"{error.status} {error.reason}".strip())
        except RemoteError as error:
            return self._failure(error.code)
        if answer is None:
            return NOT_TRIED
        return FRESH if (answer.get("metadata") or {}).get("resourceVersion") == item.version else REWRITTEN

    def _failure(self, why: str) -> str:
        # Over the budget the pace hands out no more turns, and what is left is not tried.
        with suppress(TooManyErrors):
            self.pace.failed()
        return f"!{why}"

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """Asks until the answer is final: conflicts, throttling, restarts of the server and lost connections pass."""
        tries, pauses = 0, 0
        while True:
            try:
                return ask()
            except Refused as error:
                if error.status == 429 and pauses < 100 and not self.pace.stopped:
                    pauses += 1
                    self.pace.pushed_back(error.retry_after)
                    continue
                tries += 1
                if not error.passes or tries >= _TRIES or self.pace.stopped:
                    raise
            except RemoteError:
                tries += 1
                if tries >= _TRIES or self.pace.stopped:
                    raise
            wait = min(_LONGEST_WAIT, 0.25 * 2 ** (tries - 1)) * random.uniform(0.5, 1.0)
            end = time.monotonic() + wait
            while not self.pace.stopped and time.monotonic() < end:
                time.sleep(min(0.2, wait))


def _item(meta: dict[str, Any]) -> _Item:
    namespace = meta.get("namespace") or ""
    return _Item(f"{namespace}/{meta['name']}" if namespace else str(meta["name"]), str(meta.get("resourceVersion", "")))


def _count(progress: Progress, key: str, outcome: str) -> None:
    match outcome:
        case "rewritten":
            progress.rewritten += 1
        case "fresh":
            progress.fresh += 1
        case "gone":
            progress.gone += 1
        case "skipped":
            progress.skipped += 1
        case _:
            progress.failed[key] = outcome.removeprefix("!")


def choose(report: dict[str, Any], targets: Iterable[Target]) -> Choice:
    """What an audit report leaves to do. A resource it says nothing of, or of which it could not judge all, is done whole."""
    if not report.get("judged"):
        return Choice()
    nothing, names = set(), {}
    for target in targets:
        groups = [group for group in report["groups"] if group["resource"] == target.name]
        if any(group["undecided"] or group["staleUnknown"] or group["unreadable"] for group in groups):
            continue
        stale = sum(group["stale"] for group in groups)
        if not stale:
            nothing.add(target.name)
            continue
        found: set[str] = set()
        for finding in report["findings"]:
            if finding["code"] in ("stale", "exposed-plaintext") and finding["resource"] == target.name:
                for one in finding["examples"]:
                    parts = str(one["etcdKey"]).split("/")
                    found.add("/".join(parts[-2:] if target.namespaced else parts[-1:]))
        if len(found) == stale:
            names[target.name] = frozenset(found)
    return Choice(frozenset(nothing), names)
