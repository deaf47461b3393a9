"""`k8senc unreadable`: objects that no API server can read any more; found, kept, removed."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from k8senc._native import Config, Recovery, escape, resource_of
from k8senc.command import CLEAN, FINDINGS, UNDECIDED, USAGE, Failure, note, progress, read_config, writes
from k8senc.etcd_access import Access, etcd_options
from k8senc.key_sources import Opening, opening_options

if TYPE_CHECKING:
    from k8senc._native import Chain
    from k8senc.cluster.api import Api
    from k8senc.etcd_client import EtcdClient, KeyValue
    from k8senc.kms import Kms

EXIT_CODES = """\b
Exit codes:
  0  every object opens, or all that did not are removed
  1  some objects do not open
  2  the command or the configuration is wrong
  4  none is known not to open, but some wait for a KMS that was not asked or refused, or there was none to read
  5  etcd or a KMS could not be reached
  130  interrupted; each object is either there or removed, and each removed one is kept"""

_PAGE = 200


@click.command(epilog=EXIT_CODES)
@etcd_options
@click.option("-c", "--config", "config_file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The EncryptionConfiguration in use.")
@opening_options
@click.option("--resource", metavar="NAME", help="Only this resource, such as secrets or deployments.apps.")
@click.option("--save", type=click.Path(path_type=Path), metavar="DIR", help="Keep the stored value of each in this new folder (0700), with index.jsonl. They are still encrypted.")
@click.option("--remove", type=click.Choice(["api", "etcd"]), help="Delete them: through an API server that allows it, or from etcd itself, each only if nobody changed it since. Needs --save.")
@click.option("--kubeconfig", metavar="FILE", help="For --remove api; by default KUBECONFIG, the pod's service account, or ~/.kube/config.")
@click.option("--context", "context_name", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--etcd-prefix", metavar="PREFIX", default="/registry", show_default=True, help="kube-apiserver's --etcd-prefix.")
@click.option("--max-kms-calls", type=click.IntRange(min=0), default=1_000, show_default=True, metavar="N", help="Stop when more KMS calls are needed.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing.")
@click.pass_context
def unreadable(
    context: click.Context,
    endpoint: str | None,
    etcd: Access,
    config_file: Path,
    opening: Opening,
    resource: str | None,
    save: Path | None,
    remove: str | None,
    kubeconfig: str | None,
    context_name: str | None,
    form: str,
    etcd_prefix: str,
    max_kms_calls: int,
    yes: bool,
) -> None:
    """Which objects of a live etcd kube-apiserver cannot read with a configuration: one such object makes every list of
    its resource fail, and kubectl cannot delete it.

    First try to get them back: k8senc decrypt --key ..., k8senc reseal. What is lost can be kept (--save) and removed.
    --remove api asks the API server to delete without reading: the gate AllowUnsafeMalformedObjectDeletion (1.32 and
    newer; on by default from 1.37) and the verb unsafe-delete-ignore-read-errors are needed. --remove etcd is for all
    others. Both look at no finalizer and no owner.

    \b
    Examples:
      k8senc unreadable --endpoint https://127.0.0.1:2379 --cacert ca.crt --cert c.crt --cert-key c.key -c enc.yaml
      k8senc unreadable --endpoint ... -c enc.yaml --resource secrets --save lost
      k8senc unreadable --endpoint ... -c enc.yaml --resource secrets --save lost --remove etcd
    """
    client = etcd.client_if(endpoint)
    if client is None:
        raise Failure(USAGE, "a live etcd is needed: --endpoint; k8senc audit reads snapshots")
    if remove is None and (kubeconfig or context_name):
        raise Failure(USAGE, "--kubeconfig and --context are for --remove api")
    if remove is not None and save is None:
        raise Failure(USAGE, "--remove needs --save DIR: nothing is removed that is not kept")
    api = None
    if remove == "api":
        from k8senc.cluster import kubeconfig as access
        from k8senc.cluster.api import Api

        api = Api(access.load(kubeconfig, context_name))
    config = read_config(config_file)
    kms = opening.kms(config)
    scan = _Scan(client, config, kms, os.fsencode(etcd_prefix), resource, max_kms_calls)
    found = list(scan.run())
    for item, code, text in found:
        _tell(item, code, text, form)
    waits = f", {scan.undecided:,} wait for a KMS that was not asked or refused" if scan.undecided else ""
    note(f"{scan.read:,} objects read at revision {scan.revision}, {len(found):,} do not open{waits}")
    if save is not None and found:
        _save(save, found)
    removed = _remove(client, api, scan.prefix, found, yes) if remove and found else 0
    if len(found) > removed:
        context.exit(FINDINGS)
    if not scan.read:
        what = "no Kubernetes object" if resource is None else f"no object of {escape(resource)}"
        note(f"{what} is below {escape(scan.prefix)}, so nothing is known to open: look at --etcd-prefix" + ("" if resource is None else " and at the name, such as secrets or deployments.apps"))
        context.exit(UNDECIDED)
    context.exit(UNDECIDED if scan.undecided else CLEAN)


class _Scan:
    """All objects, page by page, at one revision."""

    def __init__(self, client: EtcdClient, config: Config, kms: dict[str, Kms], prefix: bytes, wanted: str | None, most: int) -> None:
        self.client, self.config, self.kms, self.wanted, self.most = client, config, kms, wanted, most
        self.prefix = b"/" + prefix.strip(b"/") + b"/"
        self.read = self.undecided = self.revision = self.calls = 0
        self._chains: dict[str, Chain] = {}

    def run(self) -> Iterator[tuple[KeyValue, str, str]]:
        """Each object that does not open, with the code and kube-apiserver's own words."""
        with progress("reading") as told:
            for page in self.client.pages(self.prefix, size=_PAGE):
                self.revision = self.revision or page.revision
                groups: dict[str, list[KeyValue]] = {}
                for item in page.items:
                    name = resource_of(item.key, self.prefix)
                    if name is not None and (self.wanted is None or name == self.wanted):
                        groups.setdefault(name, []).append(item)
                for name, items in groups.items():
                    yield from self._judge(name, items)
                if told is not None:
                    told(self.read, self.read + page.count - len(page.items))

    def _judge(self, name: str, items: list[KeyValue]) -> Iterator[tuple[KeyValue, str, str]]:
        chain = self._chains.get(name)
        if chain is None:
            chain = self._chains[name] = self.config.chain(name, self.kms)
        self.calls += sum(1 for need in chain.needs([item.value for item in items]) if getattr(self.kms.get(need.provider), "remote", need.provider in self.kms))
        if self.calls > self.most:
            raise Failure(USAGE, f"more than the {self.most:,} KMS calls of --max-kms-calls are needed; nothing was changed")
        for item, judged in zip(items, chain.judge_many([(item.key, item.value) for item in items]), strict=True):
            self.read += 1
            if judged.code in ("dek-needed", "dek-refused", "dek-missing"):
                self.undecided += 1
            elif not judged.opens:
                yield item, judged.code or "", judged.upstream or judged.message or ""
            elif not judged.authenticated and judged.provider == "aescbc" and self._is_noise(item):
                yield item, "not-an-object", "it opens to no object: wrong key, or damaged"

    def _is_noise(self, item: KeyValue) -> bool:
        entries: list[str] = []
        Recovery(None, self.config, format="raw", etcd_prefix=self.prefix).value(item.value, item.key, lambda *_: None, entries.append)
        outcome: str = json.loads(entries[0])["outcome"]
        return outcome == "refused"


