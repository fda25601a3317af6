/* SRTP (RFC 3711) with AES-CM and HMAC-SHA1-80, and with AES-GCM (RFC 7714). Every primitive is libcrypto's; key
 * schedules are computed once per leg and direction. Only RTP: SRTCP has keys of its own and is Python's. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "plane.h"

#define SALT 14
#define AUTH_KEY 20
#define CM_TAG 10
#define GCM_TAG 16

enum label { LABEL_KEY = 0, LABEL_AUTH = 1, LABEL_SALT = 2 }; /* RFC 3711, 4.3.2 */

struct profile {
    size_t key, salt;
    bool is_gcm;
    const EVP_CIPHER *(*stream)(void); /* for the key derivation, and for AES-CM the cipher itself */
    const EVP_CIPHER *(*sealed)(void);
};

static const struct profile PROFILES[] = {
    {16, 12, true, EVP_aes_128_ctr, EVP_aes_128_gcm},
    {32, 12, true, EVP_aes_256_ctr, EVP_aes_256_gcm},
    {16, 14, false, EVP_aes_128_ctr, NULL},
};

size_t srtp_key_length(int profile)
{
    return PROFILES[profile].key;
}

size_t srtp_salt_length(int profile)
{
    return PROFILES[profile].salt;
}

struct srtp {
    bool is_gcm;
    uint8_t salt[SALT];
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
};

size_t srtp_tag(const struct srtp *s)
{
    return s->is_gcm ? GCM_TAG : CM_TAG;
}

/* RFC 3711, 4.3.3: the keystream of AES-CM under the master key, from (salt xor label) on. */
static bool derive(const struct profile *profile, const uint8_t *key, const uint8_t *salt, enum label label,
                   uint8_t *out, size_t length)
{
    uint8_t iv[16] = {0};
    const uint8_t zeros[32] = {0};
    int written = 0;
    memcpy(iv, salt, profile->salt);
    iv[7] ^= (uint8_t)label;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool ok = context != NULL && length <= sizeof zeros &&
              EVP_EncryptInit_ex(context, profile->stream(), NULL, key, iv) == 1 &&
              EVP_EncryptUpdate(context, out, &written, zeros, (int)length) == 1 && written == (int)length;
    EVP_CIPHER_CTX_free(context);
    return ok;
}

struct evp_mac_ctx_st *hmac_open(const uint8_t *key, size_t length)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA1", 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = algorithm != NULL ? EVP_MAC_CTX_new(algorithm) : NULL;
    EVP_MAC_free(algorithm);
    if (mac != NULL && EVP_MAC_init(mac, key, length, parameters) != 1) {
        EVP_MAC_CTX_free(mac);
        return NULL;
    }
    return mac;
}

void hmac_close(struct evp_mac_ctx_st *mac)
{
    EVP_MAC_CTX_free(mac);
}

bool hmac_sign(struct evp_mac_ctx_st *mac, const uint8_t *data, size_t length, const uint8_t *more,
               size_t more_length, uint8_t digest[HMAC_DIGEST])
{
    size_t written = 0;
    return EVP_MAC_init(mac, NULL, 0, NULL) == 1 && EVP_MAC_update(mac, data, length) == 1 &&
           EVP_MAC_update(mac, more, more_length) == 1 &&
           EVP_MAC_final(mac, digest, &written, HMAC_DIGEST) == 1 && written == HMAC_DIGEST;
}

static bool set_up(struct srtp *s, const struct profile *profile, bool encrypts, const uint8_t *key,
                   const uint8_t *salt)
{
    uint8_t session_key[32], auth_key[AUTH_KEY];
    const EVP_CIPHER *cipher = profile->is_gcm ? profile->sealed() : profile->stream();
    bool ok = derive(profile, key, salt, LABEL_KEY, session_key, profile->key) &&
              derive(profile, key, salt, LABEL_SALT, s->salt, profile->salt) &&
              derive(profile, key, salt, LABEL_AUTH, auth_key, AUTH_KEY) &&
              (s->cipher = EVP_CIPHER_CTX_new()) != NULL &&
              EVP_CipherInit_ex(s->cipher, cipher, NULL, session_key, NULL, encrypts || !s->is_gcm) == 1 &&
              (s->is_gcm || (s->mac = hmac_open(auth_key, AUTH_KEY)) != NULL);
    OPENSSL_cleanse(session_key, sizeof session_key);
    OPENSSL_cleanse(auth_key, sizeof auth_key);
    return ok;
}

struct srtp *srtp_open(int number, bool encrypts, const uint8_t *key, const uint8_t *salt)
{
    const struct profile *profile = &PROFILES[number];
    struct srtp *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->is_gcm = profile->is_gcm;
    if (set_up(s, profile, encrypts, key, salt))
        return s;
    srtp_close(s);
    return NULL;
}

