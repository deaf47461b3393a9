/* Several threads at once on the same handles: opening, sealing, learning DEKs, following a plugin. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>

#include "check.h"

enum { THREADS = 8 };

static int rounds = 200;
static k8senc_chain *aesgcm, *kms_chain;
static k8senc_deks *deks;
static k8senc_kmsv2 *kms;
static k8senc_write_key *follows;
static const uint8_t seed[32] = {1, 2, 3};

static void *work(void *argument) {
    k8senc_error *error = NULL;
    unsigned me = *(unsigned *)argument;
    uint8_t stored[512], out[512];
    char key[64], plain[64];
    for (int round = 0; round < rounds; round++) {
        size_t key_len = (size_t)snprintf(key, sizeof key, "/registry/secrets/n/%u-%d", me, round);
        size_t plain_len = (size_t)snprintf(plain, sizeof plain, "{\"n\": %u%d}", me, round);
        k8senc_chain *chain = round % 2 ? aesgcm : kms_chain;
        size_t written;
        k8senc_opened opened;
        OK(k8senc_chain_seal(chain, round % 2 ? NULL : follows, 1, (uint8_t *)plain, plain_len, (uint8_t *)key, key_len, stored,
                             sizeof stored, &written, &error));
        k8senc_status status = k8senc_chain_open(chain, deks, stored, written, (uint8_t *)key, key_len, out, sizeof out, &opened, &error);
        if (status == K8SENC_STATUS_DEK_NEEDED) {
            const k8senc_dek_request *r = error->request;
            CHECK(k8senc_deks_supply(deks, r->api, (const uint8_t *)r->provider, r->provider_len, r->ciphertext, r->ciphertext_len,
                                     (const uint8_t *)r->key_id, r->key_id_len, r->annotations, r->annotations_len, seed, sizeof seed,
                                     NULL) == K8SENC_STATUS_OK);
            k8senc_error_free(error);
            error = NULL;
            OK(k8senc_chain_open(chain, deks, stored, written, (uint8_t *)key, key_len, out, sizeof out, &opened, &error));
        } else {
            CHECK(status == K8SENC_STATUS_OK);
        }
        CHECK(opened.len == plain_len && memcmp(out, plain, plain_len) == 0 && opened.stale == K8SENC_STALE_FRESH);
        FAILS(AUTHENTICATION, k8senc_chain_open(chain, deks, stored, written, T("/other"), out, sizeof out, &opened, &error));
        if (round % 16 == 0) {
            k8senc_step step;
            OK(k8senc_deks_follow(deks, kms, &error));
            OK(k8senc_kmsv2_poll(kms, 1, &step, &error));
        }
    }
    return NULL;
}

int main(int argc, char **argv) {
    k8senc_error *error = NULL;
    k8senc_config *config;
    k8senc_step step;
    if (argc > 1) rounds = atoi(argv[1]);
    OK(k8senc_config_new(T(CONFIG), NONE, &config, &error));
    OK(k8senc_chain_new(config, T("secrets"), &aesgcm, &error));
    OK(k8senc_chain_new(config, T("configmaps"), &kms_chain, &error));
    OK(k8senc_deks_new(&deks, &error));
    OK(k8senc_kmsv2_new(T("p"), &kms, &error));
    OK(k8senc_kmsv2_write_key_new(kms, &follows, &error));
    OK(k8senc_kmsv2_poll(kms, 0, &step, &error));
    CHECK(step.todo == K8SENC_TODO_STATUS);
    OK(k8senc_kmsv2_status_answered(kms, 0, T("v2"), T("ok"), T("1"), &step, &error));
    CHECK(step.todo == K8SENC_TODO_ENCRYPT);
    OK(k8senc_kmsv2_encrypt_answered(kms, 0, seed, sizeof seed, T("uid"), T("wrapped"), T("1"), NONE, &step, &error));
    CHECK(step.todo == K8SENC_TODO_DONE);
    OK(k8senc_deks_follow(deks, kms, &error));

    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        CHECK(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);

    k8senc_write_key_free(follows);
    k8senc_kmsv2_free(kms);
    k8senc_deks_free(deks);
    k8senc_chain_free(kms_chain);
    k8senc_chain_free(aesgcm);
    k8senc_config_free(config);
    printf("threads: %d threads of %d rounds\n", THREADS, rounds);
    return 0;
}
