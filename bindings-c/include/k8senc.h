/* The C interface of k8senc: Kubernetes encryption at rest, byte for byte as kube-apiserver does it.
 *
 * Every function writes its outputs last and only on success; those of k8senc_chain_open and _seal work in the buffer `out`, and
 * wipe it when they fail. Each says what becomes of its arguments: it Gives an output to the caller, Takes an argument for good, or
 * borrows for the call. Handles may be used by several threads at once, but for the
 * functions that end in _free. A pointer may be NULL where its length is 0. No thread is started, nobody is called back,
 * no signal is handled, nothing is printed. Texts are UTF-8; those that come out have a NUL behind them.
 *
 * Written by cbindgen from bindings-c/src. docs/c.md explains it. Licence: Apache-2.0 OR MIT. */

#ifndef K8SENC_H
#define K8SENC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * Another provider is first in the list.
 */
#define K8SENC_REASON_NOT_FIRST_PROVIDER 1

/**
 * Another key is first in its provider.
 */
#define K8SENC_REASON_NOT_FIRST_KEY 2

/**
 * KMS v1 with a CBC body, as Kubernetes 1.24 and older wrote.
 */
#define K8SENC_REASON_LEGACY_BODY 4

/**
 * KMS v2: the plugin reports another key_id now.
 */
#define K8SENC_REASON_KEY_ID 8

/**
 * KMS v2: key form where seed form is written now, or the other way round.
 */
#define K8SENC_REASON_SOURCE_TYPE 16

/**
 * `k8senc_opened.key` of a provider without static keys.
 */
#define K8SENC_NO_KEY 4294967295

/**
 * The ABI of this header. A program that was compiled with it works with every library that answers the same number; a
 * change that breaks programs raises it, and with it the number in the name of the shared library.
 */
#define K8SENC_ABI_VERSION 1

/**
 * What a call came to. 0 is success; 1 to 99 blame the call itself; 100 to 199 are core's errors, of stored values, KMS
 * plugins and keysets; 200 to 299 configurations; 300 to 399 snapshot files. `k8senc_error` has the reason in words.
 */
enum k8senc_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Done; outputs are written.
     */
    K8SENC_STATUS_OK = 0,
    /**
     * A pointer that must not be NULL is NULL.
     */
    K8SENC_STATUS_NULL_POINTER = 1,
    /**
     * The output buffer is shorter than the function asks for.
     */
    K8SENC_STATUS_BUFFER_TOO_SMALL = 2,
    /**
     * A fault of this library was caught. The handles of the call may be freed, and should not be used any more.
     */
    K8SENC_STATUS_PANIC = 3,
    /**
     * The value needs an answer of its KMS that the table of DEKs does not have: `k8senc_error.request` is the question.
     */
    K8SENC_STATUS_DEK_NEEDED = 4,
    /**
     * A text is no UTF-8.
     */
    K8SENC_STATUS_NOT_UTF8 = 5,
    /**
     * The operating system gave no random bytes.
     */
    K8SENC_STATUS_NO_RANDOMNESS = 6,
    /**
     * A number, offset or packed list that is out of range; the text says which.
     */
    K8SENC_STATUS_BAD_ARGUMENT = 7,
    /**
     * A handle that serves once was used before.
     */
    K8SENC_STATUS_SPENT = 8,
    /**
     * The JSON of an options argument is malformed or has an unknown field.
     */
    K8SENC_STATUS_BAD_OPTIONS = 9,
    /**
     * The body is shorter than its format allows.
     */
    K8SENC_STATUS_STORED_TOO_SHORT = 100,
    /**
     * An aescbc ciphertext is no whole number of blocks.
     */
    K8SENC_STATUS_NOT_BLOCK_ALIGNED = 101,
    /**
     * An aescbc body is its IV and nothing else.
     */
    K8SENC_STATUS_CBC_IV_ONLY = 102,
    /**
     * The pad byte is 0 or larger than the plaintext.
     */
    K8SENC_STATUS_PADDING_LENGTH = 103,
    /**
     * The padding bytes are not all alike.
     */
    K8SENC_STATUS_PADDING_BYTES = 104,
    /**
     * The tag does not fit: another key, another etcd key, or damaged bytes.
     */
    K8SENC_STATUS_AUTHENTICATION = 105,
    /**
     * An encrypted value was given to a bare identity.
     */
    K8SENC_STATUS_IDENTITY_REFUSED = 106,
    /**
     * No provider of the chain has the prefix of the value.
     */
    K8SENC_STATUS_NO_MATCHING_PREFIX = 107,
    /**
     * A provider has the prefix, none of its keys has the name.
     */
    K8SENC_STATUS_NO_MATCHING_KEY = 108,
    /**
     * A 2-byte length of a KMS v1 value is missing, too long, or not possible.
     */
    K8SENC_STATUS_KMS_V1_LENGTH = 109,
    /**
     * The KMS refused to decrypt the DEK.
     */
    K8SENC_STATUS_DEK_REFUSED = 110,
    /**
     * A DEK is no AES key.
     */
    K8SENC_STATUS_DEK_SIZE = 111,
    /**
     * A KMS v2 seed has fewer than 32 bytes.
     */
    K8SENC_STATUS_SEED_TOO_SHORT = 112,
    /**
     * An empty etcd key where the format needs one.
     */
    K8SENC_STATUS_AAD_EMPTY = 113,
    /**
     * The bytes of a KMS v2 value are no protobuf message.
     */
    K8SENC_STATUS_KMS_V2_MALFORMED = 114,
    /**
     * A string of a KMS v2 value is not UTF-8.
     */
    K8SENC_STATUS_KMS_V2_UTF8 = 115,
    /**
     * A KMS v2 value of a kind nobody knows.
     */
    K8SENC_STATUS_KMS_V2_DEK_SOURCE_TYPE = 116,
    /**
     * A KMS v2 value without encrypted data.
     */
    K8SENC_STATUS_KMS_V2_DATA_EMPTY = 117,
    /**
     * The encrypted DEK or seed is empty or over 1,024 bytes.
     */
    K8SENC_STATUS_KMS_V2_DEK_SOURCE_SIZE = 118,
    /**
     * The key_id is empty or over 1,024 bytes.
     */
    K8SENC_STATUS_KMS_V2_KEY_ID_SIZE = 119,
    /**
     * Annotations that kube-apiserver refuses.
     */
    K8SENC_STATUS_KMS_V2_ANNOTATIONS = 120,
    /**
     * The KMS v2 plugin has never been healthy.
     */
    K8SENC_STATUS_KMS_NEVER_HEALTHY = 121,
    /**
     * Two or more providers failed in different ways.
     */
    K8SENC_STATUS_SEVERAL = 122,
    /**
     * A counter nonce would start again.
     */
    K8SENC_STATUS_COUNTER_OVERFLOW = 123,
    /**
     * A provider without a key.
     */
    K8SENC_STATUS_NO_KEYS = 124,
    /**
     * A key of a length its provider does not take.
     */
    K8SENC_STATUS_KEY_SIZE = 125,
    /**
     * Fewer random bytes than the format draws.
     */
    K8SENC_STATUS_RANDOM_TOO_SHORT = 126,
    /**
     * A KMS provider was asked to write without the key it writes with.
     */
    K8SENC_STATUS_NO_WRITE_KEY = 127,
    /**
     * A call of a health probe failed.
     */
    K8SENC_STATUS_KMS_CALL = 128,
    /**
     * Status reports a healthz other than `ok`.
     */
    K8SENC_STATUS_KMS_HEALTHZ = 129,
    /**
     * Status reports a version of the API that kube-apiserver does not know.
     */
    K8SENC_STATUS_KMS_VERSION = 130,
    /**
     * Status reports another version than before.
     */
    K8SENC_STATUS_KMS_VERSION_CHANGED = 131,
    /**
     * Status reports a key_id that is empty or over 1,024 bytes.
     */
    K8SENC_STATUS_KMS_STATUS_KEY_ID = 132,
    /**
     * Encrypt of the plugin failed.
     */
    K8SENC_STATUS_KMS_ENCRYPT_REFUSED = 133,
    /**
     * The plugin reports a new key_id, and no seed could be had for it.
     */
    K8SENC_STATUS_KMS_ROTATION = 134,
    /**
     * All that is wrong with a KMS v2 plugin.
     */
    K8SENC_STATUS_KMS_UNHEALTHY = 135,
    /**
     * No good Status for so long that the seed may not be written with any more.
     */
    K8SENC_STATUS_KMS_WRITE_EXPIRED = 136,
    /**
     * No keyset record, or no keyset's key_id.
     */
    K8SENC_STATUS_KEYSET_MALFORMED = 137,
    /**
     * A keyset, or the writing or opening of its record, is not allowed as asked for.
     */
    K8SENC_STATUS_KEYSET_REFUSED = 138,
    /**
     * Record, key_id, wrap and keys do not belong together.
     */
    K8SENC_STATUS_KEYSET_INTEGRITY = 139,
    /**
     * An error that this header has no number for yet; `k8senc_error.code` names it.
     */
    K8SENC_STATUS_UNLISTED = 199,
    /**
     * kube-apiserver would refuse the configuration.
     */
    K8SENC_STATUS_CONFIG_REFUSED = 200,
    /**
     * Not a version of Kubernetes.
     */
    K8SENC_STATUS_UNKNOWN_VERSION = 201,
    /**
     * There is no such lint rule.
     */
    K8SENC_STATUS_UNKNOWN_RULE = 202,
    /**
     * The file cannot be opened.
     */
    K8SENC_STATUS_SNAPSHOT_OPEN = 300,
    /**
     * The path names no regular file.
     */
    K8SENC_STATUS_SNAPSHOT_NOT_A_FILE = 301,
    /**
     * The file is no etcd backend, or is damaged where it cannot be skipped.
     */
    K8SENC_STATUS_SNAPSHOT_UNREADABLE = 302,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_status k8senc_status;
