/* What the C tests share: a check that says where, and arguments in pairs. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "k8senc.h"

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

/* A call that must succeed, with the reason if it does not. */
#define OK(call)                                                                        \
    do {                                                                                \
        error = NULL;                                                                   \
        k8senc_status ok_status = (call);                                               \
        if (ok_status != K8SENC_STATUS_OK) {                                            \
            fprintf(stderr, "%s:%d: %s is %d: %s\n", __FILE__, __LINE__, #call, (int)ok_status, error ? error->text : ""); \
            exit(1);                                                                    \
        }                                                                               \
        CHECK(error == NULL);                                                           \
    } while (0)

/* A call that must fail with this status, and describe itself. */
#define FAILS(wanted, call)                                                             \
    do {                                                                                \
        error = NULL;                                                                   \
        k8senc_status got_status = (call);                                              \
        if (got_status != K8SENC_STATUS_##wanted || error == NULL || error->status != got_status || error->text_len == 0) {           \
            fprintf(stderr, "%s:%d: %s is %d, not %s: %s\n", __FILE__, __LINE__, #call, (int)got_status, #wanted, error ? error->text : ""); \
            exit(1);                                                                    \
        }                                                                               \
        k8senc_error_free(error);                                                       \
        error = NULL;                                                                   \
    } while (0)

/* A text constant as pointer and length. */
#define T(text) (const uint8_t *)(text), (sizeof(text) - 1)
/* No bytes, as cgo sends them. */
#define NONE NULL, 0

static const char CONFIG[] =
    "apiVersion: apiserver.config.k8s.io/v1\n"
    "kind: EncryptionConfiguration\n"
    "resources:\n"
    "- resources: [secrets]\n"
    "  providers:\n"
    "  - aesgcm: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}\n"
    "  - identity: {}\n"
    "- resources: [configmaps]\n"
    "  providers:\n"
    "  - kms: {apiVersion: v2, name: p, endpoint: unix:///tmp/p.sock}\n"
    "- resources: [events]\n"
    "  providers:\n"
    "  - kms: {apiVersion: v1, name: old, endpoint: unix:///tmp/old.sock}\n"
    "- resources: [pods]\n"
    "  providers:\n"
    "  - aescbc: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}\n"
    "- resources: [nodes]\n"
    "  providers:\n"
    "  - secretbox: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=}]}\n";
static const char KEY[] = "/registry/secrets/default/a";

#endif
