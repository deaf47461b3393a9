/* Everything a caller can do wrong without breaking the language's own rules: it must get a status, and its outputs back as they
 * were. */
#include "check.h"

static k8senc_error *error;

static const uint8_t *const junk = (const uint8_t *)"junk";

/* NULL for whatever must be there, and NULL with a length. */
static void null_arguments(void) {
    k8senc_config *config;
    k8senc_chain *chain;
    k8senc_deks *deks;
    k8senc_write_key *key;
    k8senc_kmsv2 *kms2;
    k8senc_kmsv1 *kms1;
    k8senc_requests *requests;
    k8senc_keyset *keyset;
    k8senc_kek *kek;
    k8senc_wrap_key *wrap_key;
    k8senc_opened opened;
    k8senc_step step;
    k8senc_buf buf;
    uint8_t out[64];
    size_t n;
    FAILS(NULL_POINTER, k8senc_config_new(T(CONFIG), NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_config_new(NULL, 5, NONE, &config, &error));
    FAILS(NULL_POINTER, k8senc_config_validate(T(CONFIG), NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_config_lint(NULL, 1, NONE, &buf, &error));
    FAILS(NULL_POINTER, k8senc_config_describe(NULL, false, &buf, &error));
    FAILS(NULL_POINTER, k8senc_chain_new(NULL, T("secrets"), &chain, &error));
    FAILS(NULL_POINTER, k8senc_chain_describe(NULL, &buf, &error));
    FAILS(NULL_POINTER, k8senc_chain_open(NULL, NULL, NONE, NONE, out, 1, &opened, &error));
    FAILS(NULL_POINTER, k8senc_chain_open_batch(NULL, NULL, 0, NONE, NULL, NONE, NULL, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_chain_needs(NULL, NULL, 0, NONE, NULL, &requests, &error));
    FAILS(NULL_POINTER, k8senc_chain_seal_overhead(NULL, NULL, 0, &n, &error));
    FAILS(NULL_POINTER, k8senc_chain_seal(NULL, NULL, 0, NONE, NONE, out, 64, &n, &error));
    FAILS(NULL_POINTER, k8senc_chain_seal_with_random(NULL, NULL, 0, NONE, NONE, NONE, out, 64, &n, &error));
    FAILS(NULL_POINTER, k8senc_chain_seal_batch(NULL, NULL, 0, 0, NONE, NULL, NONE, NULL, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_deks_new(NULL, &error));
    FAILS(NULL_POINTER, k8senc_deks_supply(NULL, 1, NONE, NONE, NONE, NONE, NONE, &error));
    FAILS(NULL_POINTER, k8senc_deks_refuse(NULL, 1, NONE, NONE, NONE, NONE, NONE, &error));
    FAILS(NULL_POINTER, k8senc_deks_forget(NULL, 1, NONE, NONE, NONE, NONE, &error));
    FAILS(NULL_POINTER, k8senc_deks_set_state(NULL, NONE, 0, NONE, &error));
    FAILS(NULL_POINTER, k8senc_deks_follow(NULL, NULL, &error));
    FAILS(NULL_POINTER, k8senc_inspect(T("x"), NULL, &error));
    FAILS(NULL_POINTER, k8senc_random(NULL, 1, &error));
    FAILS(NULL_POINTER, k8senc_kek_new(NULL, 32, &kek, &error));
    FAILS(NULL_POINTER, k8senc_kek_wrap(NULL, NULL, NONE, &buf, &error));
    FAILS(NULL_POINTER, k8senc_kek_unwrap(NULL, NONE, NONE, &wrap_key, &error));
    FAILS(NULL_POINTER, k8senc_wrap_key_new(NULL, &error));
    FAILS(NULL_POINTER, k8senc_wrap_key_expose(NULL, &buf, &error));
    FAILS(NULL_POINTER, k8senc_wrap_key_unwrapped_new(NULL, 32, &wrap_key, &error));
    FAILS(NULL_POINTER, k8senc_recipient_wrap(NONE, NULL, NONE, &buf, &error));
    FAILS(NULL_POINTER, k8senc_recovery_public(NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_recovery_unwrap(NONE, NONE, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_members_new(NULL, &error));
    FAILS(NULL_POINTER, k8senc_members_add_kek(NULL, 1, NULL, &error));
    FAILS(NULL_POINTER, k8senc_members_add_remote(NULL, 1, 2, T("\0\0\0\1a"), 62, &error));
    FAILS(NULL_POINTER, k8senc_keyset_new(T("a"), 0, NULL, NONE, &keyset, &error));
    FAILS(NULL_POINTER, k8senc_keyset_describe(NULL, &buf, &error));
    FAILS(NULL_POINTER, k8senc_keyset_seal(NULL, NULL, NONE, NONE, NONE, &buf, &error));
    FAILS(NULL_POINTER, k8senc_record_open(NONE, 0, NULL, NONE, NONE, NONE, &buf, &error));
    FAILS(NULL_POINTER, k8senc_record_parts(NONE, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_record_check(NONE, NONE, NONE, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_record_recover(NONE, 0, NULL, NONE, NONE, NONE, NULL, &buf, &error));
    FAILS(NULL_POINTER, k8senc_kmsv1_new(T("p"), NULL, &error));
    FAILS(NULL_POINTER, k8senc_kmsv1_health(NULL, 0, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv1_encrypt_answered(NULL, 0, false, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv1_decrypt_answered(NULL, 0, false, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_new(NULL, 3, &kms2, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_poll(NULL, 0, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_health(NULL, 0, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_status_answered(NULL, 0, NONE, NONE, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_status_failed(NULL, 0, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_encrypt_answered(NULL, 0, NONE, NONE, NONE, NONE, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_encrypt_failed(NULL, 0, NONE, NONE, &step, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_write_key_new(NULL, &key, &error));
    FAILS(NULL_POINTER, k8senc_kmsv2_describe(NULL, &buf, &error));
    FAILS(NULL_POINTER, k8senc_audit_file(T("/nowhere"), NULL, NULL, NONE, &buf, NULL, &error));
    FAILS(NULL_POINTER, k8senc_audit_requests(T("/nowhere"), NULL, NULL, NONE, &requests, &error));
    FAILS(NULL_POINTER, k8senc_write_key_kmsv1_new(NONE, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_write_key_seed_new(NULL, 32, NONE, NONE, NONE, &key, &error));
    FAILS(NULL_POINTER, k8senc_write_key_dek_new(NONE, 0, NONE, NONE, NONE, NULL, &error));
    FAILS(NULL_POINTER, k8senc_contract_encrypt(NULL, 1, NONE, NONE, &error));
    FAILS(NULL_POINTER, k8senc_contract_status(NULL, 1, NONE, NONE, NONE, &error));

    OK(k8senc_deks_new(&deks, &error));
    OK(k8senc_kmsv1_new(NONE, &kms1, &error));
    FAILS(NULL_POINTER, k8senc_deks_follow(deks, NULL, &error));
    FAILS(NULL_POINTER, k8senc_kmsv1_health(kms1, 0, NULL, &error));
    k8senc_kmsv1_free(kms1);
    k8senc_deks_free(deks);

    /* Nobody has to look at errors. */
    CHECK(k8senc_inspect(T("x"), NULL, NULL) == K8SENC_STATUS_NULL_POINTER);

    k8senc_config_free(NULL);
    k8senc_chain_free(NULL);
    k8senc_deks_free(NULL);
    k8senc_write_key_free(NULL);
    k8senc_kmsv2_free(NULL);
    k8senc_kmsv1_free(NULL);
    k8senc_kek_free(NULL);
    k8senc_wrap_key_free(NULL);
    k8senc_members_free(NULL);
    k8senc_keyset_free(NULL);
    k8senc_requests_free(NULL);
    k8senc_error_free(NULL);
    k8senc_buf_free(NULL);
}

/* `program` is a file that is no snapshot. */
static void sizes_and_texts(const k8senc_config *config, const char *program) {
    k8senc_config *refused = (k8senc_config *)junk;
    k8senc_chain *chain;
    k8senc_deks *deks;
    k8senc_write_key *key;
    k8senc_kmsv2 *kms;
    k8senc_opened opened;
    k8senc_requests *requests;
    k8senc_buf buf;
    uint8_t stored[512], out[512], before[512];
    size_t written = 77, overhead;

    FAILS(CONFIG_REFUSED, k8senc_config_new(T("kind: Nothing\n"), NONE, &refused, &error));
    CHECK((const uint8_t *)refused == junk);
    FAILS(CONFIG_REFUSED, k8senc_config_new(NONE, NONE, &refused, &error));
    FAILS(BAD_OPTIONS, k8senc_config_validate(T(CONFIG), T("{\"versio\": \"1.30\"}"), &buf, &error));
    FAILS(BAD_OPTIONS, k8senc_config_validate(T(CONFIG), T("\xff"), &buf, &error));
    FAILS(UNKNOWN_VERSION, k8senc_config_lint(T(CONFIG), T("{\"version\": \"2\"}"), &buf, &error));
    OK(k8senc_config_lint(T(CONFIG), T("{\"version\": \"1.30\", \"migration\": \"done\", \"file\": {\"mode\": 420}}"), &buf, &error));
    CHECK(buf.ptr[buf.len] == 0 && strstr((const char *)buf.ptr, "K8E") != NULL);
    k8senc_buf_free(&buf);
    CHECK(buf.ptr == NULL && buf.len == 0);
    k8senc_buf_free(&buf);

    FAILS(NOT_UTF8, k8senc_chain_new(config, T("\xff"), &chain, &error));
    OK(k8senc_chain_new(config, T("secrets"), &chain, &error));
    OK(k8senc_chain_seal_overhead(chain, NULL, 0, &overhead, &error));
    memset(out, 0xee, sizeof out);
    memcpy(before, out, sizeof out);
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), out, 1 + overhead, &written, &error));
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), NULL, 0, &written, &error));
    FAILS(NULL_POINTER, k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), NULL, 500, &written, &error));
    FAILS(RANDOM_TOO_SHORT, k8senc_chain_seal_with_random(chain, NULL, 0, T("{}"), T(KEY), T("11 bytes..."), out, 512, &written, &error));
    CHECK(written == 77 && memcmp(out, before, sizeof out) == 0);
    OK(k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), stored, sizeof stored, &written, &error));

    memset(&opened, 0xee, sizeof opened);
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_open(chain, NULL, stored, written, T(KEY), out, 1, &opened, &error));
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_open(chain, NULL, stored, written, T(KEY), NULL, 0, &opened, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open(chain, NULL, stored, written, T(KEY), stored, sizeof stored, &opened, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open(chain, NULL, stored, written, T(KEY), stored + written - 1, 64, &opened, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_seal(chain, NULL, 0, stored, 9, T(KEY), stored + 8, 256, &written, &error));
    CHECK(memcmp(out, before, sizeof out) == 0);
    FAILS(AUTHENTICATION, k8senc_chain_open(chain, NULL, stored, written, T("/other"), out, sizeof out, &opened, &error));
    FAILS(STORED_TOO_SHORT, k8senc_chain_open(chain, NULL, stored, 30, T(KEY), out, sizeof out, &opened, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open(chain, NULL, stored, SIZE_MAX, T(KEY), out, SIZE_MAX, &opened, &error));
    /* The refused value was decrypted there, and is wiped; nothing else was touched. */
    CHECK(out[0] == 0 && out[1] == 0 && memcmp(out + 2, before + 2, sizeof out - 2) == 0);
    CHECK(((const uint8_t *)&opened)[sizeof opened - 1] == 0xee);
    /* Room for the plaintext is enough. */
    OK(k8senc_chain_open(chain, NULL, stored, written, T(KEY), out, 2, &opened, &error));
    CHECK(opened.start == 0 && opened.len == 2 && memcmp(out, "{}", 2) == 0);
    /* A NULL value with length 0 is a value: nothing, which identity reads. */
    OK(k8senc_chain_open(chain, NULL, NONE, T(KEY), NONE, &opened, &error));
    CHECK(opened.len == 0 && opened.stale == K8SENC_STALE_STALE && opened.reasons == K8SENC_REASON_NOT_FIRST_PROVIDER);

    size_t good[2] = {written, written}, bad[2] = {written, 3}, keys[2] = {sizeof KEY - 1, sizeof KEY - 1}, ends[2] = {9, 9};
    k8senc_opened both[2];
    OK(k8senc_chain_open_batch(chain, NULL, 2, stored, written, good, T(KEY), keys, out, written, both, &error));
    CHECK(both[0].status == K8SENC_STATUS_OK && both[0].len == 2 && both[1].status == K8SENC_STATUS_OK && both[1].len == 0);
    OK(k8senc_chain_open_batch(chain, NULL, 0, NONE, NULL, NONE, NULL, NONE, NULL, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open_batch(chain, NULL, 2, stored, written, bad, T(KEY), keys, out, 512, both, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open_batch(chain, NULL, 2, stored, written + 1, good, T(KEY), keys, out, 512, both, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open_batch(chain, NULL, 0, stored, written, good, T(KEY), keys, out, 512, both, &error));
    FAILS(NULL_POINTER, k8senc_chain_open_batch(chain, NULL, 2, stored, written, NULL, T(KEY), keys, out, 512, both, &error));
    FAILS(NULL_POINTER, k8senc_chain_open_batch(chain, NULL, 2, stored, written, good, T(KEY), keys, out, 512, NULL, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_open_batch(chain, NULL, SIZE_MAX / 2, stored, written, good, T(KEY), keys, out, 512, both, &error));
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_open_batch(chain, NULL, 2, stored, written, good, T(KEY), keys, out, written - 1, both, &error));
    size_t plain_ends[2] = {1, 2};
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_seal_batch(chain, NULL, 0, 2, T("{}"), plain_ends, T(KEY), keys, out, 2 + overhead, ends, &error));
    CHECK(ends[0] == 9 && ends[1] == 9);
    k8senc_chain_free(chain);

    OK(k8senc_deks_new(&deks, &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 3, T("p"), T("c"), NONE, NONE, T("d"), &error));
    FAILS(NOT_UTF8, k8senc_deks_supply(deks, 2, T("\xff"), T("c"), NONE, NONE, T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"), T("\0\0\0\x02x"), T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"), T("\0\0\0\1x"), T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"), T("\0\0"), T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"), T("\xff\xff\xff\xffx"), T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"),
                                           T("\0\0\0\1x\0\0\0\1y\0\0\0\1x\0\0\0\1z"), T("d"), &error));
    FAILS(NOT_UTF8, k8senc_deks_supply(deks, 2, T("p"), T("c"), T("1"), T("\0\0\0\1\xff\0\0\0\0"), T("d"), &error));
    FAILS(BAD_ARGUMENT, k8senc_deks_set_state(deks, T("p"), 4, NONE, &error));
    k8senc_deks_free(deks);

    /* KMS v1: one DEK seals one value. */
    uint8_t dek[32] = {7};
    FAILS(DEK_SIZE, k8senc_write_key_kmsv1_new(dek, 31, T("wrapped"), &key, &error));
    OK(k8senc_write_key_kmsv1_new(dek, 32, T("wrapped"), &key, &error));
    OK(k8senc_chain_new(config, T("events"), &chain, &error));
    FAILS(NO_WRITE_KEY, k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), stored, sizeof stored, &written, &error));
    FAILS(BAD_ARGUMENT, k8senc_chain_seal_batch(chain, key, 0, 2, T("{}"), plain_ends, T(KEY), keys, out, 512, ends, &error));
    FAILS(BUFFER_TOO_SMALL, k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), stored, 10, &written, &error));
    OK(k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), stored, sizeof stored, &written, &error));
    FAILS(SPENT, k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), stored, sizeof stored, &written, &error));
    k8senc_write_key_free(key);
    CHECK(k8senc_chain_open(chain, NULL, stored, written, T(KEY), out, sizeof out, &opened, &error) == K8SENC_STATUS_DEK_NEEDED);
    CHECK(error->request != NULL && error->request->api == 1 && strcmp(error->request->provider, "old") == 0);
    CHECK(error->request->ciphertext_len == 7 && memcmp(error->request->ciphertext, "wrapped", 7) == 0);
    k8senc_error_free(error);
    k8senc_chain_free(chain);

    /* KMS v2: a plugin that was never asked, answers that nobody waits for, a DEK table without the answer. */
    OK(k8senc_chain_new(config, T("configmaps"), &chain, &error));
    OK(k8senc_kmsv2_new(T("p"), &kms, &error));
    OK(k8senc_kmsv2_write_key_new(kms, &key, &error));
    FAILS(KMS_NEVER_HEALTHY, k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), out, sizeof out, &written, &error));
    FAILS(KMS_NEVER_HEALTHY, k8senc_chain_seal(chain, NULL, 0, T("{}"), T(KEY), out, sizeof out, &written, &error));
    k8senc_step step = {K8SENC_TODO_WAIT, 0};
    OK(k8senc_kmsv2_status_answered(kms, 0, T("v2"), T("ok"), T("1"), &step, &error));
    CHECK(step.todo == K8SENC_TODO_PENDING);
    OK(k8senc_kmsv2_poll(kms, 0, &step, &error));
    CHECK(step.todo == K8SENC_TODO_STATUS);
    FAILS(KMS_CALL, k8senc_kmsv2_status_failed(kms, 0, T("away"), &step, &error));
    CHECK(step.todo == K8SENC_TODO_STATUS);
    k8senc_kmsv2_free(kms);
    /* The key outlives the plugin it followed. */
    FAILS(KMS_NEVER_HEALTHY, k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), out, sizeof out, &written, &error));
    k8senc_write_key_free(key);
    FAILS(SEED_TOO_SHORT, k8senc_write_key_seed_new(dek, 31, T("c"), T("1"), NONE, &key, &error));
    FAILS(KMS_V2_DEK_SOURCE_SIZE, k8senc_write_key_seed_new(dek, 32, NONE, T("1"), NONE, &key, &error));
    FAILS(DEK_SIZE, k8senc_write_key_dek_new(dek, 20, 0, T("c"), T("1"), NONE, &key, &error));
    OK(k8senc_write_key_dek_new(dek, 32, UINT64_MAX, T("c"), T("1"), NONE, &key, &error));
    FAILS(COUNTER_OVERFLOW, k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), out, sizeof out, &written, &error));
    k8senc_write_key_free(key);
    OK(k8senc_chain_needs(chain, NULL, 0, NONE, NULL, &requests, &error));
    CHECK(requests->len == 0 && requests->items == NULL);
    k8senc_requests_free(requests);
    k8senc_chain_free(chain);

    FAILS(KMS_HEALTHZ, k8senc_contract_status(T("v2"), T("OK"), T("1"), NONE, &error));
    CHECK(k8senc_contract_status(T("v3"), T("bad"), NONE, T("v2"), &error) == K8SENC_STATUS_KMS_HEALTHZ);
    CHECK(strstr(error->json, "kms-version") != NULL && strstr(error->json, "kms-status-key-id") != NULL);
    k8senc_error_free(error);
    OK(k8senc_contract_status(T("v2"), T("ok"), T("1"), T("v2"), &error));

    uint32_t code = 9;
    FAILS(SNAPSHOT_OPEN, k8senc_audit_file(T("/no/such/file"), config, NULL, NONE, &buf, &code, &error));
    FAILS(SNAPSHOT_NOT_A_FILE, k8senc_audit_file(T("/dev/null"), config, NULL, NONE, &buf, &code, &error));
    FAILS(SNAPSHOT_OPEN, k8senc_audit_file(T("a\0b"), config, NULL, NONE, &buf, &code, &error));
    FAILS(SNAPSHOT_UNREADABLE, k8senc_audit_file((const uint8_t *)program, strlen(program), config, NULL, NONE, &buf, &code, &error));
    FAILS(BAD_OPTIONS, k8senc_audit_file((const uint8_t *)program, strlen(program), config, NULL, T("{\"threads\": 9}"), &buf, &code, &error));
    CHECK(code == 9);

    uint8_t random[64] = {0}, zero[64] = {0};
    OK(k8senc_random(random, 64, &error));
    CHECK(memcmp(random, zero, 64) != 0);
    OK(k8senc_random(NULL, 0, &error));
}

int main(int argc, char **argv) {
    k8senc_config *config;
    CHECK(argc > 0);
    OK(k8senc_config_new(T(CONFIG), T("{\"kmsv1\": true}"), &config, &error));
    null_arguments();
    sizes_and_texts(config, argv[0]);
    k8senc_config_free(config);
    puts("misuse: every wrong call got its status");
    return 0;
}
