/* What KMS plugins store: golden ciphertexts of the plugins' own repositories and of SoftHSM, and nonsense. */
#include "check.h"

static k8senc_error *error;

static const char VAULT[] = "vault:v1:AAECAwQFBgcICQoLizXqnxVB1URNjoClE6qfJZhzkoD9hm8rCP9oTPdKYHA0LVKirGVkBnsHceEx/l5y";
static const uint8_t MOCK[64] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
                                 0x7b, 0xe2, 0x9e, 0x63, 0x2e, 0xfe, 0x75, 0x15, 0x32, 0x86, 0x7b, 0x9d, 0x0c, 0x5b, 0x81, 0x71,
                                 0x5a, 0xe6, 0xc3, 0x62, 0xe1, 0xd1, 0xc5, 0x14, 0x39, 0xf6, 0x43, 0x05, 0x4c, 0x7d, 0x90, 0x79,
                                 0x08, 0xb6, 0xf7, 0xfd, 0x55, 0x1c, 0x8a, 0x82, 0x06, 0xa2, 0x44, 0xe7, 0xcd, 0x3f, 0xba, 0xc8};
static const uint8_t BARBICAN[64] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
                                     0xbc, 0x6b, 0xf8, 0xa9, 0x4f, 0x06, 0xbf, 0x9f, 0x51, 0xf1, 0xf1, 0x18, 0x93, 0xfc, 0x7c, 0xdd,
                                     0xa0, 0xeb, 0x9d, 0xb3, 0x6e, 0x77, 0x5c, 0x9c, 0x8e, 0x1d, 0x59, 0xd2, 0xc3, 0xb4, 0x2b, 0x99,
                                     0x15, 0x6c, 0x35, 0x3f, 0xff, 0x10, 0x67, 0x59, 0x40, 0xb9, 0xa6, 0x33, 0x09, 0xa4, 0x3c, 0x00};
#define ANNOTATION "\0\0\0\x1cversion.encryption.remote.io\0\0\0\0011"

static void says(const uint8_t *ciphertext, size_t len, const char *what) {
    k8senc_buf json;
    OK(k8senc_plugins_recognise(ciphertext, len, NONE, NONE, &json, &error));
    if (strstr((const char *)json.ptr, what) == NULL) {
        fprintf(stderr, "%s does not say %s\n", (const char *)json.ptr, what);
        exit(1);
    }
    k8senc_buf_free(&json);
}

static void is_seed(k8senc_buf *dek) {
    CHECK(dek->len == 32);
    for (unsigned i = 0; i < 32; i++) CHECK(dek->ptr[i] == i);
    k8senc_buf_free(dek);
}

int main(void) {
    k8senc_buf dek;
    uint8_t token_key[32] = {0};
    token_key[31] = 0x2a;
    says(T(VAULT), "\"plugin\":\"transit\",\"authenticated\":true");
    says(T(VAULT), "\"keyVersion\":\"1\"");
    says(T("1\1\2\2\0x"), "[");
    says(T("nothing known"), "[]");
    says(MOCK, sizeof MOCK, "pkcs11-gcm");
    says(BARBICAN, sizeof BARBICAN, "\"plugin\":\"barbican\",\"authenticated\":false");

    OK(k8senc_plugins_unwrap(T("pkcs11-gcm"), MOCK, sizeof MOCK, T("kms-test"), T(ANNOTATION), token_key, 32, NONE, &dek, &error));
    is_seed(&dek);
    FAILS(AUTHENTICATION, k8senc_plugins_unwrap(T("pkcs11-gcm"), MOCK, sizeof MOCK, T("other"), T(ANNOTATION), token_key, 32, NONE,
                                                &dek, &error));
    FAILS(KEY_SIZE, k8senc_plugins_unwrap(T("pkcs11-gcm"), MOCK, sizeof MOCK, T("kms-test"), NONE, token_key, 31, NONE, &dek, &error));
    OK(k8senc_plugins_unwrap(T("barbican"), BARBICAN, sizeof BARBICAN, NONE, NONE, T("change this pass"), NONE, &dek, &error));
    is_seed(&dek);
    FAILS(BAD_ARGUMENT, k8senc_plugins_unwrap(T("transit"), MOCK, sizeof MOCK, NONE, NONE, token_key, 32, NONE, &dek, &error));
    OK(k8senc_plugins_unwrap(T("transit"), T(VAULT), NONE, NONE, token_key, 32, NONE, &dek, &error));
    is_seed(&dek);
    FAILS(AUTHENTICATION, k8senc_plugins_unwrap(T("transit"), T(VAULT), NONE, NONE, token_key, 32, T("x"), &dek, &error));
    FAILS(NULL_POINTER, k8senc_plugins_unwrap(NULL, 1, NONE, NONE, NONE, NONE, NONE, &dek, &error));
    FAILS(NULL_POINTER, k8senc_plugins_recognise(T("x"), NONE, NONE, NULL, &error));
    puts("plugins: ciphertexts recognised and unwrapped");
    return 0;
}
