"""`k8senc reencrypt`: every object written again with today's key."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from k8senc._native import Config, escape
from k8senc.command import CLEAN, FINDINGS, HEARTBEAT_SECONDS, UNDECIDED, USAGE, Failure, about, animated, kms_of, note, progress, read_config, read_file, writes
from k8senc.errors import RemoteError
from k8senc.etcd_access import Access, etcd_options

if TYPE_CHECKING:
    from k8senc.cluster.api import Api
    from k8senc.cluster.journal import Journal
    from k8senc.cluster.proof import Proof
    from k8senc.cluster.rewriting import Choice, Told
    from k8senc.cluster.servers import Seen
    from k8senc.cluster.targets import Target, Wanted
    from k8senc.etcd_client import EtcdClient
    from k8senc.kms import Kms

EXIT_CODES = """\b
Exit codes:
  0  everything was rewritten (and proved, where a proof was asked for)
  1  some objects failed, or the proof found something stale
  2  the command, the configuration or the kubeconfig is wrong, or it is too early
  4  the proof could not decide: a KMS was not asked
  5  the API server cannot be reached, or too much failed
  130  interrupted: the same command goes on where it stopped"""


@click.command(epilog=EXIT_CODES)
@click.option("-c", "--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="The EncryptionConfiguration in use. Says what is encrypted, when a rewrite may begin, and what the proof is judged with.")
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), metavar="JSON", help="Carry out the rewrite step of this plan (k8senc plan --format json).")
@click.option("--resource", "resources", multiple=True, metavar="NAME", help="Rewrite this resource, such as secrets or deployments.apps. Repeatable; by default what the configuration or the plan names.")
@click.option("--kubeconfig", metavar="FILE", help="By default KUBECONFIG, the pod's service account, or ~/.kube/config.")
@click.option("--context", "context_name", metavar="NAME", help="The context of the kubeconfig.")
@click.option("--server", "servers", multiple=True, metavar="URL", help="Every API server, where there are several: each is asked whether it uses the configuration. The first one is written through.")
@click.option("--journal", "journal_file", type=click.Path(path_type=Path), default=Path("k8senc-reencrypt.journal"), show_default=True, metavar="FILE", help="What is done so far. The same command goes on from it.")
@click.option("--by", type=click.Choice(["auto", "migration", "requests"]), default="auto", show_default=True, help="StorageVersionMigration where the cluster has it, or requests of our own.")
@click.option("--canary", metavar="NAMESPACE", help="Rewrite this namespace first; go on only if nothing failed.")
@click.option("--rate", type=click.FloatRange(min=0), default=0.0, metavar="N", help="At most N objects a second; as fast as the cluster takes well by default.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, metavar="N", help="At most N requests at once. It begins with two, and has fewer while the cluster is slow.")
@click.option("--max-errors", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Stop when more objects failed for good.")
@click.option("--dry-run", type=click.Choice(["none", "server"]), default="none", show_default=True, help="server: every request is checked by the API server and nothing is written.")
@etcd_options
@click.option("--skip-fresh", "seen_file", type=click.Path(path_type=Path), metavar="FILE", help="A snapshot, or a JSON report of k8senc audit on one: what is not stale there is not touched.")
@click.option("--prove", "proof_file", type=click.Path(path_type=Path), metavar="SNAPSHOT", help="After the rewrite, or after one that is done: audit this snapshot, which must be newer.")
@click.option("--prove-with", "proof_command", metavar="COMMAND", help="Take the snapshot for the proof with this; {} is the file. Such as: 'etcdctl snapshot save {}'")
@click.option("--kms", "kms_specs", multiple=True, metavar="NAME=WHERE", help="Who answers for the KMS provider NAME in the proof, as in k8senc audit.")
@click.option("--changed-at", metavar="TIME", help="When the last server took the configuration, or the KEK changed, such as 2026-11-23T14:00:00Z.")
@click.option("--kms-delay", type=click.IntRange(min=0), default=0, metavar="SECONDS", help="How late the KMS plugin may see a new KEK.")
@click.option("--settled", is_flag=True, help="Begin at once: every server uses the configuration, and its KMS key, since more than three minutes.")
@click.option("--print-rbac", is_flag=True, help="Print the role that this needs, and end.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def reencrypt(
    context: click.Context,
    config_file: Path | None,
    plan_file: Path | None,
    resources: tuple[str, ...],
    kubeconfig: str | None,
    context_name: str | None,
    servers: tuple[str, ...],
    journal_file: Path,
    by: str,
    canary: str | None,
    rate: float,
    concurrency: int,
    max_errors: int,
    dry_run: str,
    endpoint: str | None,
    etcd: Access,
    seen_file: Path | None,
    proof_file: Path | None,
    proof_command: str | None,
    kms_specs: tuple[str, ...],
    changed_at: str | None,
    kms_delay: int,
    settled: bool,
    print_rbac: bool,
    form: str,
) -> None:
    """Write every object again, as it is, so that it is stored with today's provider and key.

    The API server does the work: an empty patch makes it write an object if, and only if, what is stored is
    stale. No data leaves it, lists give names alone. A killed run goes on where it was, and ends in the same state.

    \b
    Examples:
      k8senc reencrypt -c encryption-config.yaml --print-rbac
      k8senc reencrypt -c encryption-config.yaml --dry-run server
      k8senc reencrypt -c encryption-config.yaml --canary staging --prove-with 'etcdctl snapshot save {}'
      k8senc reencrypt -c encryption-config.yaml --rate 50 --skip-fresh before.db
      k8senc reencrypt -c encryption-config.yaml --endpoint https://127.0.0.1:2379 --cacert ca.crt --cert c.crt --cert-key c.key
      k8senc reencrypt -c plan/step-3.yaml --plan plan.json --server https://10.0.0.1:6443 --server https://10.0.0.2:6443
    """
    from k8senc.cluster import kubeconfig as access
    from k8senc.cluster import targets as finding
    from k8senc.cluster.api import Api
    from k8senc.cluster.journal import Journal

    config = read_config(config_file) if config_file else None
    wanted = _wanted(config, plan_file, resources)
    if print_rbac and not wanted.groups:
        click.echo(finding.rbac(wanted.names), nl=False)
        context.exit(CLEAN)
    if (proof_file or proof_command or seen_file or endpoint) and config is None:
        raise Failure(USAGE, "a proof, and what is fresh, are judged with the configuration: give --config FILE")
    if proof_file and proof_command:
        raise Failure(USAGE, "--prove and --prove-with are two ways to the same: one of them")
    kms = kms_of(kms_specs, config)
    # Seen live, etcd says what is left to do and, at the end, whether anything is.
    live = etcd.client_if(endpoint)
    api = Api(access.load(kubeconfig, context_name), server=servers[0] if servers else None, connections=concurrency + 2)
    try:
        found, absent = finding.found_in(api, wanted, config)
        if print_rbac:
            click.echo(finding.rbac(found), nl=False)
            context.exit(CLEAN)
        if absent and resources:
            raise Failure(USAGE, f"the cluster has no {finding.shown(absent)}")
        if not found:
            raise Failure(USAGE, "the cluster serves none of the resources that the configuration takes")
        dry = dry_run == "server"
        header = {
            "server": api.server if not servers else servers[0],
            "config": config.content_hash if config else None,
            "resources": hashlib.sha256("\n".join(target.name for target in found).encode()).hexdigest(),
            "canary": canary,
            "dryRun": dry,
        }
        with Journal(journal_file, header) as journal:
            if journal.finished is None:
                others = [Api(api.access, server=server) for server in servers[1:]]
                if not dry:
                    _may_begin([api, *others], config, max(kms_delay, (wanted.settle or 180) - 180), _moment(changed_at), settled, journal)
                choice = _choice(seen_file, live, config, kms, found)
                how = _how(api, by, found, rate=rate, dry=dry, seen=seen_file is not None or live is not None, journal=journal)
                _run(api, found, journal, choice, how, canary=canary, rate=rate, concurrency=concurrency, max_errors=max_errors, dry=dry, journal_file=journal_file)
            else:
                note("the journal says that this rewrite is done" + ("" if proof_file or proof_command or live else "; delete the journal to begin another"))
            proof = None
            if config is not None and not dry and (proof_file or proof_command or live):
                proof = _prove(proof_file, proof_command, live, config, kms, [target.name for target in found], int((journal.finished or {}).get("revision", 0)))
            _report(journal, found, proof, form, dry)
            failed = sum(len(one.failed) for one in journal.resources.values())
    finally:
        api.close()
        if live is not None:
            live.close()
    if failed or (proof is not None and (proof.stale or proof.unreadable or proof.too_old or proof.damaged)):
        context.exit(FINDINGS)
    context.exit(UNDECIDED if proof is not None and not proof.holds else CLEAN)


def _wanted(config: Config | None, plan_file: Path | None, resources: tuple[str, ...]) -> Wanted:
    from k8senc.cluster import targets as finding

    if resources:
        return finding.named(resources)
    if plan_file is not None:
        return finding.from_plan(read_file(plan_file, "the plan"))
    if config is not None:
        return finding.from_config(config)
    raise Failure(USAGE, "what is to be rewritten? Give --config FILE, --plan JSON or --resource NAME")


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise Failure(USAGE, f"--changed-at {text!r} is no time such as 2026-11-23T14:00:00Z") from None
    if when.tzinfo is None:
        raise Failure(USAGE, f"--changed-at {text!r} has no time zone: end it with Z for UTC")
    return when.timestamp()


def _may_begin(apis: list[Api], config: Config | None, delay: int, changed_at: float | None, settled: bool, journal: Journal) -> None:
    """Refuses while a server may still write with what was before."""
    from k8senc.cluster import servers

    seen: list[Seen] = []
    for api in apis:
        seen.append(servers.look(api))
        api_seen = seen[-1]
        if api_seen.ready is False and not settled:
            raise Failure(USAGE, f"{escape(api.server)} is not ready: {escape(api_seen.failing['readyz'])}; k8senc kms doctor may say why")
        if config is not None and api_seen.file_hash not in (None, config.content_hash):
            raise Failure(USAGE, f"{escape(api.server)} uses another configuration ({escape(str(api_seen.file_hash))}) than --config ({config.content_hash}): what it writes would not be what this is to end with")
    if settled or config is None or not config.kms_providers:
        return
    left = servers.settled_in(seen, delay=delay, changed_at=changed_at)
    if left is None:
        why = next((one.why_not for one in seen if not one.metrics), "its metrics do not tell")
        raise Failure(USAGE, f"since when the servers use this KMS key is not known ({escape(why)}), and for three minutes after a change they may write with the old one: give --changed-at TIME, or --settled")
    seconds, who = left
    if seconds > 0:
        raise Failure(USAGE, f"too early by {seconds:.0f} s: by {escape(who)} the last change is not {servers.SETTLING_SECONDS + delay} s ago, and a server may still write with the seed of before; wait, or say --settled")


def _choice(seen_file: Path | None, live: EtcdClient | None, config: Config | None, kms: dict[str, Kms], found: list[Target]) -> Choice:
    from k8senc._native import Audit
    from k8senc.cluster.rewriting import Choice, choose

    if seen_file is None and live is not None and config is not None:
        from k8senc.cluster.proof import seen_in_etcd

        with progress("looking for what is stale") as told:
            return choose(seen_in_etcd(live, config, kms, progress=told), found)
    if seen_file is None or config is None:
        return Choice()
    with seen_file.open("rb") if seen_file.is_file() else _absent(seen_file) as file:
        begins = file.read(1)
    if begins == b"{":
        try:
            report: dict[str, Any] = json.loads(read_file(seen_file, "the report"))
            if report.get("kind") != "k8senc-audit" or not report.get("judged"):
                raise Failure(USAGE, f"{escape(str(seen_file))} is no report of k8senc audit with --config")
            return choose(report, found)
        except (ValueError, KeyError, TypeError):
            raise Failure(USAGE, f"{escape(str(seen_file))} is no report of k8senc audit --format json") from None
    with about(seen_file), progress("looking for what is stale") as told:
        text, _ = Audit(seen_file, config, examples=1000).report(told)
    return choose(json.loads(text), found)


def _absent(file: Path) -> Any:
    raise Failure(USAGE, f"{escape(str(file))} is no file")


def _how(api: Api, by: str, found: list[Target], *, rate: float, dry: bool, seen: bool, journal: Journal) -> str | None:
    """The version of StorageVersionMigration to use, or None for requests."""
    from k8senc.cluster import migration

    if any(one.migration for one in journal.resources.values()):
        by = "migration"
    elif by == "requests" or (by == "auto" and (rate or dry or seen)):
        return None
    if by == "migration" and (rate or dry):
        raise Failure(USAGE, "a StorageVersionMigration has no --rate and no --dry-run: use --by requests")
    version = migration.served(api)
    if version is None and by == "migration":
        raise Failure(USAGE, "the cluster does not serve storagemigration.k8s.io, which is on by default from Kubernetes 1.37 on: use --by requests")
    return version


def _run(
    api: Api, found: list[Target], journal: Journal, choice: Choice, how: str | None, *, canary: str | None, rate: float, concurrency: int, max_errors: int, dry: bool, journal_file: Path
) -> None:
    from k8senc.cluster.pace import Pace
    from k8senc.cluster.rewriting import Rewrite, Stopped

    writes(f"what was rewritten is in {escape(str(journal_file))}, and the same command goes on from there")
    if journal.resumed:
        note(f"going on from {escape(str(journal_file))}: {sum(one.looked_at for one in journal.resources.values()):,} objects are done")
    screen = _Screen()
    with screen:
        run = Rewrite(api, journal, Pace(rate, concurrency, max_errors), dry_run=dry, choice=choice, without=canary or "", told=screen.told)
        try:
            if canary and not journal.canary_done:
                run.run(found, namespace=canary, strict=True)
                journal.canary()
                note(f"{escape(canary)} is done without a failure; going on with the rest")
            if how is None:
                run.run(found)
            else:
                _migrate(api, how, found, journal, choice)
        except Stopped as stopped:
            raise Failure(5, f"{stopped}; {_worst(journal)}. Nothing is lost: the same command goes on") from None
        except RemoteError as error:
            if getattr(error, "status", 0) == 500:
                raise Failure(5, f"{error}. One object that cannot be read blocks the list of its resource: k8senc audit on a snapshot names it") from None
            raise
        finally:
            run.close()
    if not any(one.failed for one in journal.resources.values()):
        journal.finish(revision=_revision(api, found), at=int(time.time()))


def _migrate(api: Api, version: str, found: list[Target], journal: Journal, choice: Choice) -> None:
    from k8senc.cluster.migration import Migration

    run = hashlib.sha256(f"{journal.path.absolute()}{time.time()}".encode()).hexdigest()[:8]
    under_way = []
    for target in found:
        told = journal.progress(target.name)
        if told.done or target.name in choice.nothing:
            continue
        if told.migration is None:
            # The name is on disk before the object is made, so that a killed run finds it again.
            told.migration = f"k8senc-{target.name}-{run}"
            journal.note(target.name)
        one = Migration(api, version, target, told.migration)
        one.create()
        under_way.append((target, one))
    writes("the StorageVersionMigrations go on in the cluster, and the same command waits for them again")
    for target, one in under_way:
        note(f"{target.name}: StorageVersionMigration {one.name}")
        one.follow(lambda said, name=target.name: note(f"{name}: {said}"))  # type: ignore[misc]
        journal.progress(target.name).done = True
        journal.note(target.name)


def _revision(api: Api, found: list[Target]) -> int:
    """Etcd's revision now, as a list tells it: a snapshot must not be older."""
    told = api.get(found[0].path(), accept="application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", limit=1)
    text = str((told.get("metadata") or {}).get("resourceVersion", "0"))
    return int(text) if text.isdecimal() else 0


