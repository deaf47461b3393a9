// The library's calls as the hot paths of the Go package make them: handles are numbers, and what a call answers holds no pointer.
#pragma once

#include <k8senc.h>

// What a call answers, without a pointer in it: it may lie on Go's stack, and cgo has nothing to look through.
typedef struct {
	k8senc_opened opened;
	size_t written;
	uintptr_t failure;
} k8senc_go_answer;

static inline k8senc_status k8senc_go_open(uintptr_t chain, uintptr_t deks, const uint8_t *stored, size_t stored_len, const uint8_t *key, size_t key_len,
		uint8_t *out, size_t out_len, k8senc_go_answer *answer) {
	k8senc_error *failure = NULL;
	k8senc_status status = k8senc_chain_open((const k8senc_chain *)chain, (const k8senc_deks *)deks, stored, stored_len, key, key_len,
		out, out_len, &answer->opened, &failure);
	answer->failure = (uintptr_t)failure;
	return status;
}

static inline k8senc_status k8senc_go_open_batch(uintptr_t chain, uintptr_t deks, size_t count, const uint8_t *stored, size_t stored_len,
		const size_t *stored_ends, const uint8_t *keys, size_t keys_len, const size_t *key_ends, uint8_t *out, size_t out_len,
		k8senc_opened *opened, k8senc_go_answer *answer) {
	k8senc_error *failure = NULL;
	k8senc_status status = k8senc_chain_open_batch((const k8senc_chain *)chain, (const k8senc_deks *)deks, count, stored, stored_len,
		stored_ends, keys, keys_len, key_ends, out, out_len, opened, &failure);
	answer->failure = (uintptr_t)failure;
	return status;
}

static inline k8senc_status k8senc_go_overhead(uintptr_t chain, uintptr_t key, uint64_t now, k8senc_go_answer *answer) {
	k8senc_error *failure = NULL;
	k8senc_status status = k8senc_chain_seal_overhead((const k8senc_chain *)chain, (const k8senc_write_key *)key, now, &answer->written, &failure);
	answer->failure = (uintptr_t)failure;
	return status;
}

static inline k8senc_status k8senc_go_seal(uintptr_t chain, uintptr_t write_key, uint64_t now, const uint8_t *plain, size_t plain_len, const uint8_t *key,
		size_t key_len, const uint8_t *random, size_t random_len, uint8_t *out, size_t out_len, k8senc_go_answer *answer) {
	k8senc_error *failure = NULL;
	k8senc_status status = k8senc_chain_seal_with_random((const k8senc_chain *)chain, (const k8senc_write_key *)write_key, now, plain, plain_len,
		key, key_len, random, random_len, out, out_len, &answer->written, &failure);
	answer->failure = (uintptr_t)failure;
	return status;
}

static inline k8senc_status k8senc_go_seal_batch(uintptr_t chain, uintptr_t write_key, uint64_t now, size_t count, const uint8_t *plain, size_t plain_len,
		const size_t *plain_ends, const uint8_t *keys, size_t keys_len, const size_t *key_ends, uint8_t *out, size_t out_len, size_t *ends,
		k8senc_go_answer *answer) {
	k8senc_error *failure = NULL;
	k8senc_status status = k8senc_chain_seal_batch((const k8senc_chain *)chain, (const k8senc_write_key *)write_key, now, count, plain, plain_len,
		plain_ends, keys, keys_len, key_ends, out, out_len, ends, &failure);
	answer->failure = (uintptr_t)failure;
	return status;
}

static inline k8senc_error *k8senc_go_failure(uintptr_t failure) { return (k8senc_error *)failure; }
