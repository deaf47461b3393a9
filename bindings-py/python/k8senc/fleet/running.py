"""Where tasks run: here, in processes of this machine, on Dask. Results come as they are done."""

from __future__ import annotations

import importlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from k8senc._native import escape
from k8senc.errors import RemoteError, UsageError
from k8senc.fleet.task import Result, Task, examine

__all__ = ["in_processes", "on_dask", "one_by_one"]


def one_by_one(todo: Sequence[Task]) -> Iterator[Result]:
    """In this process."""
    return map(examine, todo)


def in_processes(todo: Sequence[Task], workers: int) -> Iterator[Result]:
    """In processes of this machine. One that dies takes no other snapshot with it: what was lost is tried again alone."""
    context = multiprocessing.get_context("spawn")
    left = dict.fromkeys(todo)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(examine, task): task for task in todo}
        for future in as_completed(futures):
            try:
                result = future.result()
            except BrokenProcessPool:
                continue
            left.pop(futures[future])
            yield result
    for task in left:
        with ProcessPoolExecutor(1, mp_context=context) as alone:
            try:
                yield alone.submit(examine, task).result()
            except BrokenProcessPool:
                yield _lost(task, "the process that read it ended: out of memory?")


def on_dask(todo: Sequence[Task], scheduler: str | None, workers: int) -> Iterator[Result]:
    """On a Dask cluster, or on one of this machine. Dask gives the tasks of a worker that dies to others."""
    try:
        # distributed has no types of its own.
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise UsageError("extra-fleet", "a fleet on Dask needs dask and distributed: pip install 'k8senc[fleet]'") from None
    if scheduler is None:
        with distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster, distributed.Client(cluster) as client:
            yield from with_client(client, todo)
        return
    try:
        client = distributed.Client(scheduler, timeout=30)
    except (OSError, TimeoutError) as error:
        raise RemoteError("fleet-scheduler", f"the Dask scheduler at {escape(scheduler)} does not answer: {escape(str(error))[:200]}") from None
    with client:
        yield from with_client(client, todo)


def with_client(client: Any, todo: Sequence[Task]) -> Iterator[Result]:
    """On the cluster of a `distributed.Client`."""
    distributed: Any = importlib.import_module("distributed")
    futures = {client.submit(examine, task, pure=False): task for task in todo}
    for future in distributed.as_completed(list(futures)):
        error = future.exception()
        if error is not None:
            yield _lost(futures[future], f"its worker failed: {type(error).__name__}: {escape(str(error))[:200]}")
        else:
            yield future.result()
        future.release()


def _lost(task: Task, why: str) -> Result:
    return {task.snapshot: {"config": task.config, "failed": why}}
