"""Where a KMS is, as `--kms NAME=WHERE` says it: `aws:`, `gcp:`, `azure:`, `vault:`, each with options as in a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from k8senc.errors import UsageError

if TYPE_CHECKING:
    from k8senc.unwrapping import RemoteKek

__all__ = ["FORMS", "Place", "kek_at"]

FORMS = {
    "aws": "aws:KEY_ARN[?context=NAME=VALUE&endpoint=URL&profile=NAME]",
    "gcp": "gcp:projects/P/locations/L/keyRings/R/cryptoKeys/K[?endpoint=HOST:PORT]",
    "azure": "azure:https://VAULT.vault.azure.net/keys/NAME[/VERSION]",
    "vault": "vault:https://HOST:8200/MOUNT/KEY[?namespace=NS&token-file=PATH&ca=PATH&associated-data=TEXT]",
}


@dataclass(frozen=True)
class Place:
    """A place and its options. An option that is not asked for is an error, so that a typing mistake is one."""

    form: str
    where: str
    options: tuple[tuple[str, str], ...]

    def only(self, *names: str) -> None:
        for name, _ in self.options:
            if name not in names:
                raise UsageError("kms-place", f"{self.form}: has no option {name!r}; it has {', '.join(names)}")

    def one(self, name: str) -> str | None:
        found = [value for option, value in self.options if option == name]
        if len(found) > 1:
            raise UsageError("kms-place", f"{self.form}: option {name!r} is given twice")
        return found[0] if found else None

    def path(self, name: str) -> Path | None:
        found = self.one(name)
        return None if found is None else Path(found)


def kek_at(form: str, rest: str) -> RemoteKek:
    """The key at a place. Raises `UsageError` for what is no place, or an extra that is not installed."""
    where, _, query = rest.partition("?")
    place = Place(form, where, tuple(parse_qsl(query, keep_blank_values=True)))
    if form == "aws":
        from k8senc.unwrapping.aws import AwsKek

        return AwsKek.at(place)
    if form == "gcp":
        from k8senc.unwrapping.gcp import GcpKek

        return GcpKek.at(place)
    if form == "azure":
        from k8senc.unwrapping.azure import AzureKek

        return AzureKek.at(place)
    if form == "vault":
        from k8senc.unwrapping.vault import VaultKek

        return VaultKek.at(place)
    raise UsageError("kms-place", f"{form}: is none of {', '.join(FORMS)}")


def extra(name: str, package: str) -> UsageError:
    """The error of an extra that is not installed."""
    return UsageError(f"extra-{name}", f"asking {package} needs more: pip install 'k8senc[{name}]'")