void srtp_close(struct srtp *s)
{
    if (s == NULL)
        return;
    EVP_CIPHER_CTX_free(s->cipher);
    hmac_close(s->mac);
    OPENSSL_cleanse(s, sizeof *s);
    free(s);
}

/* RFC 7714, 8.1: 00 00 SSRC ROC SEQ xor salt. RFC 3711, 4.1.1: salt 00 00 xor SSRC at 4 xor index at 8. */
static void make_iv(const struct srtp *s, uint32_t ssrc, uint64_t index, uint8_t iv[16])
{
    size_t at = s->is_gcm ? 2 : 4;
    memcpy(iv, s->salt, SALT);
    iv[14] = iv[15] = 0;
    for (size_t i = 0; i < 4; i++)
        iv[at + i] ^= (uint8_t)(ssrc >> (24 - 8 * i));
    size_t index_at = s->is_gcm ? 6 : 8;
    for (size_t i = 0; i < 6; i++)
        iv[index_at + i] ^= (uint8_t)(index >> (40 - 8 * i));
}

/* RFC 3711, 4.2: over the packet and its rollover counter. */
static bool sign(const struct srtp *s, const uint8_t *packet, size_t length, uint64_t index, uint8_t tag[HMAC_DIGEST])
{
    uint32_t rollover = (uint32_t)(index >> 16);
    const uint8_t counter[4] = {(uint8_t)(rollover >> 24), (uint8_t)(rollover >> 16), (uint8_t)(rollover >> 8),
                                (uint8_t)rollover};
    return hmac_sign(s->mac, packet, length, counter, sizeof counter, tag);
}

static bool crypt_counter(struct srtp *s, const uint8_t *iv, uint8_t *to, const uint8_t *from, size_t length)
{
    int written = 0;
    return EVP_CipherInit_ex(s->cipher, NULL, NULL, NULL, iv, -1) == 1 &&
           (length == 0 || EVP_CipherUpdate(s->cipher, to, &written, from, (int)length) == 1);
}

static size_t protect_gcm(struct srtp *s, const uint8_t *iv, uint8_t *packet, size_t header, const uint8_t *payload,
                          size_t length)
{
    int written = 0;
    uint8_t *body = packet + header;
    OSSL_PARAM tag[] = { /* what EVP_CTRL_AEAD_GET_TAG would look up */
        OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, body + length, GCM_TAG),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_EncryptInit_ex2(s->cipher, NULL, NULL, iv, NULL) == 1 &&
              EVP_EncryptUpdate(s->cipher, NULL, &written, packet, (int)header) == 1 &&
              (length == 0 || EVP_EncryptUpdate(s->cipher, body, &written, payload, (int)length) == 1) &&
              EVP_EncryptFinal_ex(s->cipher, body + length, &written) == 1 &&
              EVP_CIPHER_CTX_get_params(s->cipher, tag) == 1;
    return ok ? header + length + GCM_TAG : 0;
}

size_t srtp_protect(struct srtp *s, uint8_t *packet, size_t header, const uint8_t *payload, size_t length,
                    uint32_t ssrc, uint64_t index)
{
    uint8_t iv[16], tag[HMAC_DIGEST];
    make_iv(s, ssrc, index, iv);
    if (s->is_gcm)
        return protect_gcm(s, iv, packet, header, payload, length);
    if (!crypt_counter(s, iv, packet + header, payload, length) || !sign(s, packet, header + length, index, tag))
        return 0;
    memcpy(packet + header + length, tag, CM_TAG);
    return header + length + CM_TAG;
}

static bool unprotect_gcm(struct srtp *s, const uint8_t *iv, uint8_t *packet, size_t header, size_t length)
{
    int written = 0;
    uint8_t *body = packet + header, rest[16];
    size_t sealed = length - header - GCM_TAG;
    return EVP_DecryptInit_ex(s->cipher, NULL, NULL, NULL, iv) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_TAG, GCM_TAG, packet + length - GCM_TAG) == 1 &&
           EVP_DecryptUpdate(s->cipher, NULL, &written, packet, (int)header) == 1 &&
           (sealed == 0 || EVP_DecryptUpdate(s->cipher, body, &written, body, (int)sealed) == 1) &&
           EVP_DecryptFinal_ex(s->cipher, rest, &written) == 1;
}

bool srtp_unprotect(struct srtp *s, uint8_t *packet, size_t header, size_t length, uint32_t ssrc, uint64_t index)
{
    uint8_t iv[16], tag[HMAC_DIGEST];
    make_iv(s, ssrc, index, iv);
    if (s->is_gcm)
        return unprotect_gcm(s, iv, packet, header, length);
    size_t clear = length - CM_TAG;
    return sign(s, packet, clear, index, tag) && CRYPTO_memcmp(tag, packet + clear, CM_TAG) == 0 &&
           crypt_counter(s, iv, packet + header, packet + header, clear - header);
}
