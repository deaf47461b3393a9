"""A live etcd as rows: all keys in pages of one revision, paced. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from k8senc.errors import RemoteError
from k8senc.etcd_client import Compacted, EtcdClient
from k8senc.rows import Batch

__all__ = ["RANGES", "EtcdRows", "Range"]

_PAGE = 500
Range = tuple[bytes, bytes]
# All keys of kine, which answers nothing when it is asked for an open range at a revision; and what only etcd can have.
RANGES: Sequence[Range] = ((b"\0", b"\x7f"), (b"\x7f", b"\0"))


class EtcdRows:
    """One pass, at most `rate` keys a second. Current values only: a range shows no superseded ones."""

    source = "etcd"
    history = False
    compact_revision = 0
    bytes = 0

    def __init__(self, client: EtcdClient, *, rate: int, revision: int = 0, ranges: Sequence[Range] = RANGES, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client, self._rate, self._sleep = client, rate, sleep
        # A page is at most a second's worth, so that nobody waits longer for Ctrl-C.
        self._page = max(1, min(_PAGE, rate))
        self.revision, self.done, self.total = revision, 0, 0
        self._ranges = list(ranges)
        self._due = 0.0

    def next_batch(self) -> Batch | None:
        """The next page."""
        if not self._ranges:
            return None
        wait = self._due - time.monotonic()
        if wait > 0:
            self._sleep(wait)
        started = time.monotonic()
        begin, end = self._ranges[0]
        try:
            # kine knows no limit where one key is asked for.
            page = self._client.page(begin, end, limit=self._page if end else 0, revision=self.revision)
        except Compacted as error:
            hint = "kube-apiserver compacts every five minutes, so give a higher --rate, or read a snapshot"
            raise RemoteError("etcd-compacted", f"{error}; {hint}") from None
        except RemoteError as error:
            if "larger than max" not in str(error) or self._page == 1:
                raise
            self._page = max(1, self._page // 4)
            return self.next_batch()
        self._due = started + len(page.items) / self._rate
        self.revision = self.revision or page.revision
        # The server counts from the beginning of the page on.
        self.total = max(self.total, self.done + page.count)
        self.done += len(page.items)
        if page.more and page.items:
            self._ranges[0] = (page.items[-1].key + b"\0", end)
        else:
            del self._ranges[0 : 1 if page.cluster_id else None]
        return [(one.key, one.value, one.mod_revision, one.create_revision, one.version, False, False) for one in page.items]
