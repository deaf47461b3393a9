/* Runs calls that it is told on standard input, one a line: a word and arguments in hex ("-" for no byte; numbers in decimal).
 * Every line is answered by one line: "ok" and results, or "err STATUS CODE TEXT UPSTREAM JSON" ("~" for none), or "needs" and a
 * request. tests/conformance.py has the cases and the comparison; here are only calls, with buffers of exactly the right size,
 * so that sanitizers see every byte too many. */
#define _POSIX_C_SOURCE 200809L
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "k8senc.h"

#define MAX_ARGS 16

typedef struct {
    uint8_t *ptr;
    size_t len;
} bytes;

static k8senc_config *config;
static k8senc_chain *chain;
static k8senc_deks *deks;
static k8senc_write_key *key;
static k8senc_kmsv2 *kms2;
static k8senc_kmsv1 *kms1;

static const char *words[MAX_ARGS];
static bytes args[MAX_ARGS];
static size_t count;

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static bytes unhex(const char *text) {
    bytes out = {NULL, 0};
    if (strcmp(text, "-") == 0) return out;
    size_t len = strlen(text) / 2;
    out.ptr = malloc(len);
    assert(out.ptr != NULL);
    for (size_t i = 0; i < len; i++) out.ptr[i] = (uint8_t)(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
    out.len = len;
    return out;
}

static void hex(const uint8_t *ptr, size_t len) {
    putchar(' ');
    if (len == 0) putchar('-');
    for (size_t i = 0; i < len; i++) printf("%02x", ptr[i]);
}

static void text(const char *ptr, size_t len) {
    if (ptr == NULL)
        printf(" ~");
    else
        hex((const uint8_t *)ptr, len);
}

static bytes arg(size_t at) {
    assert(at < count);
    if (args[at].ptr == NULL) args[at] = unhex(words[at]);
    return args[at];
}

static uint64_t number(size_t at) {
    assert(at < count);
    return strtoull(words[at], NULL, 10);
}

#define A(at) arg(at).ptr, arg(at).len

static void show_request(const k8senc_dek_request *request) {
    printf(" %" PRIu32, request->api);
    text(request->provider, request->provider_len);
    hex(request->ciphertext, request->ciphertext_len);
    text(request->key_id, request->key_id_len);
    hex(request->annotations, request->annotations_len);
    printf(" %" PRIu64 " %" PRIu64, request->live, request->history);
}

/* Answers a call that failed, and says whether it did. Takes a pointer, because it is read after the call was made. */
static int failed(k8senc_status status, k8senc_error **given) {
    if (status == K8SENC_STATUS_OK) {
        assert(*given == NULL);
        return 0;
    }
    const k8senc_error *error = *given;
    assert(error != NULL && error->status == status);
    assert(strlen(error->text) <= error->text_len);
    if (status == K8SENC_STATUS_DEK_NEEDED) {
        assert(error->request != NULL);
        printf("needs");
        show_request(error->request);
    } else {
        assert(error->request == NULL);
        printf("err %d %s", (int)status, error->code);
        text(error->text, error->text_len);
        text(error->upstream, error->upstream_len);
        text(error->json, error->json_len);
    }
    putchar('\n');
    k8senc_error_free(*given);
    *given = NULL;
    return 1;
}

static void done(k8senc_status status, k8senc_error **error) {
    if (!failed(status, error)) puts("ok");
}

static void json(k8senc_status status, k8senc_buf *buf, k8senc_error **error) {
    if (failed(status, error)) return;
    printf("ok");
    hex(buf->ptr, buf->len);
    putchar('\n');
    k8senc_buf_free(buf);
}

static void step(k8senc_status status, const k8senc_step *next, k8senc_error **error) {
    static const char *const names[] = {"wait", "status", "encrypt", "done", "pending", "decrypt"};
    if (failed(status, error)) return;
    printf("ok %s %" PRIu64 "\n", names[next->todo], next->until_ns);
}

static void list(k8senc_status status, k8senc_requests *found, k8senc_error **error) {
    if (failed(status, error)) return;
    printf("ok %zu", found->len);
    for (size_t i = 0; i < found->len; i++) show_request(found->items[i]);
    putchar('\n');
    k8senc_requests_free(found);
}

static void run_open(void) {
    k8senc_error *error = NULL;
    k8senc_opened opened;
    memset(&opened, 0xee, sizeof opened);
    bytes stored = arg(1), etcd_key = arg(2);
    uint8_t *out = malloc(stored.len ? stored.len : 1);
    k8senc_status status =
        k8senc_chain_open(chain, deks, stored.ptr, stored.len, etcd_key.ptr, etcd_key.len, out, stored.len, &opened, &error);
    if (!failed(status, &error)) {
        assert(opened.status == K8SENC_STATUS_OK && opened.start == 0 && opened.len <= stored.len);
        printf("ok");
        hex(out, opened.len);
        printf(" %d %" PRIu32 " %d\n", (int)opened.stale, opened.reasons, (int)opened.unauthenticated);
    } else {
        assert(((const uint8_t *)&opened)[0] == 0xee);
    }
    free(out);
    /* The same as a batch of one. */
    size_t end = stored.len, key_end = etcd_key.len;
    uint8_t *again = malloc(stored.len ? stored.len : 1);
    k8senc_opened one;
    assert(k8senc_chain_open_batch(chain, deks, 1, stored.ptr, stored.len, &end, etcd_key.ptr, etcd_key.len, &key_end, again,
                                   stored.len, &one, NULL) == K8SENC_STATUS_OK);
    assert(one.status == status && (status != K8SENC_STATUS_OK || one.len == opened.len));
    free(again);
}

static void run_seal(int with_random) {
    k8senc_error *error = NULL;
    size_t overhead = 0, written = 0;
    bytes plain = arg(2), etcd_key = arg(3);
    k8senc_status status = k8senc_chain_seal_overhead(chain, key, number(1), &overhead, &error);
    if (failed(status, &error)) return;
    size_t room = plain.len + overhead;
    uint8_t *out = malloc(room ? room : 1);
    if (room > 0) {
        assert(k8senc_chain_seal(chain, key, number(1), plain.ptr, plain.len, etcd_key.ptr, etcd_key.len, out, room - 1, &written,
                                 NULL) == K8SENC_STATUS_BUFFER_TOO_SMALL);
        assert(written == 0);
    }
    if (with_random)
        status = k8senc_chain_seal_with_random(chain, key, number(1), plain.ptr, plain.len, etcd_key.ptr, etcd_key.len, A(4), out,
                                               room, &written, &error);
    else
        status = k8senc_chain_seal(chain, key, number(1), plain.ptr, plain.len, etcd_key.ptr, etcd_key.len, out, room, &written,
                                   &error);
    if (!failed(status, &error)) {
        assert(written <= room);
        printf("ok");
        hex(out, written);
        putchar('\n');
    }
    free(out);
}

static void run(void) {
    const char *what = words[0];
    k8senc_error *error = NULL;
    k8senc_buf buf = {NULL, 0};
    k8senc_step next = {0};
#define IS(name) (strcmp(what, name) == 0)
    if (IS("validate")) {
        json(k8senc_config_validate(A(1), A(2), &buf, &error), &buf, &error);
    } else if (IS("lint")) {
        json(k8senc_config_lint(A(1), A(2), &buf, &error), &buf, &error);
    } else if (IS("config")) {
        k8senc_config_free(config);
        config = NULL;
        done(k8senc_config_new(A(1), A(2), &config, &error), &error);
    } else if (IS("describe")) {
        json(k8senc_config_describe(config, number(1) != 0, &buf, &error), &buf, &error);
    } else if (IS("chain")) {
        k8senc_chain_free(chain);
        chain = NULL;
        done(k8senc_chain_new(config, A(1), &chain, &error), &error);
    } else if (IS("providers")) {
        json(k8senc_chain_describe(chain, &buf, &error), &buf, &error);
    } else if (IS("deks")) {
        k8senc_deks_free(deks);
        deks = NULL;
        done(k8senc_deks_new(&deks, &error), &error);
    } else if (IS("state")) {
        done(k8senc_deks_set_state(deks, A(1), (uint32_t)number(2), A(3), &error), &error);
    } else if (IS("supply")) {
        done(k8senc_deks_supply(deks, (uint32_t)number(1), A(2), A(3), A(4), A(5), A(6), &error), &error);
    } else if (IS("refuse")) {
        done(k8senc_deks_refuse(deks, (uint32_t)number(1), A(2), A(3), A(4), A(5), A(6), &error), &error);
    } else if (IS("forget")) {
        done(k8senc_deks_forget(deks, (uint32_t)number(1), A(2), A(3), A(4), A(5), &error), &error);
    } else if (IS("open")) {
        run_open();
    } else if (IS("needs")) {
        k8senc_requests *found = NULL;
        size_t end = arg(1).len;
        k8senc_status status = k8senc_chain_needs(chain, deks, 1, A(1), &end, &found, &error);
        list(status, found, &error);
    } else if (IS("key-none")) {
        k8senc_write_key_free(key);
        key = NULL;
        puts("ok");
    } else if (IS("key-v1")) {
        k8senc_write_key_free(key);
        key = NULL;
        done(k8senc_write_key_kmsv1_new(A(1), A(2), &key, &error), &error);
    } else if (IS("key-seed")) {
        k8senc_write_key_free(key);
        key = NULL;
        done(k8senc_write_key_seed_new(A(1), A(2), A(3), A(4), &key, &error), &error);
    } else if (IS("key-dek")) {
        k8senc_write_key_free(key);
        key = NULL;
        done(k8senc_write_key_dek_new(A(1), number(2), A(3), A(4), A(5), &key, &error), &error);
    } else if (IS("key-kms")) {
        k8senc_write_key_free(key);
        key = NULL;
        done(k8senc_kmsv2_write_key_new(kms2, &key, &error), &error);
    } else if (IS("seal")) {
        run_seal(1);
    } else if (IS("seal-os")) {
        run_seal(0);
    } else if (IS("kms2")) {
        k8senc_kmsv2_free(kms2);
        kms2 = NULL;
        done(k8senc_kmsv2_new(A(1), &kms2, &error), &error);
    } else if (IS("kms2-key-form")) {
        k8senc_kmsv2_free(kms2);
        kms2 = NULL;
        done(k8senc_kmsv2_key_form_new(A(1), &kms2, &error), &error);
    } else if (IS("poll")) {
        k8senc_status status = k8senc_kmsv2_poll(kms2, number(1), &next, &error);
        step(status, &next, &error);
    } else if (IS("health")) {
        k8senc_status status = k8senc_kmsv2_health(kms2, number(1), &next, &error);
        step(status, &next, &error);
    } else if (IS("status")) {
        k8senc_status status = k8senc_kmsv2_status_answered(kms2, number(1), A(2), A(3), A(4), &next, &error);
        step(status, &next, &error);
    } else if (IS("status-failed")) {
        k8senc_status status = k8senc_kmsv2_status_failed(kms2, number(1), A(2), &next, &error);
        step(status, &next, &error);
    } else if (IS("encrypt")) {
        k8senc_status status =
            k8senc_kmsv2_encrypt_answered(kms2, number(1), A(2), A(3), A(4), A(5), A(6), &next, &error);
        step(status, &next, &error);
    } else if (IS("encrypt-failed")) {
        k8senc_status status = k8senc_kmsv2_encrypt_failed(kms2, number(1), A(2), A(3), &next, &error);
        step(status, &next, &error);
    } else if (IS("follow")) {
        done(k8senc_deks_follow(deks, kms2, &error), &error);
    } else if (IS("kms")) {
        json(k8senc_kmsv2_describe(kms2, &buf, &error), &buf, &error);
    } else if (IS("kms1")) {
        k8senc_kmsv1_free(kms1);
        kms1 = NULL;
        done(k8senc_kmsv1_new(A(1), &kms1, &error), &error);
    } else if (IS("v1-health")) {
        k8senc_status status = k8senc_kmsv1_health(kms1, number(1), &next, &error);
        step(status, &next, &error);
    } else if (IS("v1-encrypt")) {
        k8senc_status status = k8senc_kmsv1_encrypt_answered(kms1, number(1), number(2) != 0, A(3), &next, &error);
        step(status, &next, &error);
    } else if (IS("v1-decrypt")) {
        k8senc_status status = k8senc_kmsv1_decrypt_answered(kms1, number(1), number(2) != 0, A(3), &next, &error);
        step(status, &next, &error);
    } else if (IS("contract")) {
        done(k8senc_contract_encrypt(A(1), A(2), A(3), &error), &error);
    } else if (IS("contract-status")) {
        done(k8senc_contract_status(A(1), A(2), A(3), A(4), &error), &error);
    } else if (IS("inspect")) {
        json(k8senc_inspect(A(1), &buf, &error), &buf, &error);
    } else if (IS("audit") || IS("audit-plain")) {
        uint32_t code = 99;
        k8senc_status status = k8senc_audit_file(A(1), IS("audit") ? config : NULL, deks, A(2), &buf, &code, &error);
        if (!failed(status, &error)) {
            printf("ok %" PRIu32, code);
            hex(buf.ptr, buf.len);
            putchar('\n');
            k8senc_buf_free(&buf);
        }
    } else if (IS("audit-requests")) {
        k8senc_requests *found = NULL;
        k8senc_status status = k8senc_audit_requests(A(1), config, deks, A(2), &found, &error);
        list(status, found, &error);
    } else {
        printf("unknown %s\n", what);
    }
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        count = 0;
        for (char *word = strtok(line, " \n"); word != NULL && count < MAX_ARGS; word = strtok(NULL, " \n")) {
            words[count] = word;
            args[count].ptr = NULL;
            args[count].len = 0;
            count++;
        }
        if (count > 0) run();
        for (size_t i = 0; i < count; i++) free(args[i].ptr);
        fflush(stdout);
    }
    free(line);
    k8senc_write_key_free(key);
    k8senc_kmsv2_free(kms2);
    k8senc_kmsv1_free(kms1);
    k8senc_chain_free(chain);
    k8senc_deks_free(deks);
    k8senc_config_free(config);
    return 0;
}
