/** What kube-apiserver and the lint rules count places in: UTF-16 units of the text, and lines and characters from 1. */
export interface Range {
  from: number;
  to: number;
  line: number;
  column: number;
}

export type Severity = "error" | "warning" | "info";
export type Text = string | Uint8Array | ArrayBuffer;
export type Bytes = Uint8Array | ArrayBuffer | ArrayBufferView;

export interface ServerOptions {
  /** Release of Kubernetes, such as `1.31`. The newest known unless set. */
  version?: string;
  /** `--encryption-provider-config-automatic-reload`. */
  reload?: boolean;
  /** The feature gate `KMSv1`; the release's default unless set. */
  kmsv1?: boolean;
  /** The file's path, as kube-apiserver prints it. */
  path?: string;
}

export interface LintOptions extends ServerOptions {
  migration?: "encrypting" | "done" | "decrypting";
  file?: { mode?: number; ownedByServer?: boolean; directoryWritableByOthers?: boolean; shared?: boolean };
}

export interface Problem {
  code: string;
  field: string;
  message: string;
  upstream: string;
  redacted: boolean;
  range: Range | null;
  related: Range[];
}

/** What kube-apiserver says of a configuration. */
export interface Verdict {
  ok: boolean;
  stage: "load" | "decode" | "validate" | "build" | "panic" | null;
  upstream: string | null;
  exact: boolean;
  redacted: boolean;
  problems: Problem[];
}

export interface Edit {
  from: number;
  to: number;
  /** May hold key material: put it into the file and nowhere else. */
  insert: string;
}

export interface Fix {
  title: string;
  safety: "safe" | "needs-review";
  edits: Edit[];
}

export interface Finding {
  code: string;
  name: string;
  severity: Severity;
  message: string;
  range: Range | null;
  related: { range: Range | null; message: string }[];
  upstream: string | null;
  fix: Fix | null;
}

export interface Rule {
  code: string;
  name: string;
  severity: Severity;
  /** What it judges by: a configuration's text, facts about its file besides, a manifest, or that and the configuration. */
  needs: "text" | "file-facts" | "manifest" | "manifest-and-configuration";
  /** Whether some of its findings come with a change. */
  fixable: boolean;
  finds: string;
  why: string;
  fix: string;
  upstream: string;
  source: string;
}

export interface Explanation {
  rule: Rule | null;
  advice: { text: string; cause: string; check: string; cure: string }[];
}

export interface ApiResource {
  name: string;
  group: string;
  kind: string;
  shortNames: string[];
}

export interface ConfiguredKey {
  name: string;
  bytes: number;
  /** Null for a key that could be guessed. */
  fingerprint: string | null;
}

export interface ConfiguredProvider {
  kind: "identity" | "aescbc" | "aesgcm" | "secretbox" | "kms";
  name?: string;
  apiVersion?: "v1" | "v2";
  keys?: ConfiguredKey[];
}

export interface KmsBlock {
  name: string;
  apiVersion: "v1" | "v2";
  entry: number;
  provider: number;
  endpoint: string;
  socket: string;
  timeoutMs: number;
  cacheSize: number | null;
}

export interface Match {
  resource: string;
  reason: "exact" | "group" | "all" | "unmatched";
  rule: string | null;
  entries: number[];
  encrypts: boolean;
  /** The first one writes, all are tried to read. Empty: plaintext, and encrypted values are refused. */
  providers: ConfiguredProvider[];
}

export interface Effective {
  resources: Match[];
  rules: { rule: string; providers: ConfiguredProvider[] }[];
  unreached: { entry: number; name: string; meant: string | null }[];
}

export type Outcome = "works" | "for-three-minutes" | "fails";

export interface FailureMode {
  rule: string;
  kms: string;
  moment: "one-minute" | "four-minutes" | "reload" | "restart";
  text: string;
  writes: Outcome;
  knownReads: Outcome;
  otherReads: Outcome;
}

