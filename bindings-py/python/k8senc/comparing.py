"""What configurations do differently."""

from __future__ import annotations

from collections.abc import Iterable

from k8senc._native import Config, changes

__all__ = ["diff"]


def diff(texts: Iterable[str | bytes | Config]) -> list[list[str]]:
    """What each configuration after the first does differently from it, one sentence each; an empty list is "the same".

    Who writes and who can read is compared, not the text. Raises ConfigError for a text that kube-apiserver refuses.
    """
    configs = [text if isinstance(text, Config) else Config.parse(text) for text in texts]
    return [changes(configs[0], other) for other in configs[1:]]
