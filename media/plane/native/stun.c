/* Binding requests to an ICE-lite agent (RFC 8489, RFC 8445): recognised here, answered in Python. */
#include <openssl/crypto.h>
#include <string.h>

#include "plane.h"

#define HEADER 20
#define COOKIE 0x2112a442u
#define USERNAME 0x0006
#define MESSAGE_INTEGRITY 0x0008

static unsigned read16(const uint8_t *p)
{
    return (unsigned)(p[0] << 8 | p[1]);
}

static bool is_binding_request(const uint8_t *data, size_t length)
{
    return length >= HEADER && read16(data) == 0x0001 && length % 4 == 0 && read16(data + 2) == length - HEADER &&
           ((uint32_t)read16(data + 4) << 16 | read16(data + 6)) == COOKIE;
}

struct claim {
    const uint8_t *username;
    size_t username_length;
    size_t integrity; /* where the attribute begins; 0: none */
};

/* The first of each kind counts; USERNAME behind the integrity is not covered by it and does not. */
static bool read_claim(const uint8_t *data, size_t length, struct claim *claim)
{
    *claim = (struct claim){0};
    for (size_t at = HEADER; at < length;) { /* lengths are multiples of 4, so the head is always there */
        unsigned kind = read16(data + at);
        size_t size = read16(data + at + 2), padded = (size + 3) & ~(size_t)3;
        if (at + 4 + padded > length)
            return false;
        if (kind == USERNAME && claim->username == NULL && claim->integrity == 0) {
            claim->username = data + at + 4;
            claim->username_length = size;
        } else if (kind == MESSAGE_INTEGRITY && claim->integrity == 0) {
            if (size != HMAC_DIGEST)
                return false;
            claim->integrity = at;
        }
        at += 4 + padded;
    }
    return claim->username != NULL && claim->integrity != 0;
}

static struct credential *credential_of(const struct directory *ufrags, const struct claim *claim)
{
    const uint8_t *colon = memchr(claim->username, ':', claim->username_length);
    size_t ours = colon != NULL ? (size_t)(colon - claim->username) : 0;
    if (ours == 0 || ours > MAX_UFRAG)
        return NULL;
    return (struct credential *)directory_find(ufrags, claim->username, ours);
}

/* RFC 8489, 14.5: over everything before the attribute, with a length as if it were the last one. */
static bool is_signed(const uint8_t *data, size_t integrity, const struct credential *credential)
{
    uint8_t header[HEADER], digest[HMAC_DIGEST];
    size_t claimed = integrity + 4 + HMAC_DIGEST - HEADER;
    memcpy(header, data, HEADER);
    header[2] = (uint8_t)(claimed >> 8);
    header[3] = (uint8_t)claimed;
    return hmac_sign(credential->mac, header, HEADER, data + HEADER, integrity - HEADER, digest) &&
           CRYPTO_memcmp(digest, data + integrity + 4, HMAC_DIGEST) == 0;
}

struct credential *stun_check(const struct directory *ufrags, const uint8_t *data, size_t length)
{
    struct claim claim;
    if (!is_binding_request(data, length) || !read_claim(data, length, &claim))
        return NULL;
    struct credential *credential = credential_of(ufrags, &claim);
    return credential != NULL && is_signed(data, claim.integrity, credential) ? credential : NULL;
}
