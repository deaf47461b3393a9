/* Keysets: the golden records, which an independent program made (conformance-vectors/keyset/golden.py), and a record's life:
 * wrap, seal, open, recover, reseal. */
#include "check.h"

static const char GOLDEN[] =
    "004b573100d64d4f2d90053583658d77f539e3d560b7092ff619d50606020902003c6465666768696a6b6c6d6e6f2adb1fc53db0fd70ac45"
    "4d5d3da7a6e3cba954a1ada1a6dfdeb9d816950c7909931c1b6bf410c4fe5d64baaab159dfb7050700504833f7a7e0a5231a731d015505b2"
    "1ef356acb639d21d5bb1a422b0c9d1263c073d4a1a96cec6375a810077a262fa327ad6e7bb4268e17f9305ba10c201f76da83c44e9a77e6c"
    "c7b0ea7e0c636b37f71d05e5a827e3c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd455e72011b928b4f7c43f8d0031dfd"
    "0139";
static const char GOLDEN_KEY_ID[] = "kc1.1k1PLZAFNYOncVSdOF_dMc1r0flPzy_wmS3nnXjELJY";
static const char GOLDEN_MAC[] =
    "004b573101d5acf27e54887113658d77f539e3d560b7092ff619d50606020902003c6465666768696a6b6c6d6e6f2adb1fc53db0fd70ac45"
    "4d5d3da7a6e3cba954a1ada1a6dfdeb9d816950c7909d1d5bfc6d22996da69ffd885cfa185b3050700504833f7a7e0a5231a731d015505b2"
    "1ef356acb639d21d5bb1a422b0c9d1263c076818180b72038c5768b0222c328fc8dc5a946473bd055938e73a1d48c203c62f2fdf00d0a4ee"
    "61175fc5af8261e1bdda05e5a827e3c1d85afe74289e144324dbcf646f05614c0178a5ef374ac0cdbd455b208870a19ac868c163a6f28384"
    "685c68b7e5a3a47744eceb85e78c000e579e";
static const char GOLDEN_MAC_KEY_ID[] = "kc1.1azyflSIcRPhKGP5lP1jFwfn5OVDss9jMaI8w_uuR_I";
/* RFC 9180, A.1 and after: the X25519 key pair of its recipient. */
static const char RFC_PRIVATE[] = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d";

static k8senc_error *error;

static size_t unhex(const char *text, uint8_t *out) {
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned value = 0;
        CHECK(sscanf(text + 2 * i, "%2x", &value) == 1);
        out[i] = (uint8_t)value;
    }
    return len;
}

static void counting(uint8_t *out, uint8_t from) {
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(from + i);
}

static const uint8_t *find(const uint8_t *hay, size_t hay_len, const char *needle) {
    size_t len = strlen(needle);
    for (size_t i = 0; i + len <= hay_len; i++)
        if (memcmp(hay + i, needle, len) == 0) return hay + i;
    return NULL;
}

/* The wrap in `slot` of a record: behind 30 bytes come kind, slot, length and wrap. */
static const uint8_t *wrap_of(const uint8_t *record, uint8_t slot, size_t *len) {
    const uint8_t *at = record + 30;
    for (int i = 0; i < record[29]; i++) {
        *len = (size_t)at[2] << 8 | at[3];
        if (at[1] == slot) return at + 4;
        at += 4 + *len;
    }
    CHECK(!"no such slot");
    return NULL;
}

static void context_of(const uint8_t *record, int slot, char *out, size_t room) {
    char id[17];
    for (int i = 0; i < 8; i++) snprintf(id + 2 * i, 3, "%02x", record[5 + i]);
    snprintf(out, room, "kw1|prod-1|%s|%d", id, slot);
}