#else
typedef int32_t k8senc_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether kube-apiserver would rewrite a value at a no-op update.
 */
enum k8senc_stale
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It would not.
     */
    K8SENC_STALE_FRESH = 0,
    /**
     * It would.
     */
    K8SENC_STALE_STALE = 1,
    /**
     * It depends on what the KMS v2 plugin reports, which nobody asked.
     */
    K8SENC_STALE_UNKNOWN = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_stale k8senc_stale;
#else
typedef uint32_t k8senc_stale;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How KMS v2 stored a value.
 */
enum k8senc_form
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Not KMS v2.
     */
    K8SENC_FORM_NONE = 0,
    /**
     * A DEK with counter nonces, as before Kubernetes 1.29.
     */
    K8SENC_FORM_KEY = 1,
    /**
     * A seed from which a key is derived for each value.
     */
    K8SENC_FORM_SEED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_form k8senc_form;
#else
typedef uint32_t k8senc_form;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an offline opening proves about who wrote the record.
 */
enum k8senc_proof
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing: whoever has the recipient's public key, which is no secret, can have made the whole record.
     */
    K8SENC_PROOF_NOTHING = 0,
    /**
     * Written by someone who may encrypt under the symmetric KEK.
     */
    K8SENC_PROOF_SYMMETRIC_KEK = 1,
    /**
     * Written by someone who has the set key: worth as much as the place that the set key came from.
     */
    K8SENC_PROOF_SET_KEY = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_proof k8senc_proof;
#else
typedef uint32_t k8senc_proof;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What has to be done next.
 */
enum k8senc_todo
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing until `until_ns`; then poll again.
     */
    K8SENC_TODO_WAIT = 0,
    /**
     * Call Status, and hand over what it answers, also when it fails or times out.
     */
    K8SENC_TODO_STATUS = 1,
    /**
     * KMS v2: draw a seed of 32 random bytes and a uid (UUID v4), call Encrypt with them, and hand over all three and the
     * answer. KMS v1: call Encrypt with the 4 bytes `ping`.
     */
    K8SENC_TODO_ENCRYPT = 2,
    /**
     * The probe is over, and the plugin is well.
     */
    K8SENC_TODO_DONE = 3,
    /**
     * A call is out, and kube-apiserver waits for it here; or no call is out to which this could be the answer.
     */
    K8SENC_TODO_PENDING = 4,
    /**
     * KMS v1: call Decrypt with the ciphertext that Encrypt answered.
     */
    K8SENC_TODO_DECRYPT = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_todo k8senc_todo;
#else
typedef uint32_t k8senc_todo;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is known of a KMS v2 plugin, which decides what is stale.
 */
enum k8senc_plugin_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nobody asked: whether a value is stale cannot be told.
     */
    K8SENC_PLUGIN_STATE_UNKNOWN = 0,
    /**
     * Never healthy since the start: kube-apiserver then reads nothing.
     */
    K8SENC_PLUGIN_STATE_NEVER_HEALTHY = 1,
    /**
     * Status reports `key_id`, and values are written in key form, as before Kubernetes 1.29.
     */
    K8SENC_PLUGIN_STATE_KEY_FORM = 2,
    /**
     * Status reports `key_id`, and values are written in seed form.
     */
    K8SENC_PLUGIN_STATE_SEED_FORM = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum k8senc_plugin_state k8senc_plugin_state;
#else
typedef uint32_t k8senc_plugin_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The ordered providers of one resource: the first writes, all read. Never changes; any number of threads may use it.
 */
typedef struct k8senc_chain k8senc_chain;

/**
 * A configuration that kube-apiserver loads. Never changes; any number of threads may use it.
 */
typedef struct k8senc_config k8senc_config;

/**
 * What the KMS plugins answered, by provider, API version, ciphertext, key_id and annotations. Shared by any number of
 * chains and threads.
 */
typedef struct k8senc_deks k8senc_deks;

/**
 * A KEK one holds oneself: 32 random bytes. Never changes; any number of threads may use it.
 */
typedef struct k8senc_kek k8senc_kek;

/**
 * A set of KEKs that wrap side by side. Never changes; any number of threads may use it.
 */
typedef struct k8senc_keyset k8senc_keyset;

/**
 * One KMS v1 provider of one API server, whose health is asked for: Encrypt of `ping`, then Decrypt of what it answered. Any
 * number of threads may use it.
 */
typedef struct k8senc_kmsv1 k8senc_kmsv1;

/**
 * One KMS v2 provider of one API server: when to ask its plugin, what to write with, what to say of its health. It makes no
 * call and looks at no clock. Any number of threads may use it.
 */
typedef struct k8senc_kmsv2 k8senc_kmsv2;

/**
 * The KEKs of a set while they are named.
 */
typedef struct k8senc_members k8senc_members;

/**
 * The key between the KEKs and the seed. A fresh one seals one record.
 */
typedef struct k8senc_wrap_key k8senc_wrap_key;

/**
 * What a KMS provider writes with. Any number of threads may use it; they write one after the other.
 */
typedef struct k8senc_write_key k8senc_write_key;

/**
 * Bytes that a function handed out. `ptr` is NULL if there are none. Free it with `k8senc_buf_free`, which wipes.
 */
typedef struct k8senc_buf {
    /**
     * The bytes, with a NUL behind them.
     */
    uint8_t *ptr;
    /**
     * How many, without the NUL.
     */
    size_t len;
} k8senc_buf;

/**
 * One Decrypt call to a KMS plugin. Read only; all pointers live as long as what the struct came from (an error or a list).
 */