export interface Change {
  change:
    | "rule-added"
    | "rule-removed"
    | "writer"
    | "reader-added"
    | "reader-removed"
    | "key-replaced"
    | "order"
    | "kms"
    | "other";
  rule: string | null;
  text: string;
}

/** Values of one resource that begin alike; `prefix` is `""` for plaintext. */
export interface Stored {
  resource: string;
  prefix: string;
  live: number;
  history?: number;
}

export interface HazardOptions {
  servers?: number;
  reload?: boolean;
  decrypting?: boolean;
  stored?: Stored[];
  /** Server to the hash of the file it has. */
  hashes?: Record<string, string>;
}

export interface Hazard {
  code: string;
  severity: Severity;
  resource: string | null;
  message: string;
  advice: string;
  old: string[];
  new: string[];
}

export interface TransitionOptions {
  servers?: number;
  reload?: boolean;
  outage?: boolean;
  stored?: Stored[];
}

export interface Reader {
  prefix: string;
  fingerprint: string | null;
  text: string;
}

export interface TransitionEvent {
  event: "takes" | "writes" | "restarts" | "down" | "back" | "other";
  server?: number;
  reader?: Reader;
  text: string;
}

export type Transition =
  | { ok: true; states: number }
  | {
      ok: false;
      resource: string;
      events: TransitionEvent[];
      server: number;
      onNew: boolean;
      value: Reader;
      why: string;
      text: string;
    };

export interface Config {
  readonly contentHash: string;
  readonly entries: readonly { resources: string[]; providers: ConfiguredProvider[] }[];
  readonly kms: readonly KmsBlock[];
  readonly healthChecks: readonly string[];
  readonly healthChecksWithReload: readonly string[];
  readonly gracePeriod: string;
  effective(options?: { version?: string }): Effective;
  matching(resource: string): Match;
  failureModes(): FailureMode[];
  changes(newer: Config): Change[];
  /** With an instance of `k8senc/snapshot` only. */
  hazards(newer: Config | null, options?: HazardOptions): Hazard[];
  /** With an instance of `k8senc/snapshot` only. */
  checkTransition(newer: Config, options?: TransitionOptions): Transition;
  chain(resource: string): Chain;
  /** Wipes the keys. */
  free(): void;
}
export const Config: { readonly prototype: Config };

/** The places of one element of `resources`. */
export interface EntryPlaces {
  range: Range | null;
  resources: { name: string; range: Range | null }[];
  providers: { range: Range | null; keys: (Range | null)[] }[];
}

/** One Decrypt call that has to be made. */
export interface DekRequest {
  readonly apiVersion: "v1" | "v2";
  readonly provider: string;
  readonly keyId: string;
  readonly ciphertext: Uint8Array;
  readonly annotations: Readonly<Record<string, Uint8Array>>;
}
export const DekRequest: { readonly prototype: DekRequest };

export type Decrypt = (request: DekRequest) => Bytes | Promise<Bytes>;

export interface KmsState {
  /** What Status reports now. */
  keyId?: string;
  /** Seed form (the default) or key form. */
  usesSeed?: boolean;
  /** The API server never saw it healthy, so it reads nothing. */
  neverHealthy?: boolean;
}

export interface Encrypted {
  ciphertext: Bytes;
  keyId?: string;
  annotations?: Record<string, Bytes>;
}

export type Kms = Record<
  string,
  Decrypt | (KmsState & { decrypt?: Decrypt; encrypt?: (key: Uint8Array) => Encrypted | Promise<Encrypted> })
>;

export type ProviderKind = "identity" | "aescbc" | "aesgcm" | "secretbox" | "kms-v1" | "kms-v2";

