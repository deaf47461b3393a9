"""The compiled half of k8senc. Import from `k8senc`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Final, final

from k8senc.kms import Kms, Writes
from k8senc.kms_client import Sealed
from k8senc.rows import Rows

__version__: Final[str]
LATEST: Final[str]

__all__ = [
    "Advice",
    "Audit",
    "AuditReport",
    "Chain",
    "Config",
    "Coverage",
    "DekNeed",
    "DekRequest",
    "Embedded",
    "FailureMode",
    "Finding",
    "Fix",
    "Inspection",
    "Judged",
    "KeyMark",
    "KeysetRecord",
    "KmsProbe",
    "KmsState",
    "LATEST",
    "LocalKek",
    "Manifest",
    "Opened",
    "Pasted",
    "PlanFiles",
    "Problem",
    "Recovery",
    "Reference",
    "Rule",
    "Snippet",
    "Verdict",
    "WrappedDek",
    "__version__",
    "changes",
    "coverage",
    "encrypt_answer_fault",
    "error_codes",
    "error_texts",
    "escape",
    "explain_error",
    "failure_modes",
    "hazard_codes",
    "inspect",
    "is_store",
    "read_pasted",
    "recognise",
    "recovery_public",
    "render",
    "resource_of",
    "key_marks",
    "lint",
    "make_plan",
    "mask",
    "rules",
    "unreached",
    "validate",
]

@final
class Config:
    """A configuration that kube-apiserver loads."""

    @staticmethod
    def parse(text: str | bytes) -> Config: ...
    def chain(self, resource: str, kms: Mapping[str, Kms] | None = None) -> Chain: ...
    @property
    def kms_providers(self) -> list[tuple[str, str]]: ...
    @property
    def content_hash(self) -> str: ...

@final
class Chain:
    """What opens and judges the values of one resource."""

    @property
    def writer(self) -> tuple[str, str | None] | None:
        """Kind (`aescbc`, `kms-v2`, ...) and KMS name of the provider that writes; None for a chain without any."""

    def open(self, stored: bytes, etcd_key: str | bytes) -> Opened: ...
    def judge_many(self, values: Sequence[tuple[str | bytes, bytes]]) -> list[Judged]:
        """What kube-apiserver would say of many values, each with its etcd key: `[(etcd_key, stored), ...]`.

        Runs without the GIL and hands out no plaintext; each distinct DEK is asked for once. A value that fails is no
        exception but a `Judged` with a code, `dek-needed` where no kms object answers for its provider.
        """

    def seal(self, plaintext: bytes, etcd_key: str | bytes, state: KmsState | None = None) -> bytes:
        """The stored value, as kube-apiserver writes it: by the first provider, with its first key.

        Random bytes come from the operating system. KMS v1 draws a DEK for each value and needs a kms object with
        `encrypt`; KMS v2 needs a `state`. Raises `UsageError` (`kms-state`, `kms-object`, `kms-encrypt`, `random`),
        `StoredValueError` (`aad-empty`, `kmsv1-length`, ...), and whatever the kms object raises.
        """

    def needs(self, values: Iterable[bytes]) -> list[DekRequest]: ...
    def supply(self, request: DekRequest, dek: bytes) -> None: ...

@final
class Opened:
    """A value that opened. The plaintext leaves by `reveal` alone."""

    @property
    def stale(self) -> bool | None: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def provider(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def authenticated(self) -> bool: ...
    def reveal(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...

@final
class DekRequest:
    """One question to a KMS plugin."""

    @property
    def api_version(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def ciphertext(self) -> bytes: ...
    @property
    def key_id(self) -> str: ...
    @property
    def annotations(self) -> dict[str, bytes]: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class KeysetRecord:
    """What the k8senc KMS plugin stores: one seed under several KEKs. Opening gives the seed and what it proves about the
    writer: `kek`, `set-key` or `nothing`. Raises `StoredValueError` (`keyset-malformed`, `keyset-integrity`, ...).
    """

    @staticmethod
    def of(request: DekRequest) -> KeysetRecord | None: ...
    @property
    def has_mac(self) -> bool: ...
    @property
    def wraps(self) -> list[tuple[int, str, bytes]]: ...
    def context(self, slot: int, label: str) -> str: ...
    def open(self, slot: int, answer: bytes, label: str, set_key: bytes | None = None) -> tuple[bytes, str]: ...
    def open_locally(self, kek: bytes, label: str, set_key: bytes | None = None) -> tuple[bytes, str] | None: ...
    def open_offline(self, private: bytes, label: str, set_key: bytes | None = None) -> tuple[bytes, str] | None: ...

@final
class WrappedDek:
    """An encrypted DEK or seed read as what one kind of plugin stores."""

    @property
    def plugin(self) -> str: ...
    @property
    def authenticated(self) -> bool: ...
    @property
    def facts(self) -> dict[str, str]: ...
    @property
    def needs(self) -> list[tuple[str, str]]: ...
    @property
    def to_kms(self) -> bytes | None: ...

@final
class Judged:
    """What kube-apiserver would say of one value."""

    @property
    def opens(self) -> bool: ...
    @property
    def stale(self) -> bool | None: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def provider(self) -> str | None: ...
    @property
    def key(self) -> str | None: ...
    @property
    def authenticated(self) -> bool: ...
    @property
    def length(self) -> int | None: ...
    @property
    def code(self) -> str | None: ...
    @property
    def message(self) -> str | None: ...
    @property
    def upstream(self) -> str | None: ...

@final
class KmsState:
    """What a KMS v2 provider writes with until the KEK changes: a seed, and what the plugin made of it.

    One state serves any number of values and threads. When the plugin reports another key_id, make another one. Raises
    `StoredValueError` when the plugin's answer breaks kube-apiserver's rules.
    """

    def __new__(cls, seed: bytes, sealed: Sealed) -> KmsState: ...
    @staticmethod
    def create(kms: Writes) -> KmsState:
        """Draws a seed and has the plugin encrypt it."""

    @property
    def key_id(self) -> str: ...
    @property
    def encrypted_seed(self) -> bytes: ...
    @property
    def annotations(self) -> dict[str, bytes]: ...

@final
class LocalKek:
    """Toy KEKs in memory, for the sample snapshot and for tests."""

    def __new__(cls, keks: Mapping[str, bytes], *, key_id: str | None = None, uses_seed: bool = True) -> LocalKek: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def uses_seed(self) -> bool: ...
    @property
    def remote(self) -> bool: ...
    def unwrap(self, request: DekRequest, /) -> bytes: ...
    def encrypt(self, plaintext: bytes, /) -> Sealed: ...

@final
class Inspection:
    """What a stored value says of itself."""

    @property
    def provider(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def name_is_exact(self) -> bool: ...
    @property
    def candidates(self) -> tuple[str, ...]: ...
    @property
    def length(self) -> int: ...
    @property
    def body_length(self) -> int: ...
    @property
    def data_length(self) -> int | None: ...
    @property
    def encrypted_dek(self) -> bytes | None: ...
    @property
    def key_id(self) -> str | None: ...
    @property
    def annotations(self) -> dict[str, bytes] | None: ...
    @property
    def source_type(self) -> str | None: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def problem_text(self) -> str | None: ...
    @property
    def upstream(self) -> str | None: ...

@final
class Verdict:
    """kube-apiserver's verdict on one EncryptionConfiguration."""

    @property
    def ok(self) -> bool: ...
    @property
    def stage(self) -> str | None: ...
    @property
    def upstream(self) -> str | None: ...
    @property
    def exact(self) -> bool: ...
    @property
    def redacted(self) -> bool: ...
    @property
    def version(self) -> str: ...
    @property
    def errors(self) -> tuple[Problem, ...]: ...
    def __bool__(self) -> bool: ...