/* Opens a record with the KEK in slot 2 and offline with the recovery key in slot 7; both must give 00 01 .. 1f. */
static void opens(const uint8_t *record, size_t len, const char *key_id, const uint8_t *set_key, size_t set_key_len) {
    uint8_t secret[32], expected[32], private_key[32];
    char context[64];
    size_t wrap_len;
    counting(secret, 64);
    counting(expected, 0);
    unhex(RFC_PRIVATE, private_key);
    const uint8_t *id = (const uint8_t *)key_id;

    k8senc_kek *kek;
    k8senc_wrap_key *key;
    k8senc_buf seed;
    OK(k8senc_kek_new(secret, 32, &kek, &error));
    const uint8_t *wrap = wrap_of(record, 2, &wrap_len);
    context_of(record, 2, context, sizeof context);
    OK(k8senc_kek_unwrap(kek, wrap, wrap_len, (const uint8_t *)context, strlen(context), &key, &error));
    OK(k8senc_record_open(record, len, 2, key, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &seed, &error));
    CHECK(seed.len == 32 && memcmp(seed.ptr, expected, 32) == 0);
    k8senc_buf_free(&seed);
    FAILS(KEYSET_INTEGRITY,
          k8senc_record_open(record, len, 2, key, id, strlen(key_id), T("prod-2"), set_key, set_key_len, &seed, &error));
    FAILS(KEYSET_REFUSED,
          k8senc_record_open(record, len, 3, key, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &seed, &error));
    FAILS(KEYSET_MALFORMED, k8senc_record_open(record, len, 2, key, T("kc1"), T("prod-1"), NONE, &seed, &error));
    FAILS(KEYSET_INTEGRITY, k8senc_kek_unwrap(kek, wrap, wrap_len, T("kw1|prod-1|0|2"), &key, &error));
    k8senc_proof proof;
    OK(k8senc_record_recover(record, len, 2, key, id, strlen(key_id), T("prod-1"), NONE, &proof, &seed, &error));
    CHECK(proof == K8SENC_PROOF_SYMMETRIC_KEK);
    k8senc_buf_free(&seed);
    k8senc_wrap_key_free(key);
    k8senc_kek_free(kek);

    wrap = wrap_of(record, 7, &wrap_len);
    context_of(record, 7, context, sizeof context);
    OK(k8senc_recovery_unwrap(private_key, 32, wrap, wrap_len, (const uint8_t *)context, strlen(context), &key, &error));
    FAILS(KEYSET_REFUSED,
          k8senc_record_open(record, len, 7, key, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &seed, &error));
    OK(k8senc_record_recover(record, len, 7, key, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &proof, &seed, &error));
    CHECK(proof == (set_key_len ? K8SENC_PROOF_SET_KEY : K8SENC_PROOF_NOTHING));
    CHECK(seed.len == 32 && memcmp(seed.ptr, expected, 32) == 0);
    k8senc_buf_free(&seed);
    k8senc_wrap_key_free(key);

    k8senc_buf json;
    OK(k8senc_record_inspect(record, len, T("prod-1"), &json, &error));
    CHECK(find(json.ptr, json.len, "\"kind\":\"local\",\"symmetric\":true") && find(json.ptr, json.len, context));
    k8senc_buf_free(&json);
    FAILS(KEYSET_MALFORMED, k8senc_record_inspect(record, len - 1, T("prod-1"), &json, &error));

    k8senc_buf parts;
    OK(k8senc_record_parts(record, len, T("prod-1"), &parts, &error));
    CHECK(parts.len > 25 && memcmp(parts.ptr, "\0\0\0\x10", 4) == 0 && memcmp(parts.ptr + 20, "\0\0\0\1", 4) == 0);
    CHECK(parts.ptr[24] == (set_key_len != 0) && find(parts.ptr, parts.len, context));
    k8senc_buf_free(&parts);
    FAILS(KEYSET_MALFORMED, k8senc_record_parts(record, len - 1, T("prod-1"), &parts, &error));

    bool has_mac = set_key_len == 0;
    uint8_t other[32];
    counting(other, 1);
    OK(k8senc_record_check(record, len, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &has_mac, &error));
    CHECK(has_mac == (set_key_len != 0));
    has_mac = !has_mac;
    FAILS(KEYSET_INTEGRITY, k8senc_record_check(record, len, id, strlen(key_id), T("prod-1"), other, 32, &has_mac, &error));
    CHECK(has_mac == (set_key_len != 0));
    FAILS(KEYSET_MALFORMED, k8senc_record_check(record, len, T("kc1"), T("prod-1"), set_key, set_key_len, &has_mac, &error));
    FAILS(KEYSET_MALFORMED, k8senc_record_check(record, len - 1, id, strlen(key_id), T("prod-1"), set_key, set_key_len, &has_mac, &error));
}