export interface Chain {
  readonly providers: readonly { kind: ProviderKind; name: string | null; keys: string[] }[];
  open(stored: Bytes, etcdKey: Text, options?: { kms?: Kms }): Promise<Opened>;
  tryOpen(
    stored: Bytes,
    etcdKey: Text,
  ): { opened: Opened; request: null } | { opened: null; request: DekRequest };
  needs(stored: Bytes): DekRequest[];
  supply(request: DekRequest, dek: Bytes): void;
  refuse(request: DekRequest, reason: string): void;
  tell(kms: Kms): void;
  seal(plaintext: Bytes, etcdKey: Text, options?: { kms?: Kms }): Promise<Uint8Array>;
  /** `random` must be fresh bytes of a cryptographic source, used for this value only. */
  sealWith(plaintext: Bytes, etcdKey: Text, random: Bytes, source?: WriteSource | null): Uint8Array;
  free(): void;
}
export const Chain: { readonly prototype: Chain };

export interface Opened {
  /** Whether kube-apiserver would rewrite it; null when nobody said what the KMS reports. */
  readonly stale: boolean | null;
  readonly reasons: readonly ("not-first-provider" | "not-first-key" | "legacy-body" | "key-id" | "source-type")[];
  readonly provider: ProviderKind;
  readonly providerIndex: number;
  readonly key: string | null;
  readonly keyIndex: number | null;
  /** False for plaintext and CBC: a wrong key may have opened it to noise. */
  readonly authenticated: boolean;
  readonly length: number;
  reveal(): Uint8Array;
  object(): ObjectInfo;
  /** Values are masked unless `masked` is false. */
  text(options?: { form?: "yaml" | "json"; masked?: boolean }): ObjectText;
  /** Wipes the plaintext. */
  free(): void;
}
export const Opened: { readonly prototype: Opened };

export interface WriteSource {
  /** Key form: the last counter used. */
  readonly counter: bigint | null;
}
export const WriteSource: { readonly prototype: WriteSource };

export interface WriteParts {
  seed?: Bytes;
  dek?: Bytes;
  counter?: bigint | number;
  encryptedDek: Bytes;
  /** Absent for KMS v1. */
  keyId?: string;
  annotations?: Record<string, Bytes>;
}

export type PartKind =
  | "plaintext"
  | "prefix"
  | "name"
  | "separator"
  | "iv"
  | "nonce"
  | "ciphertext"
  | "tag"
  | "dek-length"
  | "encrypted-dek"
  | "field"
  | "field-tag"
  | "field-length"
  | "info"
  | "key-id"
  | "encrypted-dek-source"
  | "annotation-name"
  | "annotation-value"
  | "source-type"
  | "skipped"
  | "broken";

export interface Part {
  kind: PartKind;
  start: number;
  end: number;
  /** 1 inside the `field` before it. */
  depth: number;
  guessed: boolean;
  text?: string;
  number?: number;
}

export interface Pasted {
  stored: Uint8Array<ArrayBuffer>;
  form: "hex" | "hexdump" | "base64" | "etcdctl-json" | "etcdctl-fields" | "etcdctl --hex" | "etcdctl";
  etcdKey: Uint8Array<ArrayBuffer> | null;
  modRevision: number | null;
}

export interface Inspection {
  provider: ProviderKind | "unknown" | "empty";
  name: string | null;
  nameIsExact: boolean;
  candidates: string[];
  length: number;
  encryptedDek: string | null;
  keyId: string | null;
  annotations: Record<string, string> | null;
  sourceType: "key" | "seed" | null;
  problem: { code: string; message: string; upstream: string | null } | null;
  parts: Part[];
}

export interface ObjectInfo {
  form: "protobuf" | "json" | "cbor" | "yaml" | "encrypted" | "empty" | "unknown";
  apiVersion: string | null;
  kind: string | null;
  namespace: string | null;
  name: string | null;
  isObject: boolean;
}

export interface ObjectText {
  text: string;
  /** Fields of a newer Kubernetes, which were left out. */
  unknownFields: number;
}

export interface Hint {
  code:
    | "right-key-other-name"
    | "key-encoded-otherwise"
    | "other-etcd-key"
    | "trailing-newline"
    | "given-key"
    | "truncated";
  text: string;
}