typedef struct k8senc_dek_request {
    /**
     * 1 or 2: the version of the plugin API.
     */
    uint32_t api;
    /**
     * Name of the provider block, with a NUL behind it.
     */
    const char *provider;
    /**
     * Its length without the NUL.
     */
    size_t provider_len;
    /**
     * The encrypted DEK or seed.
     */
    const uint8_t *ciphertext;
    /**
     * Its length; 0 comes with a pointer that must not be read.
     */
    size_t ciphertext_len;
    /**
     * The key_id, with a NUL behind it; empty for KMS v1.
     */
    const char *key_id;
    /**
     * Its length without the NUL.
     */
    size_t key_id_len;
    /**
     * Annotations: name, value, name, value, each with its length in front (4 bytes, big endian).
     */
    const uint8_t *annotations;
    /**
     * Bytes of all that; 0 comes with a pointer that must not be read.
     */
    size_t annotations_len;
    /**
     * Live values that wait for the answer, where a snapshot was surveyed; 0 elsewhere.
     */
    uint64_t live;
    /**
     * Superseded and deleted ones.
     */
    uint64_t history;
} k8senc_dek_request;

/**
 * Why a call failed. The caller reads it and frees it with `k8senc_error_free`; all pointers live that long, and none of
 * the texts ever holds a secret. Fields may be added at the end.
 */
typedef struct k8senc_error {
    /**
     * The same number that the function returned.
     */
    k8senc_status status;
    /**
     * Stable name of the reason, such as `authentication` or `key-secret-length`. Ends with a NUL, as all texts here.
     */
    const char *code;
    /**
     * What was found and what was needed: one clause.
     */
    const char *text;
    /**
     * Its length without the NUL.
     */
    size_t text_len;
    /**
     * What kube-apiserver says in this place; NULL where it says nothing comparable.
     */
    const char *upstream;
    /**
     * Its length without the NUL.
     */
    size_t upstream_len;
    /**
     * Details as JSON, where the function says so; NULL otherwise.
     */
    const char *json;
    /**
     * Its length without the NUL.
     */
    size_t json_len;
    /**
     * What to ask the KMS, with `K8SENC_STATUS_DEK_NEEDED` only; NULL otherwise.
     */
    const struct k8senc_dek_request *request;
} k8senc_error;

/**
 * Distinct requests. Read only; free it with `k8senc_requests_free`.
 */
typedef struct k8senc_requests {
    /**
     * `len` pointers, in the order in which to ask.
     */
    const struct k8senc_dek_request *const *items;
    /**
     * How many.
     */
    size_t len;
    /**
     * How many more there are than can be listed: only a crafted snapshot has any.
     */
    uint64_t beyond;
} k8senc_requests;

/**
 * A value that opened. Written by the library into memory of the caller.
 */
typedef struct k8senc_opened {
    /**
     * In a batch: whether this value opened; all but the first three fields mean nothing if it did not. Alone: OK.
     */
    k8senc_status status;
    /**
     * Where in the output buffer the plaintext begins.
     */
    size_t start;
    /**
     * How many bytes it has.
     */
    size_t len;
    /**
     * kube-apiserver's stale flag.
     */
    k8senc_stale stale;
    /**
     * Why it is stale: the sum of `K8SENC_REASON_...`.
     */
    uint32_t reasons;
    /**
     * Index of the provider in the chain.
     */
    uint32_t provider;
    /**
     * Index of the key in a static provider; `K8SENC_NO_KEY` for others.
     */
    uint32_t key;
    /**
     * KMS v2 only.
     */
    k8senc_form form;
    /**
     * Whether nothing authenticates it: aescbc, and KMS v1 with a CBC body. One wrong key in 256 "opens" such a value.
     */
    bool unauthenticated;
} k8senc_opened;

/**
 * What has to be done next. Written by the library into memory of the caller.
 */
typedef struct k8senc_step {
    /**
     * What.
     */
    k8senc_todo todo;
    /**
     * For WAIT: when to poll again, in nanoseconds since 1970. 0 for all others.
     */
    uint64_t until_ns;
} k8senc_step;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Audits an etcd snapshot or a member's db file, by its path: a JSON report, whose schema is
 * `audit/schema/audit-report.schema.json`. Without a `config` values are classified by what they begin with; with one all
 * are opened and judged, with what `deks` knows, which may be NULL. `options` is JSON, see `docs/c.md`; empty for all
 * defaults. `*exit_code` is the exit code that the command would end with: 0 clean, 1 findings, 4 partly undecidable. Works
 * in the calling thread alone. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `config` and `deks` came from this library; `json`, `exit_code`
 * and `error` are NULL or writable.
 */
k8senc_status k8senc_audit_file(const uint8_t *path,
                                size_t path_len,
                                const struct k8senc_config *config,
                                const struct k8senc_deks *deks,
                                const uint8_t *options,
                                size_t options_len,
                                struct k8senc_buf *json,
                                uint32_t *exit_code,
                                struct k8senc_error **error);

/**
 * What the KMS has to be asked before an audit can decide everything, beyond what `deks` knows, most needed first, with how
 * many values wait for each answer. Opens no value. Gives `*requests`, for `k8senc_requests_free`.
 *
 * # Safety
 * As `k8senc_audit_file`; `requests` is NULL or writable.
 */
k8senc_status k8senc_audit_requests(const uint8_t *path,
                                    size_t path_len,
                                    const struct k8senc_config *config,
                                    const struct k8senc_deks *deks,
                                    const uint8_t *options,
                                    size_t options_len,
                                    struct k8senc_requests **requests,
                                    struct k8senc_error **error);

/**
 * Wipes and frees what a function handed out, and sets `buf` to NULL and 0, so that a second call does nothing. NULL is
 * allowed. Takes what `buf` points to; `buf` itself stays the caller's.
 *
 * # Safety
 * `buf` is NULL or holds what a function of this library wrote, unchanged.
 */
void k8senc_buf_free(struct k8senc_buf *buf);

/**
 * Fills `out` with `len` random bytes of the operating system.
 *
 * # Safety
 * `out` is writable for `len` bytes. `error` is NULL or writable; what is written there, on failure only, is given.
 */
k8senc_status k8senc_random(uint8_t *out, size_t len, struct k8senc_error **error);

/**
 * The chain that kube-apiserver uses for a resource of storage, such as `secrets` or `deployments.apps`; plaintext for a
 * resource that no rule covers. Gives `*chain`, for `k8senc_chain_free`; it does not need `config` any more.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `config` came from `k8senc_config_new`; `chain` and `error`
 * are NULL or writable.
 */
k8senc_status k8senc_chain_new(const struct k8senc_config *config,
                               const uint8_t *resource,
                               size_t resource_len,
                               struct k8senc_chain **chain,
                               struct k8senc_error **error);

/**
 * Wipes and frees a chain. NULL is allowed. Takes `chain`.
 *
 * # Safety
 * `chain` is NULL or came from `k8senc_chain_new`, was not freed, and no other thread uses it.
 */
void k8senc_chain_free(struct k8senc_chain *chain);

/**
 * The providers in order, as JSON: `[{"kind": "aescbc", "name": null, "keys": ["key1"]}, ...]`; what the indexes in
 * `k8senc_opened` count. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * `chain` came from `k8senc_chain_new`; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_chain_describe(const struct k8senc_chain *chain,
                                    struct k8senc_buf *json,
                                    struct k8senc_error **error);

/**
 * Opens one stored value as kube-apiserver does. The plaintext goes to `out`, which must have room for it and its padding, as
 * `stored_len` bytes always are, and overlap no input; `*opened` says how long it is and whether it is stale. `etcd_key` is the
 * whole key. `deks` may be NULL for chains without KMS. Borrows.
 *
 * The value is decrypted in `out` before it is known to be good: no other thread should look at `out` until the call returns. What
 * was decrypted and refused is wiped before that, so `out` then has zeros where it was written to. The bytes behind the plaintext
 * mean nothing and hold no more of the value.
 *
 * `K8SENC_STATUS_DEK_NEEDED` is not final: ask the KMS for `error->request`, hand its answer to `k8senc_deks_supply` or
 * `k8senc_deks_refuse`, and call again; that happens once for each KMS provider of the chain at most.
 *
 * # Safety
 * Each pointer is NULL or readable, `out` writable, for the length beside it; `chain` and `deks` came from this library;
 * `opened` and `error` are NULL or writable.
 */
