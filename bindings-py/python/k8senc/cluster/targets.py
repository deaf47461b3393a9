"""Which resources are to be written again: named, taken from a plan or from a configuration, and found in the cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k8senc._native import Config, coverage, escape
from k8senc.cluster.api import Api, Refused
from k8senc.errors import UsageError

__all__ = ["Target", "Wanted", "found_in", "from_config", "from_plan", "named", "rbac"]

# What the planner writes; a command of another form is refused, not guessed at.
_MANIFEST = re.compile(r'group: "(?P<group>[^"]*)"\n(?:    version: v1\n)?    resource: (?P<resource>\S+)\nEOF$')
_GET = re.compile(r"kubectl get (?P<name>[a-z0-9.-]+) (?:--all-namespaces|-n \"\$\{ns#namespace/\}\") -o json \| kubectl replace -f -(?:; done)?$")
_GROUP = re.compile(r"^for r in \$\(kubectl api-resources(?: --api-group=(?P<group>\S+))? --verbs=")
_WAITS = re.compile(r"^kubectl wait --for=condition=Succeeded ")
_SLEEP = re.compile(r"^sleep (\d+)$")


@dataclass(frozen=True)
class Target:
    """One resource as the cluster serves it."""

    group: str
    version: str
    resource: str
    namespaced: bool = True
    kind: str = ""
    lists: bool = True
    patches: bool = True

    @property
    def name(self) -> str:
        """As an EncryptionConfiguration names it."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def path(self, namespace: str = "", name: str = "") -> str:
        """Its path; of one namespace, or of one object."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.resource)
        return "/".join(parts + ([name] if name else []))


@dataclass(frozen=True)
class Wanted:
    """What is to be written again: resources by name, and whole groups ("*" is every group)."""

    names: tuple[str, ...]
    groups: tuple[str, ...] = ()
    settle: int | None = None
    """Seconds that a plan waits before."""


def named(names: Iterable[str]) -> Wanted:
    """Resources that the user names, as `secrets` or `deployments.apps`."""
    return Wanted(tuple(dict.fromkeys(name.removesuffix(".") for name in names)))


def from_config(config: Config) -> Wanted:
    """What some rule of a configuration takes. Built-in resources by name; a wildcard may take custom ones, which the cluster knows."""
    taken = [one for one in coverage(config) if one.rule is not None]
    rules = {one.rule for one in taken if one.rule}
    wild = tuple(sorted(rule.partition(".")[2] for rule in rules if rule.startswith("*.")))
    return Wanted(tuple(one.resource for one in taken), wild)


def from_plan(text: bytes) -> Wanted:
    """The rewrite step of `k8senc plan --format json`."""
    try:
        steps = [step for step in json.loads(text)["steps"] if isinstance(step, Mapping)]
    except (ValueError, KeyError, TypeError):
        raise UsageError("plan", "this is no plan of k8senc plan --format json") from None
    rewrites = [step for step in steps if step.get("name") == "rewrite"]
    if not rewrites:
        raise UsageError("plan", "the plan has no rewrite step: nothing is to be written again")
    names: dict[str, None] = {}
    groups: dict[str, None] = {}
    for command in (str(command.get("text", "")) for step in rewrites for command in step.get("commands", [])):
        if whole := _GROUP.match(command):
            groups[(whole["group"] or "*").strip("'")] = None
        elif manifest := _MANIFEST.search(command):
            names[f"{manifest['resource']}.{manifest['group']}" if manifest["group"] else manifest["resource"]] = None
        elif get := _GET.search(command):
            names[get["name"]] = None
        elif not _WAITS.match(command):
            raise UsageError("plan", "a command of the plan's rewrite step is of another form: is it of another release of k8senc? Name the resources with --resource")
    sleeps = [_SLEEP.match(str(command.get("text", ""))) for step in steps if step.get("name") == "settle" for command in step.get("commands", [])]
    return Wanted(tuple(names), tuple(groups), max((int(one[1]) for one in sleeps if one), default=None))


def found_in(api: Api, wanted: Wanted, config: Config | None) -> tuple[list[Target], list[str]]:
    """The wanted resources that the cluster serves, and the names of those it does not."""
    served = _discovered(api)
    by_name = {target.name: target for target in served}
    found = {name: by_name[name] for name in wanted.names if name in by_name}
    absent = [name for name in wanted.names if name not in by_name]
    builtin = {one.resource: one.rule for one in coverage(config)} if config is not None else {}
    for target in served:
        if not any(group in ("*", target.group) for group in wanted.groups):
            continue
        if target.name in builtin and builtin[target.name] is None:
            continue
        if target.lists and target.patches:
            found[target.name] = target
    for target in found.values():
        if not (target.lists and target.patches):
            raise UsageError("target", f"{target.name} can not be listed and patched in this cluster")
    return sorted(found.values(), key=lambda target: (target.group, target.resource)), absent


def _discovered(api: Api) -> list[Target]:
    """Every stored resource in its preferred version. A group whose server is away is left out: it is not in this etcd."""
    versions = [("", "v1", "/api/v1")]
    for group in api.get("/apis").get("groups", []):
        best = group["preferredVersion"]["version"]
        # Resources that the preferred version lacks are in another one.
        others = [one["version"] for one in group["versions"] if one["version"] != best]
        versions += [(group["name"], version, f"/apis/{group['name']}/{version}") for version in [best, *others]]
    found: dict[tuple[str, str], Target] = {}
    for group, version, path in versions:
        try:
            listed: list[dict[str, Any]] = api.get(path).get("resources", [])
        except Refused as error:
            if error.status in (404, 503):
                continue
            raise
        for one in listed:
            name, verbs = str(one["name"]), set(one.get("verbs", []))
            if "/" in name or "list" not in verbs:
                continue
            found.setdefault((group, name), Target(group, version, name, bool(one["namespaced"]), str(one["kind"]), True, "patch" in verbs))
    return list(found.values())


def rbac(targets: Iterable[Target | str], *, migration: bool = True, name: str = "k8senc-reencrypt") -> str:
    """The ClusterRole that a rewrite needs, with a ServiceAccount and its binding, as YAML."""
    groups: dict[str, list[str]] = {}
    for target in targets:
        text = target if isinstance(target, str) else target.name
        resource, _, group = text.partition(".")
        groups.setdefault(group, []).append(resource)
    lines = ["apiVersion: v1", "kind: ServiceAccount", f"metadata: {{name: {name}, namespace: kube-system}}", "---"]
    lines += ["apiVersion: rbac.authorization.k8s.io/v1", "kind: ClusterRole", f"metadata: {{name: {name}}}", "rules:"]
    lines.append("# Lists give names without data, an empty patch has each object written as it is.")
    for group, resources in sorted(groups.items()):
        quoted = ", ".join(f'"{one}"' for one in sorted(resources))
        lines.append(f'- {{apiGroups: ["{group}"], resources: [{quoted}], verbs: ["list", "patch"]}}')
    if migration:
        lines.append("# Where the cluster rewrites by itself (StorageVersionMigration).")
        lines.append('- {apiGroups: ["storagemigration.k8s.io"], resources: ["storageversionmigrations"], verbs: ["create", "get"]}')
    lines.append("# Which file and which KMS key the server uses, and whether it is ready.")
    lines.append('- {nonResourceURLs: ["/metrics", "/readyz", "/readyz/*"], verbs: ["get"]}')
    lines += ["---", "apiVersion: rbac.authorization.k8s.io/v1", "kind: ClusterRoleBinding", f"metadata: {{name: {name}}}"]
    lines.append(f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}}")
    lines.append(f"subjects: [{{kind: ServiceAccount, name: {name}, namespace: kube-system}}]")
    return "\n".join(lines) + "\n"


def shown(names: Iterable[str]) -> str:
    """Names in one line."""
    return ", ".join(escape(name) for name in names)
