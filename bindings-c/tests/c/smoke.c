/* One way through the library: read a configuration, seal a value, open it again, look at it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "k8senc.h"

static const char config_text[] =
    "apiVersion: apiserver.config.k8s.io/v1\n"
    "kind: EncryptionConfiguration\n"
    "resources:\n"
    "- resources: [secrets]\n"
    "  providers:\n"
    "  - aesgcm: {keys: [{name: key1, secret: AAECAwQFBgcICQoLDA0ODw==}]}\n"
    "  - identity: {}\n";
static const char etcd_key[] = "/registry/secrets/default/a";

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

int main(void) {
    assert(k8senc_abi_version() == K8SENC_ABI_VERSION);
    k8senc_error *error = NULL;
    k8senc_config *config = NULL;
    assert(k8senc_config_new(BYTES(config_text), NULL, 0, &config, &error) == K8SENC_STATUS_OK);
    k8senc_chain *chain = NULL;
    assert(k8senc_chain_new(config, BYTES("secrets"), &chain, &error) == K8SENC_STATUS_OK);
    k8senc_config_free(config);

    size_t overhead = 0, written = 0;
    assert(k8senc_chain_seal_overhead(chain, NULL, 0, &overhead, &error) == K8SENC_STATUS_OK);
    uint8_t stored[256], plain[256];
    assert(sizeof stored >= 2 + overhead);
    assert(k8senc_chain_seal(chain, NULL, 0, BYTES("{}"), BYTES(etcd_key), stored, sizeof stored, &written, &error) ==
           K8SENC_STATUS_OK);
    k8senc_opened opened;
    assert(k8senc_chain_open(chain, NULL, stored, written, BYTES(etcd_key), plain, sizeof plain, &opened, &error) ==
           K8SENC_STATUS_OK);
    assert(opened.len == 2 && memcmp(plain, "{}", 2) == 0 && opened.stale == K8SENC_STALE_FRESH);

    assert(k8senc_chain_open(chain, NULL, stored, written, BYTES("/other"), plain, sizeof plain, &opened, &error) ==
           K8SENC_STATUS_AUTHENTICATION);
    assert(error->status == K8SENC_STATUS_AUTHENTICATION && strcmp(error->code, "authentication") == 0);
    assert(strcmp(error->upstream, "cipher: message authentication failed") == 0);
    k8senc_error_free(error);
    error = NULL;

    k8senc_buf json = {0};
    assert(k8senc_inspect(stored, written, &json, &error) == K8SENC_STATUS_OK);
    printf("%.*s\n", (int)json.len, (const char *)json.ptr);
    k8senc_buf_free(&json);
    assert(json.ptr == NULL && json.len == 0);
    k8senc_chain_free(chain);
    assert(error == NULL);
    return 0;
}
