"""StorageVersionMigration objects: the cluster's own controller rewrites, gently and by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from k8senc._native import escape
from k8senc.cluster.api import Api, Refused
from k8senc.cluster.targets import Target
from k8senc.errors import RemoteError

__all__ = ["Migration", "MigrationFailed", "served"]

GROUP = "storagemigration.k8s.io"
# Alpha 1.30 to 1.34, beta 1.35 and 1.36, stable from 1.37 on.
_KNOWN = ("v1", "v1beta1", "v1alpha1")
_POLL = 2.0
# The controller's first condition comes within seconds; none means that nobody runs it.
_SILENCE = 120.0
# A migration whose controller died says "Running" for ever.
_REMINDER = 120.0


class MigrationFailed(RemoteError):
    """The controller gave up, or is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("migration", message)


def served(api: Api) -> str | None:
    """The newest version of the API that the cluster serves; None when it has none."""
    try:
        group = api.get(f"/apis/{GROUP}")
    except Refused as error:
        if error.status in (403, 404):
            return None
        raise
    offered = {one["version"] for one in group.get("versions", [])}
    return next((version for version in _KNOWN if version in offered), None)


class Migration:
    """One StorageVersionMigration."""

    def __init__(self, api: Api, version: str, target: Target, name: str, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep, silence: float = _SILENCE) -> None:
        self._api, self._version, self._target, self.name = api, version, target, name
        self._clock, self._sleep, self._silence = clock, sleep, silence

    @property
    def path(self) -> str:
        return f"/apis/{GROUP}/{self._version}/storageversionmigrations"

    def document(self) -> dict[str, Any]:
        """What is sent."""
        resource = {"group": self._target.group, "resource": self._target.resource}
        if self._version == "v1alpha1":
            resource["version"] = self._target.version
        return {
            "apiVersion": f"{GROUP}/{self._version}",
            "kind": "StorageVersionMigration",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/managed-by": "k8senc"}},
            "spec": {"resource": resource},
        }

    def create(self) -> None:
        """Begins it; one that is there already is followed."""
        try:
            self._api.post(self.path, self.document())
        except Refused as error:
            if error.status != 409:
                raise

    def follow(self, told: Callable[[str], None]) -> None:
        """Waits for its end. Raises `MigrationFailed`; Ctrl-C leaves it running in the cluster."""
        began = heard = spoke = self._clock()
        said, started = "", False
        while True:
            conditions = self._conditions()
            now = self._clock()
            if conditions is None:
                if now - heard > self._silence:
                    raise MigrationFailed(f"the API server has not answered for {now - heard:.0f} s; the StorageVersionMigration {self.name} may go on in the cluster: run the same command again to follow it")
                self._sleep(_POLL)
                continue
            heard = now
            if "Succeeded" in conditions:
                return
            if "Failed" in conditions:
                raise MigrationFailed(f"the StorageVersionMigration {self.name} failed: {escape(str(conditions['Failed'].get('message') or conditions['Failed'].get('reason', '')))}")
            if "Running" in conditions:
                started = True
                words = escape(str(conditions["Running"].get("message", "running")))
                if words != said:
                    said, spoke = words, now
                    told(words)
            if not started and now - began > self._silence:
                raise MigrationFailed(f"nobody works on the StorageVersionMigration {self.name}: kube-controller-manager needs the feature gate StorageVersionMigrator; or use --by requests")
            if started and now - spoke > _REMINDER:
                spoke = now
                told(f"running for {(now - began) / 60:.0f} min, and the cluster tells no more than that; it never ends if kube-controller-manager is down. Ctrl-C leaves it to the cluster, --by requests does without it")
            self._sleep(_POLL)

    def _conditions(self) -> dict[str, dict[str, Any]] | None:
        """The conditions that hold, by type; None when the server does not answer just now."""
        try:
            status = self._api.get(f"{self.path}/{self.name}").get("status") or {}
        except Refused as error:
            if error.status == 404:
                raise MigrationFailed(f"the StorageVersionMigration {self.name} was deleted while it ran") from None
            if not error.passes:
                raise
            return None
        except RemoteError:
            return None
        return {str(one["type"]): one for one in status.get("conditions") or [] if one.get("status") == "True"}