def _tell(item: KeyValue, code: str, text: str, form: str) -> None:
    if form == "json":
        click.echo(json.dumps({"etcdKey": escape(item.key), "modRevision": item.mod_revision, "bytes": len(item.value), "code": code, "text": escape(text)}))
    else:
        click.echo(f"{escape(item.key)}  {code}: {escape(text)}")


def _save(folder: Path, found: list[tuple[KeyValue, str, str]]) -> None:
    from k8senc.repairing import keep

    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise Failure(USAGE, f"{escape(str(folder))} cannot be made: {error.strerror}; nothing was removed") from None
    lines = []
    for number, (item, code, _) in enumerate(found, 1):
        file = f"{number:06}.value"
        keep(folder, file, item.value)
        lines.append(json.dumps({"file": file, "etcdKey": escape(item.key), "modRevision": item.mod_revision, "createRevision": item.create_revision, "lease": item.lease, "code": code}))
    keep(folder, "index.jsonl", ("\n".join(lines) + "\n").encode())
    note(f"{len(found):,} stored values are in {escape(str(folder))}; k8senc reseal --value puts one back once a key is found")


def _remove(client: EtcdClient, api: Api | None, prefix: bytes, found: list[tuple[KeyValue, str, str]], yes: bool) -> int:
    where = "from etcd, without the API server" if api is None else f"through {escape(api.server)}, without reading them"
    if not yes:
        kinds = Counter(code for _, code, _ in found)
        note(", ".join(f"{count:,} {code}" for code, count in sorted(kinds.items())))
        click.confirm(f"Delete {len(found):,} objects {where}?", abort=True, err=True)
    paths = {} if api is None else _paths(api, prefix, [item.key for item, _, _ in found])
    writes("each object is either there or removed, and all are kept")
    removed = 0
    for item, _, _ in found:
        if api is None:
            if client.remove(item) is None:
                note(f"{escape(item.key)} was changed meanwhile: it is left as it is")
                continue
        elif not _asked(api, item.key, paths.get(item.key)):
            continue
        removed += 1
    note(f"{removed:,} objects are removed")
    return removed


def _asked(api: Api, key: bytes, path: str | None) -> bool:
    from k8senc.cluster.api import Refused

    if path is None:
        note(f"{escape(key)}: the cluster serves no such resource; --remove etcd deletes it")
        return False
    try:
        api.delete(path, ignoreStoreReadErrorWithClusterBreakingPotential="true")
    except Refused as error:
        if error.status == 404:
            return True
        note(f"{escape(key)}: {error}")
        return False
    return True


def _paths(api: Api, prefix: bytes, keys: list[bytes]) -> dict[bytes, str]:
    from k8senc.cluster.targets import found_in, named

    names = {key: resource_of(key, prefix) or "" for key in keys}
    targets, _ = found_in(api, named(sorted(set(names.values()))), None)
    served = {target.name: target for target in targets}
    paths = {}
    for key, name in names.items():
        target = served.get(name)
        parts = [os.fsdecode(part) for part in key.removeprefix(prefix).split(b"/")]
        if target is not None and len(parts) >= (3 if target.namespaced else 2):
            paths[key] = target.path(parts[-2] if target.namespaced else "", parts[-1])
    return paths