k8senc_status k8senc_chain_open(const struct k8senc_chain *chain,
                                const struct k8senc_deks *deks,
                                const uint8_t *stored,
                                size_t stored_len,
                                const uint8_t *etcd_key,
                                size_t etcd_key_len,
                                uint8_t *out,
                                size_t out_cap,
                                struct k8senc_opened *opened,
                                struct k8senc_error **error);

/**
 * Opens `count` stored values in one crossing. `stored` has them end to end, `stored_ends[i]` is the offset behind value i;
 * `etcd_keys` and `etcd_key_ends` likewise. The plaintexts go end to end to `out`, which must have room for `stored_len`
 * bytes; `opened[i].status` says whether value i opened (open it alone to know more). `out` is used as by `k8senc_chain_open`.
 * The call fails only if its arguments are wrong. What the KMS has to be asked is best learned before, by `k8senc_chain_needs`. Borrows.
 *
 * # Safety
 * Each pointer is NULL or readable, `out` writable, for the length beside it, the ends for `count` numbers, `opened`
 * writable for `count` elements; `chain` and `deks` came from this library; `error` is NULL or writable.
 */
k8senc_status k8senc_chain_open_batch(const struct k8senc_chain *chain,
                                      const struct k8senc_deks *deks,
                                      size_t count,
                                      const uint8_t *stored,
                                      size_t stored_len,
                                      const size_t *stored_ends,
                                      const uint8_t *etcd_keys,
                                      size_t etcd_keys_len,
                                      const size_t *etcd_key_ends,
                                      uint8_t *out,
                                      size_t out_cap,
                                      struct k8senc_opened *opened,
                                      struct k8senc_error **error);

/**
 * The distinct requests that these values need and that `deks` has no answer to: what to ask the KMS before opening them
 * all. Values as in `k8senc_chain_open_batch`. Gives `*requests`, for `k8senc_requests_free`.
 *
 * # Safety
 * As `k8senc_chain_open_batch`; `requests` is NULL or writable.
 */
k8senc_status k8senc_chain_needs(const struct k8senc_chain *chain,
                                 const struct k8senc_deks *deks,
                                 size_t count,
                                 const uint8_t *stored,
                                 size_t stored_len,
                                 const size_t *stored_ends,
                                 struct k8senc_requests **requests,
                                 struct k8senc_error **error);

/**
 * Says what kube-apiserver says of an EncryptionConfiguration, as JSON: `docs/c.md` has the fields. Gives `*json`, for
 * `k8senc_buf_free`. A refused configuration is an answer, not an error. `options` is JSON, see `docs/c.md`; empty for all
 * defaults.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_config_validate(const uint8_t *text,
                                     size_t text_len,
                                     const uint8_t *options,
                                     size_t options_len,
                                     struct k8senc_buf *json,
                                     struct k8senc_error **error);

/**
 * Judges an EncryptionConfiguration by every lint rule, worst first, as JSON: `docs/c.md` has the fields. Gives `*json`, for
 * `k8senc_buf_free`. `options` is JSON, see `docs/c.md`; empty for all defaults.
 *
 * # Safety
 * As `k8senc_config_validate`.
 */
k8senc_status k8senc_config_lint(const uint8_t *text,
                                 size_t text_len,
                                 const uint8_t *options,
                                 size_t options_len,
                                 struct k8senc_buf *json,
                                 struct k8senc_error **error);

/**
 * Reads an EncryptionConfiguration, YAML or JSON. Gives `*config`, for `k8senc_config_free`. Without options it is read as
 * the current kube-apiserver does, KMS v1 allowed, so that what an older server wrote can still be read. A refusal is
 * `K8SENC_STATUS_CONFIG_REFUSED`, with the verdict of `k8senc_config_validate` in `error->json`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `config` and `error` are NULL or writable.
 */
k8senc_status k8senc_config_new(const uint8_t *text,
                                size_t text_len,
                                const uint8_t *options,
                                size_t options_len,
                                struct k8senc_config **config,
                                struct k8senc_error **error);

/**
 * Wipes and frees a configuration; chains made from it live on. NULL is allowed. Takes `config`.
 *
 * # Safety
 * `config` is NULL or came from `k8senc_config_new`, was not freed, and no other thread uses it.
 */
void k8senc_config_free(struct k8senc_config *config);

/**
 * What a configuration is made of, without its keys, as JSON: `docs/c.md` has the fields. `reload` is whether the server
 * reloads the file by itself. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * `config` came from `k8senc_config_new`; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_config_describe(const struct k8senc_config *config,
                                     bool reload,
                                     struct k8senc_buf *json,
                                     struct k8senc_error **error);

/**
 * Whether kube-apiserver accepts this answer of a plugin's Encrypt: OK, or the first fault that it finds. `annotations` as in
 * `k8senc_dek_request`. Borrows.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `error` is NULL or writable.
 */
k8senc_status k8senc_contract_encrypt(const uint8_t *ciphertext,
                                      size_t ciphertext_len,
                                      const uint8_t *key_id,
                                      size_t key_id_len,
                                      const uint8_t *annotations,
                                      size_t annotations_len,
                                      struct k8senc_error **error);

/**
 * Whether kube-apiserver accepts this answer of a plugin's Status: OK, or the first fault, with all of them in `error->json`
 * (`[{"status", "code", "text", "upstream"}, ...]`). `first_version` is the first good version that this plugin reported,
 * empty if it reported none before. Borrows.
 *
 * # Safety
 * As `k8senc_contract_encrypt`.
 */
k8senc_status k8senc_contract_status(const uint8_t *version,
                                     size_t version_len,
                                     const uint8_t *healthz,
                                     size_t healthz_len,
                                     const uint8_t *key_id,
                                     size_t key_id_len,
                                     const uint8_t *first_version,
                                     size_t first_version_len,
                                     struct k8senc_error **error);

/**
 * An empty table. Gives `*deks`, for `k8senc_deks_free`.
 *
 * # Safety
 * `deks` and `error` are NULL or writable.
 */
k8senc_status k8senc_deks_new(struct k8senc_deks **deks, struct k8senc_error **error);

/**
 * Wipes and frees a table. NULL is allowed. Takes `deks`.
 *
 * # Safety
 * `deks` is NULL or came from `k8senc_deks_new`, was not freed, and no other thread uses it.
 */
void k8senc_deks_free(struct k8senc_deks *deks);

/**
 * Records what the plugin's Decrypt answered. The parts of the request come first, as in `k8senc_dek_request`: `key_id` and
 * `annotations` empty for KMS v1. Any DEK is taken; one of no use is refused when it is used. Copies everything; borrows.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `deks` came from `k8senc_deks_new`; `error` is NULL or writable.
 */
k8senc_status k8senc_deks_supply(const struct k8senc_deks *deks,
                                 uint32_t api,
                                 const uint8_t *provider,
                                 size_t provider_len,
                                 const uint8_t *ciphertext,
                                 size_t ciphertext_len,
                                 const uint8_t *key_id,
                                 size_t key_id_len,
                                 const uint8_t *annotations,
                                 size_t annotations_len,
                                 const uint8_t *dek,
                                 size_t dek_len,
                                 struct k8senc_error **error);

/**
 * Records that the plugin's Decrypt failed, with its text, which kube-apiserver repeats; opening then fails with
 * `K8SENC_STATUS_DEK_REFUSED` until `k8senc_deks_forget`. Copies everything; borrows.
 *
 * # Safety
 * As `k8senc_deks_supply`.
 */
