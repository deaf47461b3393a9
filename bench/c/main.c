/* What opening and sealing costs a C program: time on the CPU for each value, one by one and in batches of 256. There is no other
 * language to cross from; beside the Go package's figures this shows what crossing costs. */
#define _POSIX_C_SOURCE 199309L
#include <k8senc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 256 };

static const char KEY[] = "/registry/secrets/default/a";
static const size_t KEY_LEN = sizeof KEY - 1;
static const size_t sizes[] = {64, 1 << 10, 4 << 10, 64 << 10, 1 << 20};

static void ok(k8senc_status status, k8senc_error *error) {
    if (status == K8SENC_STATUS_OK) return;
    fprintf(stderr, "bench-c: %s\n", error != NULL ? error->text : "failed");
    exit(1);
}

static void *room(size_t size) {
    void *made = calloc(size, 1);
    if (made == NULL) exit(1);
    return made;
}

/* Nanoseconds that this process was on a CPU. */
static double spent(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

typedef struct {
    k8senc_chain *chain;
    k8senc_write_key *key;
    k8senc_deks *deks;
    size_t size, overhead, stored_len;
    /* One value, or BATCH of them end to end. */
    uint8_t *plain, *stored, *out, *keys;
    size_t plain_ends[BATCH], stored_ends[BATCH], key_ends[BATCH], ends[BATCH];
    k8senc_opened opened[BATCH];
} work;

static void nothing(work *w) {
    (void)w;
    k8senc_abi_version();
}

static void open_one(work *w) {
    k8senc_error *error = NULL;
    ok(k8senc_chain_open(w->chain, w->deks, w->stored, w->stored_len, (const uint8_t *)KEY, KEY_LEN, w->out, w->stored_len, w->opened,
                         &error), error);
}

static void seal_one(work *w) {
    k8senc_error *error = NULL;
    size_t written;
    ok(k8senc_chain_seal(w->chain, w->key, 0, w->plain, w->size, (const uint8_t *)KEY, KEY_LEN, w->out, w->size + w->overhead, &written,
                         &error), error);
}

static void open_many(work *w) {
    k8senc_error *error = NULL;
    ok(k8senc_chain_open_batch(w->chain, w->deks, BATCH, w->stored, w->stored_ends[BATCH - 1], w->stored_ends, w->keys, w->key_ends[BATCH - 1],
                               w->key_ends, w->out, w->stored_ends[BATCH - 1], w->opened, &error), error);
}

static void seal_many(work *w) {
    k8senc_error *error = NULL;
    ok(k8senc_chain_seal_batch(w->chain, w->key, 0, BATCH, w->plain, w->plain_ends[BATCH - 1], w->plain_ends, w->keys,
                               w->key_ends[BATCH - 1], w->key_ends, w->out, BATCH * (w->size + w->overhead), w->ends, &error), error);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of `rounds` samples of two milliseconds or more, in nanoseconds a call. */
static double median(int rounds, void (*call)(work *), work *w) {
    double samples[99];
    size_t calls = 1;
    for (double start = spent(); ; calls *= 2, start = spent()) {
        for (size_t i = 0; i < calls; i++) call(w);
        if (spent() - start > 2e6) break;
    }
    for (int round = 0; round < rounds; round++) {
        double start = spent();
        for (size_t i = 0; i < calls; i++) call(w);
        samples[round] = (spent() - start) / (double)calls;
    }
    qsort(samples, (size_t)rounds, sizeof samples[0], ascending);
    return samples[rounds / 2];
}

/* Makes a chain, with key and DEK if it is a KMS. */
static void start(work *w, const char *provider) {
    static const char static_keys[] = ": {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}\n";
    static const uint8_t seed[32] = {9};
    const int kms = strcmp(provider, "kms-v2") == 0;
    char text[400];
    k8senc_config *config;
    k8senc_error *error = NULL;
    int len = snprintf(text, sizeof text,
                       "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n"
                       "  providers:\n  - %s%s",
                       kms ? "kms" : provider, kms ? ": {apiVersion: v2, name: p, endpoint: \"unix:///run/kms.sock\"}\n" : static_keys);
    memset(w, 0, sizeof *w);
    ok(k8senc_config_new((const uint8_t *)text, (size_t)len, NULL, 0, &config, &error), error);
    ok(k8senc_chain_new(config, (const uint8_t *)"secrets", 7, &w->chain, &error), error);
    k8senc_config_free(config);
    if (!kms) return;
    const uint8_t *wrapped = (const uint8_t *)"wrapped", *key_id = (const uint8_t *)"1";
    ok(k8senc_write_key_seed_new(seed, 32, wrapped, 7, key_id, 1, NULL, 0, &w->key, &error), error);
    ok(k8senc_deks_new(&w->deks, &error), error);
    ok(k8senc_deks_supply(w->deks, 2, (const uint8_t *)"p", 1, wrapped, 7, key_id, 1, NULL, 0, seed, 32, &error), error);
}

static void measure(work *w, const char *provider, size_t size, int rounds) {
    k8senc_error *error = NULL;
    /* Batches of a megabyte would be half a gigabyte. */
    const size_t count = size > 64 << 10 ? 1 : BATCH;
    w->size = size;
    ok(k8senc_chain_seal_overhead(w->chain, w->key, 0, &w->overhead, &error), error);
    w->plain = room(count * size);
    w->stored = room(count * (size + w->overhead));
    w->out = room(count * (size + w->overhead));
    w->keys = room(count * KEY_LEN);
    for (size_t i = 0; i < count; i++) {
        memcpy(w->keys + i * KEY_LEN, KEY, KEY_LEN);
        w->plain_ends[i] = (i + 1) * size;
        w->key_ends[i] = (i + 1) * KEY_LEN;
    }
    double seal_batch = 0, open_batch = 0;
    ok(k8senc_chain_seal(w->chain, w->key, 0, w->plain, size, (const uint8_t *)KEY, KEY_LEN, w->stored, size + w->overhead, &w->stored_len,
                         &error), error);
    double seal = median(rounds, seal_one, w), open = median(rounds, open_one, w);
    if (count == BATCH) {
        ok(k8senc_chain_seal_batch(w->chain, w->key, 0, BATCH, w->plain, w->plain_ends[BATCH - 1], w->plain_ends, w->keys,
                                   w->key_ends[BATCH - 1], w->key_ends, w->stored, BATCH * (size + w->overhead), w->stored_ends, &error), error);
        seal_batch = median(rounds, seal_many, w) / BATCH;
        open_batch = median(rounds, open_many, w) / BATCH;
    }
    printf("%-10s %9zu  %9.0f %9.0f  ", provider, size, open, seal);
    if (count == BATCH) printf("%9.0f %9.0f\n", open_batch, seal_batch);
    else printf("%9s %9s\n", "-", "-");
    fflush(stdout);
    free(w->plain), free(w->stored), free(w->out), free(w->keys);
}

int main(int argc, char **argv) {
    static const char *const providers[] = {"aescbc", "aesgcm", "secretbox", "kms-v2"};
    static work w;
    const int rounds = argc > 1 ? atoi(argv[1]) : 9;
    if (rounds < 1 || rounds > 99) {
        fprintf(stderr, "bench-c: rounds are 1 to 99\n");
        return 2;
    }
    printf("a call that does nothing: %.1f ns\n\n", median(rounds, nothing, &w));
    printf("%-10s %9s  %9s %9s  %9s %9s    nanoseconds a value\n", "provider", "bytes", "open", "seal", "256 open", "256 seal");
    for (size_t p = 0; p < sizeof providers / sizeof providers[0]; p++) {
        start(&w, providers[p]);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) measure(&w, providers[p], sizes[s], rounds);
        k8senc_chain_free(w.chain);
        k8senc_write_key_free(w.key);
        k8senc_deks_free(w.deks);
    }
    return 0;
}