static k8senc_keyset *set_of(uint64_t generation, const uint8_t *set_key, size_t set_key_len, const char *key_id) {
    uint8_t secret[32], private_key[32];
    k8senc_members *members;
    k8senc_kek *kek;
    k8senc_buf public_key;
    k8senc_keyset *set;
    counting(secret, 64);
    unhex(RFC_PRIVATE, private_key);
    OK(k8senc_members_new(&members, &error));
    OK(k8senc_recovery_public(private_key, 32, &public_key, &error));
    OK(k8senc_members_add_recipient(members, 7, public_key.ptr, public_key.len, &error));
    k8senc_buf_free(&public_key);
    OK(k8senc_kek_new(secret, 32, &kek, &error));
    OK(k8senc_members_add_kek(members, 2, kek, &error));
    OK(k8senc_keyset_new(T("prod-1"), generation, members, set_key, set_key_len, &set, &error));
    k8senc_kek_free(kek);
    k8senc_members_free(members);
    if (key_id != NULL) {
        k8senc_buf json;
        OK(k8senc_keyset_describe(set, &json, &error));
        CHECK(find(json.ptr, json.len, key_id));
        k8senc_buf_free(&json);
    }
    return set;
}

/* Seals 00 01 .. 1f for a set, and takes back what its description says of the contexts. */
static k8senc_buf seal(const k8senc_keyset *set, char *key_id) {
    uint8_t secret[32], private_key[32], seed[32], wraps[4 + 60 + 4 + 80], slots[2] = {2, 7};
    k8senc_kek *kek;
    k8senc_wrap_key *key;
    k8senc_buf json, local, offline, public_key, record;
    char contexts[2][64];
    counting(secret, 64);
    counting(seed, 0);
    unhex(RFC_PRIVATE, private_key);
    OK(k8senc_keyset_describe(set, &json, &error));
    memcpy(key_id, find(json.ptr, json.len, "kc1."), 47);
    key_id[47] = 0;
    const uint8_t *at = json.ptr;
    for (int i = 0; i < 2; i++) {
        at = find(at + 1, json.len - (size_t)(at + 1 - json.ptr), "kw1|");
        CHECK(at != NULL && sscanf((const char *)at, "%63[^\"]", contexts[i]) == 1);
    }
    k8senc_buf_free(&json);
    OK(k8senc_wrap_key_new(&key, &error));
    OK(k8senc_kek_new(secret, 32, &kek, &error));
    OK(k8senc_kek_wrap(kek, key, (const uint8_t *)contexts[0], strlen(contexts[0]), &local, &error));
    OK(k8senc_recovery_public(private_key, 32, &public_key, &error));
    OK(k8senc_recipient_wrap(public_key.ptr, public_key.len, key, (const uint8_t *)contexts[1], strlen(contexts[1]), &offline,
                             &error));
    CHECK(local.len == 60 && offline.len == 80);
    memcpy(wraps, "\0\0\0\x3c", 4);
    memcpy(wraps + 4, local.ptr, 60);
    memcpy(wraps + 64, "\0\0\0\x50", 4);
    memcpy(wraps + 68, offline.ptr, 80);

    /* What was exposed to a remote KMS comes back as a wrap key that opens and seals nothing. */
    k8senc_buf exposed;
    k8senc_wrap_key *answered;
    OK(k8senc_wrap_key_expose(key, &exposed, &error));
    OK(k8senc_wrap_key_unwrapped_new(exposed.ptr, exposed.len, &answered, &error));
    FAILS(KEYSET_REFUSED, k8senc_keyset_seal(set, answered, seed, 32, slots, 2, wraps, sizeof wraps, &record, &error));
    k8senc_wrap_key_free(answered);

    FAILS(BAD_ARGUMENT, k8senc_keyset_seal(set, key, seed, 32, slots, 1, wraps, sizeof wraps, &record, &error));
    FAILS(BAD_ARGUMENT, k8senc_keyset_seal(set, key, seed, 32, slots, 2, wraps, sizeof wraps - 1, &record, &error));
    OK(k8senc_keyset_seal(set, key, seed, 32, slots, 2, wraps, sizeof wraps, &record, &error));
    FAILS(SPENT, k8senc_keyset_seal(set, key, seed, 32, slots, 2, wraps, sizeof wraps, &record, &error));
    FAILS(SPENT, k8senc_wrap_key_expose(key, &exposed, &error));

    k8senc_buf_free(&exposed);
    k8senc_buf_free(&local);
    k8senc_buf_free(&offline);
    k8senc_buf_free(&public_key);
    k8senc_wrap_key_free(key);
    k8senc_kek_free(kek);
    return record;
}