k8senc_status k8senc_deks_refuse(const struct k8senc_deks *deks,
                                 uint32_t api,
                                 const uint8_t *provider,
                                 size_t provider_len,
                                 const uint8_t *ciphertext,
                                 size_t ciphertext_len,
                                 const uint8_t *key_id,
                                 size_t key_id_len,
                                 const uint8_t *annotations,
                                 size_t annotations_len,
                                 const uint8_t *reason,
                                 size_t reason_len,
                                 struct k8senc_error **error);

/**
 * Takes an answer or refusal back, so that the KMS is asked again. Borrows.
 *
 * # Safety
 * As `k8senc_deks_supply`.
 */
k8senc_status k8senc_deks_forget(const struct k8senc_deks *deks,
                                 uint32_t api,
                                 const uint8_t *provider,
                                 size_t provider_len,
                                 const uint8_t *ciphertext,
                                 size_t ciphertext_len,
                                 const uint8_t *key_id,
                                 size_t key_id_len,
                                 const uint8_t *annotations,
                                 size_t annotations_len,
                                 struct k8senc_error **error);

/**
 * Says what is known of the KMS v2 plugin of `provider`: one of `k8senc_plugin_state`, and the key_id of its Status (empty
 * for the first two). Borrows.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `deks` came from `k8senc_deks_new`; `error` is NULL or writable.
 */
k8senc_status k8senc_deks_set_state(const struct k8senc_deks *deks,
                                    const uint8_t *provider,
                                    size_t provider_len,
                                    uint32_t state,
                                    const uint8_t *key_id,
                                    size_t key_id_len,
                                    struct k8senc_error **error);

/**
 * As `k8senc_deks_set_state`, with what `kms` knows of its own provider now. Borrows.
 *
 * # Safety
 * `deks` and `kms` came from this library; `error` is NULL or writable.
 */
k8senc_status k8senc_deks_follow(const struct k8senc_deks *deks,
                                 const struct k8senc_kmsv2 *kms,
                                 struct k8senc_error **error);

/**
 * What a stored value says of itself without any key: provider, key or provider name, key_id, annotations, lengths, as JSON;
 * `docs/c.md` has the fields. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_inspect(const uint8_t *stored,
                             size_t stored_len,
                             struct k8senc_buf *json,
                             struct k8senc_error **error);

/**
 * Takes a KEK of 32 random bytes; a passphrase is none. Copies it. Gives `*kek`, for `k8senc_kek_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `kek` and `error` are NULL or writable.
 */
k8senc_status k8senc_kek_new(const uint8_t *secret,
                             size_t secret_len,
                             struct k8senc_kek **kek,
                             struct k8senc_error **error);

/**
 * Wipes and frees a KEK. NULL is allowed. Takes `kek`.
 *
 * # Safety
 * `kek` is NULL or came from `k8senc_kek_new`, was not freed, and no other thread uses it.
 */
void k8senc_kek_free(struct k8senc_kek *kek);

/**
 * Wraps `key` under a KEK. `context` is the set's for this slot, from `k8senc_keyset_describe`. Gives `*wrap`, for
 * `k8senc_buf_free`.
 *
 * # Safety
 * As `k8senc_kek_new`; handles came from this library; `wrap` is NULL or writable.
 */
k8senc_status k8senc_kek_wrap(const struct k8senc_kek *kek,
                              const struct k8senc_wrap_key *key,
                              const uint8_t *context,
                              size_t context_len,
                              struct k8senc_buf *wrap,
                              struct k8senc_error **error);

/**
 * Unwraps. Gives `*key`, for `k8senc_wrap_key_free`. `K8SENC_STATUS_KEYSET_INTEGRITY` is final: try no other wrap.
 *
 * # Safety
 * As `k8senc_kek_wrap`.
 */
k8senc_status k8senc_kek_unwrap(const struct k8senc_kek *kek,
                                const uint8_t *wrap,
                                size_t wrap_len,
                                const uint8_t *context,
                                size_t context_len,
                                struct k8senc_wrap_key **key,
                                struct k8senc_error **error);

/**
 * A fresh wrap key: 32 random bytes of the operating system. Gives `*key`, for `k8senc_wrap_key_free`.
 *
 * # Safety
 * `key` and `error` are NULL or writable.
 */
k8senc_status k8senc_wrap_key_new(struct k8senc_wrap_key **key, struct k8senc_error **error);

/**
 * What a KMS answered to Decrypt of a wrap. It opens a record and seals none. Copies. Gives `*key`, for
 * `k8senc_wrap_key_free`.
 *
 * # Safety
 * As `k8senc_kek_new`.
 */
k8senc_status k8senc_wrap_key_unwrapped_new(const uint8_t *answer,
                                            size_t answer_len,
                                            struct k8senc_wrap_key **key,
                                            struct k8senc_error **error);

/**
 * The bytes that a remote KMS has to wrap. Gives `*secret`, for `k8senc_buf_free`, which wipes it.
 *
 * # Safety
 * `key` came from this library; `secret` and `error` are NULL or writable.
 */
k8senc_status k8senc_wrap_key_expose(const struct k8senc_wrap_key *key,
                                     struct k8senc_buf *secret,
                                     struct k8senc_error **error);

/**
 * Wipes and frees a wrap key. NULL is allowed. Takes `key`.
 *
 * # Safety
 * `key` is NULL or came from this library, was not freed, and no other thread uses it.
 */
void k8senc_wrap_key_free(struct k8senc_wrap_key *key);

/**
 * Wraps `key` to a recovery recipient (HPKE) with an X25519 public key of 32 bytes. Gives `*wrap`, for `k8senc_buf_free`.
 *
 * # Safety
 * As `k8senc_kek_wrap`.
 */
k8senc_status k8senc_recipient_wrap(const uint8_t *public_key,
                                    size_t public_key_len,
                                    const struct k8senc_wrap_key *key,
                                    const uint8_t *context,
                                    size_t context_len,
                                    struct k8senc_buf *wrap,
                                    struct k8senc_error **error);

/**
 * The public key of a recovery key, an X25519 private key of 32 bytes. Gives `*public_key`, for `k8senc_buf_free`.
 *
 * # Safety
 * As `k8senc_kek_new`; `public_key` is NULL or writable.
 */
k8senc_status k8senc_recovery_public(const uint8_t *private_key,
                                     size_t private_key_len,
                                     struct k8senc_buf *public_key,
                                     struct k8senc_error **error);

/**
 * Unwraps offline with a recovery key. That it opens proves nothing about who wrapped: only `k8senc_record_recover` takes
 * the wrap key. Gives `*key`, for `k8senc_wrap_key_free`.
 *
 * # Safety
 * As `k8senc_kek_wrap`.
 */
k8senc_status k8senc_recovery_unwrap(const uint8_t *private_key,
                                     size_t private_key_len,
                                     const uint8_t *wrap,
                                     size_t wrap_len,
                                     const uint8_t *context,
                                     size_t context_len,
                                     struct k8senc_wrap_key **key,
                                     struct k8senc_error **error);

/**
 * No KEK yet. Gives `*members`, for `k8senc_members_free`.
 *
 * # Safety
 * `members` and `error` are NULL or writable.
 */
k8senc_status k8senc_members_new(struct k8senc_members **members, struct k8senc_error **error);

/**
 * Frees the list; keysets made from it live on. NULL is allowed. Takes `members`.
 *
 * # Safety
 * `members` is NULL or came from `k8senc_members_new`, was not freed, and no other thread uses it.
 */
void k8senc_members_free(struct k8senc_members *members);

/**
 * Adds a KEK one holds, in `slot`. Borrows.
 *
 * # Safety
 * Handles came from this library; `error` is NULL or writable.
 */
k8senc_status k8senc_members_add_kek(const struct k8senc_members *members,
                                     uint8_t slot,
                                     const struct k8senc_kek *kek,
                                     struct k8senc_error **error);

/**
 * Adds a recovery recipient, in `slot`. Borrows.
 *
 * # Safety
 * As `k8senc_kek_new`; handles came from this library.
 */
