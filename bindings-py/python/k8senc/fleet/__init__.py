"""Many snapshots, one report. The same pure functions run one after the other, in processes, and on Dask.

    todo = fleet.tasks(["a.db", "b.db"], fleet.ConfigMap([("*", "/keys/enc.yaml")]))
    found = functools.reduce(fleet.merge, fleet.one_by_one(todo), fleet.EMPTY)
    fleet.report(found)

A task names a snapshot and where its keys are; keys themselves are read where the task runs, and are in no argument and no result.
"""

from k8senc.fleet.finding import find
from k8senc.fleet.merging import EMPTY, merge, report
from k8senc.fleet.running import in_processes, on_dask, one_by_one
from k8senc.fleet.task import ConfigMap, Task, examine, tasks

__all__ = ["EMPTY", "ConfigMap", "Task", "examine", "find", "in_processes", "merge", "on_dask", "one_by_one", "report", "tasks"]