int main(void) {
    uint8_t record[1024], set_key[32];
    char key_id[48];
    size_t len = unhex(GOLDEN, record);
    counting(set_key, 128);
    opens(record, len, GOLDEN_KEY_ID, NONE);
    len = unhex(GOLDEN_MAC, record);
    opens(record, len, GOLDEN_MAC_KEY_ID, set_key, 32);

    k8senc_keyset *set = set_of(3, NONE, GOLDEN_KEY_ID);
    k8senc_buf sealed = seal(set, key_id);
    CHECK(strcmp(key_id, GOLDEN_KEY_ID) == 0);
    opens(sealed.ptr, sealed.len, key_id, NONE);
    k8senc_buf_free(&sealed);
    k8senc_keyset_free(set);

    /* Resealed for the next set, which has a set key. */
    set = set_of(3, set_key, 32, GOLDEN_MAC_KEY_ID);
    sealed = seal(set, key_id);
    opens(sealed.ptr, sealed.len, key_id, set_key, 32);
    k8senc_buf_free(&sealed);
    k8senc_keyset_free(set);

    k8senc_members *members;
    k8senc_kek *kek;
    FAILS(KEYSET_REFUSED, k8senc_kek_new(record, 31, &kek, &error));
    OK(k8senc_members_new(&members, &error));
    FAILS(BAD_ARGUMENT, k8senc_members_add_remote(members, 1, 0, T("\0\0\0\1a"), 62, &error));
    FAILS(BAD_ARGUMENT, k8senc_members_add_remote(members, 1, 2, T("\0\0\0\2a"), 62, &error));
    FAILS(BAD_ARGUMENT, k8senc_members_add_recipient(members, 1, record, 31, &error));
    FAILS(KEYSET_REFUSED, k8senc_keyset_new(T("prod-1"), 0, members, NONE, &set, &error));
    OK(k8senc_members_add_remote(members, 1, 2, T("\0\0\0\1a"), 62, &error));
    FAILS(KEYSET_REFUSED, k8senc_keyset_new(T("a b"), 0, members, NONE, &set, &error));
    FAILS(KEYSET_REFUSED, k8senc_keyset_new(T("prod-1"), 0, members, T("short"), &set, &error));
    OK(k8senc_keyset_new(T("prod-1"), 0, members, NONE, &set, &error));
    k8senc_keyset_free(set);
    k8senc_members_free(members);
    puts("keyset: golden records open, records are sealed and resealed");
    return 0;
}