def _worst(journal: Journal) -> str:
    failed = [(f"{name.partition('@')[0]} {key}", why) for name, one in journal.resources.items() for key, why in one.failed.items()]
    if not failed:
        return "the journal names none"
    key, why = failed[0]
    return f"{len(failed)} failed, such as {escape(key)}: {escape(why)}"


def _prove(file: Path | None, command: str | None, live: EtcdClient | None, config: Config, kms: Any, resources: list[str], revision: int) -> Proof:
    from k8senc.cluster.proof import prove

    if file is not None:
        with about(file), progress("auditing") as told:
            return prove(file, config, kms, resources, least_revision=revision, progress=told)
    if command is None and live is not None:
        from k8senc.cluster.proof import of_report, seen_in_etcd

        with progress("auditing") as told:
            return of_report(seen_in_etcd(live, config, kms, progress=told), resources, least_revision=revision)
    words = shlex.split(command or "")
    with tempfile.TemporaryDirectory(prefix="k8senc-") as folder:
        taken = Path(folder, "after.db")
        if not any("{}" in word for word in words):
            raise Failure(USAGE, "--prove-with needs {} where the file's name belongs, such as: 'etcdctl snapshot save {}'")
        try:
            ran = subprocess.run([word.replace("{}", str(taken)) for word in words], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            why = escape(ran.stderr.decode("utf-8", "replace").strip()[-500:]) if ran.returncode else ""
        except OSError as error:
            why = error.strerror or "it cannot be run"
        if why or not taken.is_file():
            raise Failure(USAGE, f"everything is rewritten, but the snapshot for the proof was not taken ({why or 'no file was written'}): take one, and give it with --prove") from None
        with about(taken), progress("auditing") as told:
            return prove(taken, config, kms, resources, least_revision=revision, progress=told)


def _report(journal: Journal, found: list[Target], proof: Proof | None, form: str, dry: bool) -> None:
    rows = []
    for target in found:
        parts = [one for name, one in journal.resources.items() if name.partition("@")[0] == target.name]
        rows.append(
            {
                "resource": target.name,
                "by": next((one.migration for one in parts if one.migration), None),
                **{name: sum(getattr(one, name) for one in parts) for name in ("rewritten", "fresh", "gone", "skipped")},
                "failed": [{"object": key, "reason": why} for one in parts for key, why in sorted(one.failed.items())],
            }
        )
    if form == "json":
        told = {"format": 1, "kind": "k8senc-reencrypt", "dryRun": dry, "finished": journal.finished is not None, "resources": rows, "proof": proof.as_dict() if proof else None}
        click.echo(json.dumps(told, indent=2))
        return
    from k8senc import terminal
    from k8senc.cluster import result_table

    terminal.show(result_table.render(rows, proof, dry))


class _Screen:
    """Progress: a bar with an estimate on a terminal, a line each ten seconds elsewhere."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._tell: Any = None
        self._at = time.monotonic()

    def __enter__(self) -> _Screen:
        if animated():
            from k8senc import terminal

            self._tell = self._open.enter_context(terminal.estimate())
        return self

    def __exit__(self, *what: Any) -> None:
        self._open.close()

    def told(self, now: Told) -> None:
        speed = f"{now.rate:.0f}/s, {now.at_once} at once, {now.errors} failed"
        if self._tell is not None:
            self._tell(f"{now.resource}  {speed}", now.done, now.total)
            return
        if time.monotonic() - self._at < HEARTBEAT_SECONDS:
            return
        self._at = time.monotonic()
        left = f" of about {now.total:,}, {_minutes((now.total - now.done) / now.rate)} left" if now.total and now.rate else ""
        note(f"{now.resource}: {now.done:,}{left}; {speed}")


def _minutes(seconds: float) -> str:
    return f"{max(0, seconds):.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
