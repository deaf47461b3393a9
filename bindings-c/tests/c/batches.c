/* Batches of every provider that writes without a plugin, and of KMS v2: what is sealed in one crossing opens in one, and one by
 * one, also beside values that do not open. */
#include "check.h"

enum { COUNT = 40 };

static k8senc_error *error;

static void round_trip(const k8senc_config *config, const char *resource, const k8senc_write_key *key, const k8senc_deks *deks) {
    static uint8_t plain[COUNT * 100], keys[COUNT * 64], stored[COUNT * 1000], out[COUNT * 1000];
    size_t plain_ends[COUNT], key_ends[COUNT], ends[COUNT], plain_len = 0, keys_len = 0, overhead;
    k8senc_opened opened[COUNT], one;
    k8senc_chain *chain;
    OK(k8senc_chain_new(config, (const uint8_t *)resource, strlen(resource), &chain, &error));
    for (size_t i = 0; i < COUNT; i++) {
        /* Lengths around the blocks, the first of them 0. */
        memset(plain + plain_len, (int)('a' + i % 26), i * 2);
        plain_len += i * 2;
        plain_ends[i] = plain_len;
        keys_len += (size_t)sprintf((char *)keys + keys_len, "/registry/%s/n/%zu", resource, i);
        key_ends[i] = keys_len;
    }
    OK(k8senc_chain_seal_overhead(chain, key, 1, &overhead, &error));
    CHECK(plain_len + COUNT * overhead <= sizeof stored);
    OK(k8senc_chain_seal_batch(chain, key, 1, COUNT, plain, plain_len, plain_ends, keys, keys_len, key_ends, stored,
                               plain_len + COUNT * overhead, ends, &error));
    OK(k8senc_chain_open_batch(chain, deks, COUNT, stored, ends[COUNT - 1], ends, keys, keys_len, key_ends, out, ends[COUNT - 1], opened,
                               &error));
    for (size_t i = 0, at = 0, from = 0, key_from = 0; i < COUNT; at += i * 2, from = ends[i], key_from = key_ends[i], i++) {
        CHECK(opened[i].status == K8SENC_STATUS_OK && opened[i].len == i * 2 && opened[i].start == at);
        CHECK(memcmp(out + opened[i].start, plain + at, i * 2) == 0);
        uint8_t alone[1000];
        OK(k8senc_chain_open(chain, deks, stored + from, ends[i] - from, keys + key_from, key_ends[i] - key_from, alone, sizeof alone,
                             &one, &error));
        CHECK(one.len == i * 2 && memcmp(alone, plain + at, one.len) == 0 && one.stale == opened[i].stale);
    }
    /* One damaged value among good ones; plaintext has nothing to notice it by, and aescbc not always. */
    if (strcmp(resource, "pods") != 0 && strcmp(resource, "services") != 0) {
        stored[ends[6] - 1] ^= 1;
        OK(k8senc_chain_open_batch(chain, deks, COUNT, stored, ends[COUNT - 1], ends, keys, keys_len, key_ends, out, ends[COUNT - 1],
                                   opened, &error));
        for (size_t i = 0; i < COUNT; i++) CHECK((opened[i].status == K8SENC_STATUS_OK) == (i != 6));
        CHECK(opened[6].len == 0 && opened[7].start == opened[6].start && opened[7].len == 14);
    }
    k8senc_chain_free(chain);
}

int main(void) {
    const uint8_t seed[32] = {9};
    k8senc_config *config;
    k8senc_write_key *key;
    k8senc_deks *deks;
    k8senc_requests *requests;
    OK(k8senc_config_new(T(CONFIG), NONE, &config, &error));
    round_trip(config, "secrets", NULL, NULL);
    round_trip(config, "pods", NULL, NULL);
    round_trip(config, "nodes", NULL, NULL);
    round_trip(config, "services", NULL, NULL);

    OK(k8senc_deks_new(&deks, &error));
    OK(k8senc_write_key_seed_new(seed, 32, T("wrapped"), T("1"), T("\0\0\0\3a.b\0\0\0\1x"), &key, &error));
    k8senc_chain *chain;
    uint8_t stored[300];
    size_t written;
    OK(k8senc_chain_new(config, T("configmaps"), &chain, &error));
    OK(k8senc_chain_seal(chain, key, 0, T("{}"), T(KEY), stored, sizeof stored, &written, &error));
    size_t ends[2] = {written, written};
    OK(k8senc_chain_needs(chain, deks, 2, stored, written, ends, &requests, &error));
    CHECK(requests->len == 1);
    const k8senc_dek_request *r = requests->items[0];
    CHECK(r->api == 2 && strcmp(r->key_id, "1") == 0 && r->annotations_len == 12);
    OK(k8senc_deks_supply(deks, r->api, (const uint8_t *)r->provider, r->provider_len, r->ciphertext, r->ciphertext_len,
                          (const uint8_t *)r->key_id, r->key_id_len, r->annotations, r->annotations_len, seed, 32, &error));
    k8senc_requests_free(requests);
    k8senc_chain_free(chain);
    round_trip(config, "configmaps", key, deks);
    k8senc_write_key_free(key);
    k8senc_deks_free(deks);
    k8senc_config_free(config);
    puts("batches: sealed and opened, together and alone");
    return 0;
}