k8senc_status k8senc_members_add_recipient(const struct k8senc_members *members,
                                           uint8_t slot,
                                           const uint8_t *public_key,
                                           size_t public_key_len,
                                           struct k8senc_error **error);

/**
 * Adds a KEK of a remote KMS, in `slot`: its kind and what names the key and its version, both as in `docs/keyset.md`
 * (`identity` as parts with their lengths in front, 4 bytes, big endian), and how long its wraps are. Borrows.
 *
 * # Safety
 * As `k8senc_kek_new`; handles came from this library.
 */
k8senc_status k8senc_members_add_remote(const struct k8senc_members *members,
                                        uint8_t slot,
                                        uint8_t kind,
                                        const uint8_t *identity,
                                        size_t identity_len,
                                        size_t wrap_len,
                                        struct k8senc_error **error);

/**
 * What a record says without any key, as JSON: `{"setId", "wraps": [{"slot", "kind", "symmetric", "context", "wrap"}, ...]}`,
 * `wrap` in base64. `label` is the cluster's. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * As `k8senc_kek_new`; `json` is NULL or writable.
 */
k8senc_status k8senc_record_inspect(const uint8_t *record,
                                    size_t record_len,
                                    const uint8_t *label,
                                    size_t label_len,
                                    struct k8senc_buf *json,
                                    struct k8senc_error **error);

/**
 * As `k8senc_record_inspect`, for those who read many: `*parts` is a packed list (each part with its length in front, 4 bytes big
 * endian) of the set id in hexadecimal, one byte that says whether there is a set MAC, and for each wrap three parts: slot, kind's
 * number and symmetric (a byte each), context, wrap. Gives `*parts`, for `k8senc_buf_free`.
 *
 * # Safety
 * As `k8senc_record_inspect`; `parts` is NULL or writable.
 */
k8senc_status k8senc_record_parts(const uint8_t *record,
                                  size_t record_len,
                                  const uint8_t *label,
                                  size_t label_len,
                                  struct k8senc_buf *parts,
                                  struct k8senc_error **error);

/**
 * Whether key_id, label and set key fit a record, without any KEK: a plugin asks this before it calls a KMS, so that what
 * somebody put into etcd makes no call. `set_key` is the set's, or none: then only the key_id is looked at. `*has_mac` says
 * whether the record has a set MAC, and is written also when the record does not fit.
 *
 * # Safety
 * As `k8senc_kek_new`; `has_mac` is NULL or writable.
 */
k8senc_status k8senc_record_check(const uint8_t *record,
                                  size_t record_len,
                                  const uint8_t *key_id,
                                  size_t key_id_len,
                                  const uint8_t *label,
                                  size_t label_len,
                                  const uint8_t *set_key,
                                  size_t set_key_len,
                                  bool *has_mac,
                                  struct k8senc_error **error);

/**
 * Opens a record online with what a KEK gave for the wrap in `slot`; `key_id` is the one stored beside it, `label` the
 * cluster's, `set_key` the set's, or none. To reseal, open with the old set's KEK and seal with the new set. Gives `*seed`, for `k8senc_buf_free`, which wipes it.
 *
 * # Safety
 * As `k8senc_kek_new`; `key` came from this library; `seed` is NULL or writable.
 */
k8senc_status k8senc_record_open(const uint8_t *record,
                                 size_t record_len,
                                 uint8_t slot,
                                 const struct k8senc_wrap_key *key,
                                 const uint8_t *key_id,
                                 size_t key_id_len,
                                 const uint8_t *label,
                                 size_t label_len,
                                 const uint8_t *set_key,
                                 size_t set_key_len,
                                 struct k8senc_buf *seed,
                                 struct k8senc_error **error);

/**
 * As `k8senc_record_open`, offline: any wrap serves, and `*proof` says what its opening proves.
 *
 * # Safety
 * As `k8senc_record_open`; `proof` is NULL or writable.
 */
k8senc_status k8senc_record_recover(const uint8_t *record,
                                    size_t record_len,
                                    uint8_t slot,
                                    const struct k8senc_wrap_key *key,
                                    const uint8_t *key_id,
                                    size_t key_id_len,
                                    const uint8_t *label,
                                    size_t label_len,
                                    const uint8_t *set_key,
                                    size_t set_key_len,
                                    k8senc_proof *proof,
                                    struct k8senc_buf *seed,
                                    struct k8senc_error **error);

/**
 * A set of the KEKs in `members`. `label` is the cluster's, 1 to 63 letters, digits, dots, underscores or hyphens; raise
 * `generation` when a set that was left is taken up again. `set_key` has 32 bytes, or none: see `docs/keyset.md`. Copies it.
 * Gives `*keyset`, for `k8senc_keyset_free`; borrows `members`.
 *
 * # Safety
 * As `k8senc_kek_new`; handles came from this library; `keyset` is NULL or writable.
 */
k8senc_status k8senc_keyset_new(const uint8_t *label,
                                size_t label_len,
                                uint64_t generation,
                                const struct k8senc_members *members,
                                const uint8_t *set_key,
                                size_t set_key_len,
                                struct k8senc_keyset **keyset,
                                struct k8senc_error **error);

/**
 * Frees a set. NULL is allowed. Takes `keyset`.
 *
 * # Safety
 * `keyset` is NULL or came from `k8senc_keyset_new`, was not freed, and no other thread uses it.
 */
void k8senc_keyset_free(struct k8senc_keyset *keyset);

/**
 * A set as JSON: `{"keyId", "setId", "maxRecordLen", "members": [{"slot", "kind", "wrapLen", "context"}, ...]}`; the key_id
 * is what the plugin's Status and Encrypt report. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * `keyset` came from `k8senc_keyset_new`; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_keyset_describe(const struct k8senc_keyset *keyset,
                                     struct k8senc_buf *json,
                                     struct k8senc_error **error);

/**
 * Writes a record: `seed` (32 bytes) under `key`, with what every KEK of the set made of `key`: `slots` has `count` slots,
 * `wraps` as many wraps, each with its length in front (4 bytes, big endian). A missing wrap is an error. Gives `*record`,
 * for `k8senc_buf_free`. Spends `key`, also on failure: the handle stays to be freed.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; handles came from this library; `record` and `error` are NULL or
 * writable.
 */
k8senc_status k8senc_keyset_seal(const struct k8senc_keyset *keyset,
                                 const struct k8senc_wrap_key *key,
                                 const uint8_t *seed,
                                 size_t seed_len,
                                 const uint8_t *slots,
                                 size_t count,
                                 const uint8_t *wraps,
                                 size_t wraps_len,
                                 struct k8senc_buf *record,
                                 struct k8senc_error **error);

/**
 * A provider that nobody has asked yet. Gives `*kms`, for `k8senc_kmsv1_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `kms` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv1_new(const uint8_t *provider,
                               size_t provider_len,
                               struct k8senc_kmsv1 **kms,
                               struct k8senc_error **error);

/**
 * Frees a provider. NULL is allowed. Takes `kms`.
 *
 * # Safety
 * `kms` is NULL or came from `k8senc_kmsv1_new`, was not freed, and no other thread uses it.
 */
void k8senc_kmsv1_free(struct k8senc_kmsv1 *kms);

/**
 * What a request to the health endpoint does. Steps as in `k8senc_kmsv2_poll`; `now_ns` counts from any one point in time.
 * Borrows.
 *
 * # Safety
 * `kms` came from `k8senc_kmsv1_new`; `step` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv1_health(const struct k8senc_kmsv1 *kms,
                                  uint64_t now_ns,
                                  struct k8senc_step *step,
                                  struct k8senc_error **error);

/**
 * Takes whether Encrypt answered (any ciphertext will do: keep it for Decrypt), or with `failed` the text of its failure.
 * Steps as in `k8senc_kmsv2_poll`. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv1_health`; each pointer is NULL or readable for the length beside it.
 */
