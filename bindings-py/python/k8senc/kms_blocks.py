"""The KMS blocks of a configuration, with where their plugins listen."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

from k8senc._native import Config
from k8senc.errors import UsageError
from k8senc.kms_client import DEFAULT_TIMEOUT

__all__ = ["Block", "blocks"]

_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNIT = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Block:
    """One KMS provider."""

    name: str
    version: str
    endpoint: str
    timeout: float
    writes: tuple[str, ...]
    """Rules that write with it."""


def blocks(text: bytes) -> list[Block]:
    """The blocks of a configuration that kube-apiserver takes, each name once. Raises `ConfigError` when it takes none."""
    known = dict(Config.parse(text).kms_providers)
    if not known:
        return []
    try:
        # PyYAML has no types of its own.
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise UsageError("extra-cluster", "reading where plugins listen needs PyYAML: pip install 'k8senc[cluster]'") from None
    try:
        read = yaml.safe_load(text)
        rules = [(rule.get("resources") or [], rule.get("providers") or []) for rule in read["resources"]]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        # Kubernetes reads some YAML that PyYAML does not.
        raise UsageError("kms-endpoint", "where the plugins listen cannot be read from this file: name the endpoint itself, unix:///path") from None
    found: dict[str, Block] = {}
    for resources, providers in rules:
        for place, provider in enumerate(providers):
            kms = provider.get("kms") if isinstance(provider, dict) else None
            if not isinstance(kms, dict) or kms.get("name") not in known:
                continue
            name = str(kms["name"])
            before = found.get(name)
            writes = (before.writes if before else ()) + (tuple(map(str, resources)) if place == 0 else ())
            found[name] = Block(name, known[name], str(kms.get("endpoint", "")), _seconds(kms.get("timeout")), writes)
    return list(found.values())


def _seconds(text: object) -> float:
    if not text:
        return DEFAULT_TIMEOUT
    return sum(float(number) * _UNIT[unit] for number, unit in _DURATION.findall(str(text))) or DEFAULT_TIMEOUT
