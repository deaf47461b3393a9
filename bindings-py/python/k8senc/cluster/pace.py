"""How fast to go: as fast as allowed, no faster than the cluster takes well, and not on when too much fails."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Pace", "TooManyErrors"]

# Slower than this many times its usual latency, or than this at all, the server has more to do than it likes.
_SLOWER = 3.0
_SLOW_SECONDS = 0.5
_WINDOW = 40
_LEARN = 20


class TooManyErrors(Exception):
    """The error budget is spent."""


class Pace:
    """Hands out turns to threads. The allowed number of requests at once is halved when the server slows down or says
    so (429), and grows by one for each window that went well.
    """

    def __init__(self, rate: float, most: int, budget: int, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self.rate, self.most, self.budget = rate, most, budget
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Condition()
        self._allowed, self._active = float(min(most, 2)), 0
        self._next = 0.0
        self._until = 0.0
        self._latencies: deque[float] = deque(maxlen=_WINDOW)
        self._since = 0
        self._usual: float | None = None
        self.errors = 0
        self.slowed = 0
        self.stopped = False

    def __enter__(self) -> Pace:
        with self._lock:
            while self._active >= int(self._allowed) and not self.stopped:
                self._lock.wait(0.5)
            self._active += 1
            now = self._clock()
            at = max(now, self._next, self._until)
            self._next = at + (1 / self.rate if self.rate else 0.0)
        if at > now and not self.stopped:
            self._sleep(at - now)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._active -= 1
            self._lock.notify()

    def answered(self, seconds: float) -> None:
        """A request was answered, after so long."""
        with self._lock:
            self._latencies.append(seconds)
            self._since += 1
            if self._usual is None:
                if self._since >= _LEARN:
                    self._usual, self._since = _median(self._latencies), 0
                    self._allowed = min(self.most, self._allowed + 1)
                return
            if self._since < max(_LEARN, int(self._allowed) * 2):
                return
            self._since = 0
            # Requests at once queue behind each other on the server, so latency is judged by what one of them costs.
            slow = sorted(self._latencies)[len(self._latencies) * 9 // 10]
            if slow > max(_SLOW_SECONDS, self._usual * _SLOWER * max(1.0, self._allowed / 2)):
                self._slow_down()
            else:
                self._allowed = min(self.most, self._allowed + 1)
            self._lock.notify_all()

    def pushed_back(self, seconds: float | None) -> None:
        """The server asks for less."""
        with self._lock:
            self._until = max(self._until, self._clock() + (seconds if seconds is not None else 1.0))
            self._slow_down()

    def failed(self) -> None:
        """A request failed for good. Raises `TooManyErrors` when it was one too many."""
        with self._lock:
            self.errors += 1
            if self.errors > self.budget:
                self.stopped = True
                self._lock.notify_all()
                raise TooManyErrors

    def stop(self) -> None:
        """No more turns are waited for."""
        with self._lock:
            self.stopped = True
            self._lock.notify_all()

    @property
    def at_once(self) -> int:
        """Requests allowed at once now."""
        return int(self._allowed)

    def _slow_down(self) -> None:
        self._allowed = max(1.0, self._allowed / 2)
        self._latencies.clear()
        self._since = 0
        self.slowed += 1


def _median(values: deque[float]) -> float:
    return sorted(values)[len(values) // 2]