k8senc_status k8senc_kmsv1_encrypt_answered(const struct k8senc_kmsv1 *kms,
                                            uint64_t now_ns,
                                            bool failed,
                                            const uint8_t *reason,
                                            size_t reason_len,
                                            struct k8senc_step *step,
                                            struct k8senc_error **error);

/**
 * Takes whether Decrypt answered, or with `failed` the text of its failure; what it answered is compared with nothing. Steps as in
 * `k8senc_kmsv2_poll`. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv1_encrypt_answered`.
 */
k8senc_status k8senc_kmsv1_decrypt_answered(const struct k8senc_kmsv1 *kms,
                                            uint64_t now_ns,
                                            bool failed,
                                            const uint8_t *reason,
                                            size_t reason_len,
                                            struct k8senc_step *step,
                                            struct k8senc_error **error);

/**
 * A provider that nobody has asked yet. Gives `*kms`, for `k8senc_kmsv2_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `kms` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv2_new(const uint8_t *provider,
                               size_t provider_len,
                               struct k8senc_kmsv2 **kms,
                               struct k8senc_error **error);

/**
 * As `k8senc_kmsv2_new`, for a server that writes in key form, as 1.27 and 1.28 did: one DEK under a counter until the key_id
 * changes. After a restart begin with a new handle and a new DEK: the counter is kept nowhere else.
 *
 * # Safety
 * As `k8senc_kmsv2_new`.
 */
k8senc_status k8senc_kmsv2_key_form_new(const uint8_t *provider,
                                        size_t provider_len,
                                        struct k8senc_kmsv2 **kms,
                                        struct k8senc_error **error);

/**
 * Frees a provider; its seed is wiped when the last write key that follows it is freed too. NULL is allowed. Takes `kms`.
 *
 * # Safety
 * `kms` is NULL or came from `k8senc_kmsv2_new`, was not freed, and no other thread uses it.
 */
void k8senc_kmsv2_free(struct k8senc_kmsv2 *kms);

/**
 * What kube-apiserver does by itself: the first call is the probe at its start, the others are its background polls. Write
 * `*step`, do what it says, and poll again after a probe is over. `now_ns` is the wall clock in nanoseconds since 1970, here
 * and in all functions below. Borrows.
 *
 * Every function that takes a step returns OK with `*step`, or, from 100 on, ends the probe: the plugin is not well, for the
 * reason in `error`, which is what kube-apiserver's health endpoint says.
 *
 * # Safety
 * `kms` came from `k8senc_kmsv2_new`; `step` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv2_poll(const struct k8senc_kmsv2 *kms,
                                uint64_t now_ns,
                                struct k8senc_step *step,
                                struct k8senc_error **error);

/**
 * What a request to the health endpoint does: a result of the last 20 s (good) or 3 s (bad) is repeated, else the plugin is
 * asked. Steps as in `k8senc_kmsv2_poll`. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv2_poll`.
 */
k8senc_status k8senc_kmsv2_health(const struct k8senc_kmsv2 *kms,
                                  uint64_t now_ns,
                                  struct k8senc_step *step,
                                  struct k8senc_error **error);

/**
 * Takes what Status answered, at the time it did. Steps as in `k8senc_kmsv2_poll`. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv2_poll`; each pointer is NULL or readable for the length beside it.
 */
k8senc_status k8senc_kmsv2_status_answered(const struct k8senc_kmsv2 *kms,
                                           uint64_t now_ns,
                                           const uint8_t *version,
                                           size_t version_len,
                                           const uint8_t *healthz,
                                           size_t healthz_len,
                                           const uint8_t *key_id,
                                           size_t key_id_len,
                                           struct k8senc_step *step,
                                           struct k8senc_error **error);

/**
 * As `k8senc_kmsv2_status_answered`, for a call that failed or timed out, with the text of the failure. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv2_status_answered`.
 */
k8senc_status k8senc_kmsv2_status_failed(const struct k8senc_kmsv2 *kms,
                                         uint64_t now_ns,
                                         const uint8_t *reason,
                                         size_t reason_len,
                                         struct k8senc_step *step,
                                         struct k8senc_error **error);

/**
 * Takes the seed and uid that went to Encrypt, and what it answered; `annotations` as in `k8senc_dek_request`. The seed is
 * written with from now on if the answer is good. Steps as in `k8senc_kmsv2_poll`. Copies; borrows.
 *
 * # Safety
 * As `k8senc_kmsv2_status_answered`.
 */
k8senc_status k8senc_kmsv2_encrypt_answered(const struct k8senc_kmsv2 *kms,
                                            uint64_t now_ns,
                                            const uint8_t *seed,
                                            size_t seed_len,
                                            const uint8_t *uid,
                                            size_t uid_len,
                                            const uint8_t *ciphertext,
                                            size_t ciphertext_len,
                                            const uint8_t *key_id,
                                            size_t key_id_len,
                                            const uint8_t *annotations,
                                            size_t annotations_len,
                                            struct k8senc_step *step,
                                            struct k8senc_error **error);

/**
 * As `k8senc_kmsv2_encrypt_answered`, for a call that failed or timed out, with the text of the failure. Borrows.
 *
 * # Safety
 * As `k8senc_kmsv2_status_answered`.
 */
k8senc_status k8senc_kmsv2_encrypt_failed(const struct k8senc_kmsv2 *kms,
                                          uint64_t now_ns,
                                          const uint8_t *uid,
                                          size_t uid_len,
                                          const uint8_t *reason,
                                          size_t reason_len,
                                          struct k8senc_step *step,
                                          struct k8senc_error **error);

/**
 * A write key that always has the seed that `kms` has at the time of a write; sealing fails with
 * `K8SENC_STATUS_KMS_NEVER_HEALTHY` or `K8SENC_STATUS_KMS_WRITE_EXPIRED` where kube-apiserver refuses to write. Gives `*key`,
 * for `k8senc_write_key_free`; it may outlive `kms`.
 *
 * # Safety
 * `kms` came from `k8senc_kmsv2_new`; `key` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv2_write_key_new(const struct k8senc_kmsv2 *kms,
                                         struct k8senc_write_key **key,
                                         struct k8senc_error **error);

/**
 * What is known of a provider, as JSON: `{"provider", "version", "uid", "keyId", "expiresNs"}`, null where nothing is known
 * yet. Gives `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * `kms` came from `k8senc_kmsv2_new`; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_kmsv2_describe(const struct k8senc_kmsv2 *kms,
                                    struct k8senc_buf *json,
                                    struct k8senc_error **error);

/**
 * Which plugins write such an encrypted DEK, the likeliest first, and what has to be known to unwrap it, as JSON; `docs/c.md`
 * has the fields. `key_id` and `annotations` as in `k8senc_dek_request`. That a shape is recognised proves nothing. Gives
 * `*json`, for `k8senc_buf_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `json` and `error` are NULL or writable.
 */
k8senc_status k8senc_plugins_recognise(const uint8_t *ciphertext,
                                       size_t ciphertext_len,
                                       const uint8_t *key_id,
                                       size_t key_id_len,
                                       const uint8_t *annotations,
                                       size_t annotations_len,
                                       struct k8senc_buf *json,
                                       struct k8senc_error **error);

/**
 * Unwraps an encrypted DEK with an AES key that the caller holds, for the plugins where that is possible: `plugin` is
 * `transit`, `pkcs11-gcm`, `barbican` or `local-kek`, as `k8senc_plugins_recognise` names it; `associated_data` is what
 * openbao-kubernetes-kms sent, empty for all others. Gives `*dek`, for `k8senc_buf_free`, which wipes it.
 *
 * # Safety
 * As `k8senc_plugins_recognise`; `dek` is NULL or writable.
 */