@final
class Problem:
    """One thing that is wrong, in kube-apiserver's words and in ours."""

    @property
    def code(self) -> str: ...
    @property
    def field(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def upstream(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def column(self) -> int | None: ...
    @property
    def snippet(self) -> Snippet | None: ...
    @property
    def redacted(self) -> bool: ...

@final
class Snippet:
    """A line of a file in three parts. Whatever could be a key is masked, control characters are escaped."""

    @property
    def before(self) -> str: ...
    @property
    def marked(self) -> str: ...
    @property
    def after(self) -> str: ...

@final
class Fix:
    """A change that cures a finding."""

    @property
    def title(self) -> str: ...
    @property
    def safe(self) -> bool: ...
    def apply(self, text: str) -> str: ...

@final
class Finding:
    """One finding in one file. It holds no secret."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def column(self) -> int | None: ...
    @property
    def end_line(self) -> int | None: ...
    @property
    def end_column(self) -> int | None: ...
    @property
    def snippet(self) -> Snippet | None: ...
    @property
    def related(self) -> tuple[tuple[int, int, str], ...]: ...
    @property
    def upstream(self) -> str | None: ...
    @property
    def fix(self) -> Fix | None: ...

@final
class Rule:
    """A rule of the linter, with what there is to say of it."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def fixable(self) -> bool: ...
    @property
    def finds(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def upstream(self) -> str: ...
    @property
    def source(self) -> str: ...

@final
class Advice:
    """What to do about a text of kube-apiserver's log."""

    @property
    def text(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def cure(self) -> str: ...

@final
class Reference:
    """A file that an API server is told to read."""

    @property
    def server(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def host_path(self) -> str | None: ...

@final
class Embedded:
    """A configuration that a manifest holds."""

    @property
    def origin(self) -> str: ...
    @property
    def writes_to(self) -> str | None: ...
    @property
    def verbatim(self) -> bool: ...

@final
class Manifest:
    """A file that brings configurations to API servers."""

    @property
    def form(self) -> str: ...
    @property
    def servers(self) -> list[str]: ...
    @property
    def version(self) -> str | None: ...
    @property
    def reload(self) -> bool: ...
    @property
    def references(self) -> tuple[Reference, ...]: ...
    @property
    def embedded(self) -> tuple[Embedded, ...]: ...
    @staticmethod
    def read(text: str | bytes, name: str = "") -> Manifest | None: ...
    def config(self, index: int) -> Config: ...
    def validate(self, *, version: str | None = None, reload: bool | None = None, kmsv1: bool | None = None) -> tuple[Verdict, ...]: ...
    def lint(
        self,
        *,
        referenced: Sequence[str | bytes] = ...,
        version: str | None = None,
        reload: bool | None = None,
        kmsv1: bool | None = None,
        migration: str | None = None,
    ) -> tuple[Finding, ...]: ...

@final
class Coverage:
    """One resource of a release and its chain."""

    @property
    def resource(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def rule(self) -> str | None: ...
    @property
    def providers(self) -> list[str]: ...
    @property
    def encrypted(self) -> bool: ...

@final
class FailureMode:
    """What requests under one rule do while one KMS is down."""

    @property
    def rule(self) -> str: ...
    @property
    def kms(self) -> str: ...
    @property
    def moment(self) -> str: ...
    @property
    def writes(self) -> str: ...
    @property
    def known_reads(self) -> str: ...
    @property
    def other_reads(self) -> str: ...

@final
class KeyMark:
    """A local key, told by what can be shared."""

    @property
    def provider(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def fingerprint(self) -> str | None: ...
    @property
    def resources(self) -> list[str]: ...

@final
class DekNeed:
    """A question to a KMS plugin, and how many values wait for the answer."""

    @property
    def request(self) -> DekRequest: ...
    @property
    def live(self) -> int: ...
    @property
    def history(self) -> int: ...

@final
class Audit:
    """One snapshot file, or another source of rows, and what is known to read it with."""

    def __new__(
        cls,
        path: str | PathLike[str],
        config: Config | None = None,
        *,
        threads: int = 0,
        hash: bool = True,
        examples: int = 3,
        etcd_prefix: bytes | None = None,
        config_name: str = ...,
        also: Sequence[tuple[str, Config]] = ...,
        logs: Sequence[str | PathLike[str]] = ...,
        max_key_age: tuple[int, int] | None = None,
    ) -> Audit: ...
    @staticmethod
    def of_rows(
        rows: Callable[[], Rows],
        config: Config | None = None,
        *,
        examples: int = 3,
        etcd_prefix: bytes | None = None,
        config_name: str = ...,
        also: Sequence[tuple[str, Config]] = ...,
        max_key_age: tuple[int, int] | None = None,
    ) -> Audit: ...
    def survey(self, progress: Callable[[int, int], object] | None = None) -> tuple[list[DekNeed], int]: ...
    def supply(self, request: DekRequest, dek: bytes) -> None: ...
    def refuse(self, request: DekRequest, reason: str) -> None: ...
    def set_state(self, provider: str, key_id: str, uses_seed: bool) -> None: ...
    def finish(self, progress: Callable[[int, int], object] | None = None) -> AuditReport: ...
    def report(self, progress: Callable[[int, int], object] | None = None) -> tuple[str, int]: ...

@final
class AuditReport:
    """A finished report, to be written down in several forms."""

    def write(self, format: str, name: str | bytes, when: str = "") -> str: ...
    def require(self, requirements: Sequence[str]) -> None: ...
    def baseline(self, earlier: str) -> None: ...
    def redact(self) -> None: ...
    def exit_code(self, least: str = "warning") -> int: ...
    def drill(self) -> str: ...

@final
class Recovery:
    """One source, the keys that are left, and what is wanted of it."""

    def __new__(
        cls,
        path: str | PathLike[str] | None,
        config: Config | None = None,
        keys: Sequence[tuple[str, bytes]] = ...,
        *,
        format: str = "yaml",
        resource: str | None = None,
        namespace: bytes | None = None,
        name: bytes | None = None,
        etcd_key: bytes | None = None,
        revision: int | None = None,
        etcd_prefix: bytes | None = None,
        unverified: bool = False,
        any_key: bool = False,
        rows: Callable[[], Rows] | None = None,
    ) -> Recovery: ...
    def survey(self, progress: Callable[[int, int], object] | None = None) -> tuple[list[DekNeed], int]: ...
    def needs(self, stored: bytes, etcd_key: bytes) -> list[DekNeed]: ...
    def supply(self, request: DekRequest, dek: bytes) -> None: ...
    def refuse(self, request: DekRequest, reason: str) -> None: ...
    def set_state(self, provider: str, key_id: str, uses_seed: bool) -> None: ...
    def to_folder(self, folder: str | PathLike[str], progress: Callable[[int, int], object] | None = None) -> str: ...
    def to_functions(
        self,
        document: Callable[[bytearray, str], object],
        entry: Callable[[str], object],
        progress: Callable[[int, int], object] | None = None,
    ) -> str: ...
    def value(
        self,
        stored: bytes,
        etcd_key: bytes,
        document: Callable[[bytearray, str], object],
        entry: Callable[[str], object],
    ) -> str: ...

def render(plaintext: bytes, format: str = "yaml") -> tuple[str, int]: ...
def resource_of(etcd_key: str | bytes, etcd_prefix: str | bytes | None = None) -> str | None:
    """The resource whose objects lie under an etcd key, as an EncryptionConfiguration names it; None for what is no object's."""

def inspect(stored: bytes) -> Inspection: ...

@final
class Pasted:
    """A stored value, and how it was given."""

    @property
    def stored(self) -> bytes: ...
    @property
    def form(self) -> str: ...
    @property
    def etcd_key(self) -> bytes | None: ...
    @property
    def mod_revision(self) -> int | None: ...

def is_store(head: bytes) -> bool: ...
def read_pasted(data: bytes, form: str = "auto") -> list[Pasted]: ...
def validate(
    text: str | bytes,
    *,
    version: str | None = None,
    reload: bool = False,
    kmsv1: bool | None = None,
    path: str | None = None,
) -> Verdict: ...
def escape(text: str | bytes) -> str: ...

_Next = tuple[str, str | None]
_Sealed = tuple[bytes, str, Mapping[str, bytes]]

@final
class KmsProbe:
    """One KMS v2 provider of one API server, told the time (seconds since the Unix epoch) and what the plugin answered."""

    def __new__(cls, provider: str) -> KmsProbe: ...
    def poll(self, now: float) -> _Next: ...
    def health(self, now: float) -> _Next: ...
    def status_answered(self, now: float, answer: tuple[str, str, str] | None = None, *, failure: str | None = None) -> _Next: ...
    def encrypt_answered(self, now: float, seed: bytes, uid: str, answer: _Sealed | None = None, *, failure: str | None = None) -> _Next: ...
    def write_refusal(self, now: float) -> str | None: ...

def encrypt_answer_fault(answer: _Sealed) -> str | None: ...
def lint(
    text: str | bytes,
    *,
    version: str | None = None,
    reload: bool = False,
    kmsv1: bool | None = None,
    migration: str | None = None,
    mode: int | None = None,
    owned_by_server: bool | None = None,
    directory_writable: bool | None = None,
    shared: bool | None = None,
) -> tuple[Finding, ...]: ...
def rules() -> tuple[Rule, ...]: ...
def explain_error(line: str | bytes) -> tuple[Advice, ...]: ...
def error_texts() -> tuple[Advice, ...]: ...
def error_codes() -> tuple[tuple[str, str, Advice | None], ...]: ...
def hazard_codes() -> tuple[tuple[str, str, str, str], ...]: ...
def mask(line: str) -> str: ...
def coverage(config: Config, *, version: str | None = None) -> tuple[Coverage, ...]: ...
def unreached(config: Config, *, version: str | None = None) -> list[tuple[str, str | None]]: ...
def failure_modes(config: Config) -> tuple[FailureMode, ...]: ...
def changes(older: Config, newer: Config) -> list[str]: ...
def key_marks(config: Config) -> tuple[KeyMark, ...]: ...

@final
class PlanFiles:
    """The files of a plan, with their keys. They leave by `write` and `reveal` alone."""

    @property
    def names(self) -> list[str]: ...
    def write(self, directory: str | PathLike[str]) -> None: ...
    def reveal(self, name: str) -> bytes: ...
    def __len__(self) -> int: ...

def make_plan(
    current: str | bytes | None,
    new: str | bytes | None,
    goal: str | None,
    *,
    servers: int,
    reload: bool,
    version: str | None,
    groups: list[tuple[str, str, str | None, str | None, int, int, int]] | None,
    resources: list[str],
    kms_delay: int,
    disabled_key_ids: list[str],
    rewrite_after: int | None,
    rewrite_by: str | None,
    in_place: bool,
    path: str | None,
    kept: bool,
) -> tuple[str, PlanFiles, int]: ...

def recognise(request: DekRequest) -> list[WrappedDek]:
    """Everything that the ciphertext of a request can be read as, the likeliest first."""

def recovery_public(private: bytes) -> bytes:
    """The public key of a recovery key, an X25519 private key of 32 bytes."""