export type Diagnosis =
  | { result: "opened"; provider: string; key: string | null; unverified: boolean; moved: boolean; hint: Hint | null }
  | { result: "refused"; provider: string; key: string | null; code: string; upstream: string | null; hint: Hint | null }
  | { result: "needs"; provider: string };

export type EtcdKey =
  | { what: "object"; resource: string; group: string | null; namespace: string | null; name: string }
  | { what: "housekeeping" }
  | { what: "foreign" };

export interface Recognised {
  plugin: "aws" | "gcp" | "azure" | "transit" | "pkcs11-gcm" | "barbican" | "trousseau" | "local-kek";
  authenticated: boolean;
  needs: { need: string; text: string }[];
  facts: Record<string, string>;
}

export class K8senc {
  protected constructor();
  readonly version: string;
  readonly errorCodes: readonly string[];
  readonly poisoned: boolean;
  readonly Config: { parse(text: Text, options?: ServerOptions): Config };
  renew(): this;
  close(): void;
  validate(text: Text, options?: ServerOptions): Verdict;
  lint(text: Text, options?: LintOptions): Finding[];
  outline(text: Text, options?: ServerOptions): EntryPlaces[];
  /** Of any text, readable or not; UTF-16 offsets. */
  secrets(text: Text): { from: number; to: number }[];
  redact(text: Text): string;
  applyFix(text: string, fix: Fix): string;
  rules(): Rule[];
  explain(query: string): Explanation;
  resources(options?: { version?: string }): ApiResource[];
  /** Null when the text is of none of the forms; empty when etcdctl found no key. */
  readPasted(data: Text): Pasted[] | null;
  /** A key as base64, hex or raw bytes; null for other sizes than 16, 24 and 32 bytes. */
  parseKey(text: Text): Uint8Array<ArrayBuffer> | null;
  inspect(stored: Bytes, options?: { name?: Text }): Inspection;
  object(plaintext: Bytes): ObjectInfo;
  objectText(plaintext: Bytes, options?: { form?: "yaml" | "json"; masked?: boolean }): ObjectText;
  diagnose(stored: Bytes, etcdKey: Text, options?: { config?: Config | null; keys?: Bytes[] }): Diagnosis;
  escape(text: Text): string;
  parseEtcdKey(key: Text, options?: { prefix?: Text }): EtcdKey;
  fingerprint(key: Bytes): string | null;
  generateKey(length?: 16 | 24 | 32): { bytes: Uint8Array; base64: string };
  bareChain(): Chain;
  chainWithKey(provider: "aescbc" | "aesgcm" | "secretbox", name: string, key: Bytes): Chain;
  chainWithKms(apiVersion: "v1" | "v2", name: string): Chain;
  openWith(stored: Bytes, etcdKey: Text, secret: Bytes): Promise<Opened>;
  writeSource(parts: WriteParts): WriteSource;
  checkEncryptAnswer(answer: { encryptedDek: Bytes; keyId: string; annotations?: Record<string, Bytes> }): void;
  recognise(stored: { ciphertext: Bytes; keyId?: string; annotations?: Record<string, Uint8Array> }): Recognised[];
}

export class K8sencError extends Error {
  constructor(found: { code: string; message: string; upstream?: string | null }, options?: ErrorOptions);
  readonly code: string;
  readonly upstream: string | null;
}
export class StoredValueError extends K8sencError {
  readonly request: DekRequest | null;
}
export class ConfigError extends K8sencError {
  readonly verdict: Verdict;
}
export class SnapshotError extends K8sencError {}
export class UsageError extends K8sencError {}
export class Poisoned extends K8sencError {
  constructor(cause: unknown);
}

export type WasmSource = WebAssembly.Module | BufferSource | Response | URL | string;

/** Compiles the wasm module and makes an instance; without a source the package's own file is read. */
export function load(source?: WasmSource): Promise<K8senc>;