k8senc_status k8senc_plugins_unwrap(const uint8_t *plugin,
                                    size_t plugin_len,
                                    const uint8_t *ciphertext,
                                    size_t ciphertext_len,
                                    const uint8_t *key_id,
                                    size_t key_id_len,
                                    const uint8_t *annotations,
                                    size_t annotations_len,
                                    const uint8_t *key,
                                    size_t key_len,
                                    const uint8_t *associated_data,
                                    size_t associated_data_len,
                                    struct k8senc_buf *dek,
                                    struct k8senc_error **error);

/**
 * Frees a list and its requests. NULL is allowed. Takes `requests`.
 *
 * # Safety
 * `requests` is NULL or came from this library and was not freed.
 */
void k8senc_requests_free(struct k8senc_requests *requests);

/**
 * Frees an error with all it points to. NULL is allowed. Takes `error`.
 *
 * # Safety
 * `error` is NULL or came from this library and was not freed.
 */
void k8senc_error_free(struct k8senc_error *error);

/**
 * For one KMS v1 value: a fresh DEK of 32 random bytes, and what the plugin's Encrypt answered for it. Serves one
 * `k8senc_chain_seal`; the next is `K8SENC_STATUS_SPENT`. Gives `*key`, for `k8senc_write_key_free`.
 *
 * # Safety
 * Each pointer is NULL or readable for the length beside it; `key` and `error` are NULL or writable.
 */
k8senc_status k8senc_write_key_kmsv1_new(const uint8_t *dek,
                                         size_t dek_len,
                                         const uint8_t *encrypted_dek,
                                         size_t encrypted_dek_len,
                                         struct k8senc_write_key **key,
                                         struct k8senc_error **error);

/**
 * A KMS v2 seed of 32 bytes or more, as kube-apiserver writes since 1.29, with what the plugin's Encrypt answered for it:
 * `annotations` as in `k8senc_dek_request`. The answer is checked as kube-apiserver does. For a plugin that is followed over
 * time use `k8senc_kmsv2_write_key_new`. Gives `*key`, for `k8senc_write_key_free`.
 *
 * # Safety
 * As `k8senc_write_key_kmsv1_new`.
 */
k8senc_status k8senc_write_key_seed_new(const uint8_t *seed,
                                        size_t seed_len,
                                        const uint8_t *ciphertext,
                                        size_t ciphertext_len,
                                        const uint8_t *key_id,
                                        size_t key_id_len,
                                        const uint8_t *annotations,
                                        size_t annotations_len,
                                        struct k8senc_write_key **key,
                                        struct k8senc_error **error);

/**
 * A KMS v2 DEK of 16, 24 or 32 bytes in key form, as Kubernetes 1.27 and 1.28 wrote; `counter` is the last one used,
 * 1,000,000,000 for a fresh DEK. Write with a DEK in one place only, and never let its counter go back: a nonce used twice
 * gives both plaintexts away. Gives `*key`, for `k8senc_write_key_free`.
 *
 * # Safety
 * As `k8senc_write_key_kmsv1_new`.
 */
k8senc_status k8senc_write_key_dek_new(const uint8_t *dek,
                                       size_t dek_len,
                                       uint64_t counter,
                                       const uint8_t *ciphertext,
                                       size_t ciphertext_len,
                                       const uint8_t *key_id,
                                       size_t key_id_len,
                                       const uint8_t *annotations,
                                       size_t annotations_len,
                                       struct k8senc_write_key **key,
                                       struct k8senc_error **error);

/**
 * Wipes and frees a write key. NULL is allowed. Takes `key`.
 *
 * # Safety
 * `key` is NULL or came from this library, was not freed, and no other thread uses it.
 */
void k8senc_write_key_free(struct k8senc_write_key *key);

/**
 * Bytes that a stored value has beyond its plaintext, at most: what to add to the length of a plaintext for the output
 * buffer of `k8senc_chain_seal`. It changes with the key_id and annotations of a KMS v2 key, so ask again after
 * `K8SENC_STATUS_BUFFER_TOO_SMALL`. `key` and `now_ns` as there. Borrows.
 *
 * # Safety
 * `chain` and `key` came from this library; `overhead` and `error` are NULL or writable.
 */
k8senc_status k8senc_chain_seal_overhead(const struct k8senc_chain *chain,
                                         const struct k8senc_write_key *key,
                                         uint64_t now_ns,
                                         size_t *overhead,
                                         struct k8senc_error **error);

/**
 * Seals one value as kube-apiserver would write it, with randomness of the operating system. The stored value goes to `out`,
 * which must have room for `plaintext_len` and the overhead of `k8senc_chain_seal_overhead` and overlap no input; `*written`
 * is its length. What `out` holds after a failure means nothing. `key` is NULL unless the first provider is a KMS. `now_ns` is the wall clock, in nanoseconds since 1970,
 * and counts only for keys that follow a plugin. Borrows; a KMS v1 key is spent.
 *
 * # Safety
 * Each pointer is NULL or readable, `out` writable, for the length beside it; `chain` and `key` came from this library;
 * `written` and `error` are NULL or writable.
 */
k8senc_status k8senc_chain_seal(const struct k8senc_chain *chain,
                                const struct k8senc_write_key *key,
                                uint64_t now_ns,
                                const uint8_t *plaintext,
                                size_t plaintext_len,
                                const uint8_t *etcd_key,
                                size_t etcd_key_len,
                                uint8_t *out,
                                size_t out_cap,
                                size_t *written,
                                struct k8senc_error **error);

/**
 * As `k8senc_chain_seal`, with the caller's randomness: for test vectors and for machines with a generator of their own.
 * `random` must come from a cryptographic random source and be used for this value only. In the order in which kube-apiserver
 * draws them: aescbc IV 16; aesgcm nonce 12; secretbox nonce 24; KMS v1 nonce 12 (the DEK is in `key`); KMS v2 seed form info
 * 32, nonce 12; KMS v2 key form nonce 4.
 *
 * # Safety
 * As `k8senc_chain_seal`.
 */
k8senc_status k8senc_chain_seal_with_random(const struct k8senc_chain *chain,
                                            const struct k8senc_write_key *key,
                                            uint64_t now_ns,
                                            const uint8_t *plaintext,
                                            size_t plaintext_len,
                                            const uint8_t *etcd_key,
                                            size_t etcd_key_len,
                                            const uint8_t *random,
                                            size_t random_len,
                                            uint8_t *out,
                                            size_t out_cap,
                                            size_t *written,
                                            struct k8senc_error **error);

/**
 * Seals `count` values in one crossing, with randomness of the operating system. Plaintexts and etcd keys lie end to end, as
 * in `k8senc_chain_open_batch`. The stored values go end to end to `out`, which must have room for `plaintexts_len` and
 * `count` times the overhead; `ends[i]` becomes the offset behind value i. Many aescbc values are sealed several times as fast
 * as one by one. Not for KMS v1, which needs a DEK for each value. Borrows.
 *
 * # Safety
 * Each pointer is NULL or readable, `out` writable, for the length beside it, `plaintext_ends` and `etcd_key_ends` readable
 * and `ends` writable for `count` numbers; `chain` and `key` came from this library; `error` is NULL or writable.
 */
k8senc_status k8senc_chain_seal_batch(const struct k8senc_chain *chain,
                                      const struct k8senc_write_key *key,
                                      uint64_t now_ns,
                                      size_t count,
                                      const uint8_t *plaintexts,
                                      size_t plaintexts_len,
                                      const size_t *plaintext_ends,
                                      const uint8_t *etcd_keys,
                                      size_t etcd_keys_len,
                                      const size_t *etcd_key_ends,
                                      uint8_t *out,
                                      size_t out_cap,
                                      size_t *ends,
                                      struct k8senc_error **error);

/**
 * The ABI of the library, to be compared with `K8SENC_ABI_VERSION` at start.
 */
uint32_t k8senc_abi_version(void);

/**
 * The release of the library, such as `0.1.0`: a constant text with a NUL behind it, which nobody frees.
 */
const char *k8senc_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* K8SENC_H */
