/* SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) with keys of 32 bytes. */
#ifndef TL_SHA256_H
#define TL_SHA256_H

#include <stdbool.h>
#include <stdint.h>

#define TL_DIGEST 32u /* bytes, of keys too */
#define TL_SHA256_BLOCK 64u

typedef struct {
    uint32_t state[8];
    uint32_t total; /* bytes so far */
    uint8_t block[TL_SHA256_BLOCK];
} tl_sha256_t;

void tl_sha256_begin(tl_sha256_t *hash);
void tl_sha256_add(tl_sha256_t *hash, const void *bytes, uint32_t length);

/* The caller has put `length` bytes into hash->block, behind those that are there; not more than fit. */
void tl_sha256_took(tl_sha256_t *hash, uint32_t length);

void tl_sha256_end(tl_sha256_t *hash, uint8_t digest[TL_DIGEST]);

#define TL_HMAC_INNER 0x36u
#define TL_HMAC_OUTER 0x5Cu

/* Begin a hash with the key's block; what it leaves can be kept, for whoever tags many messages with one key. */
void tl_hmac_pad(tl_sha256_t *hash, const uint8_t key[TL_DIGEST], uint8_t pad);

void tl_hmac_begin(tl_sha256_t *hash, const uint8_t key[TL_DIGEST]);
void tl_hmac_end(tl_sha256_t *hash, const uint8_t key[TL_DIGEST], uint8_t tag[TL_DIGEST]);

/* Whether both are the same, in a time that does not depend on where they differ. */
bool tl_same(const uint8_t *a, const uint8_t *b, uint32_t length);

#endif
