#include "hash/sha256.h"

#define BLOCK TL_SHA256_BLOCK

static const uint32_t rounds[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

static uint32_t turned(uint32_t x, uint32_t bits) {
    return (x >> bits) | (x << (32u - bits));
}

/* One round without moving the eight words: the caller turns their names. Choice and majority with one AND less. */
#define ROUND(a, b, c, d, e, f, g, h, n)                                                                   \
    do {                                                                                                   \
        h += (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((((f) ^ (g)) & (e)) ^ (g)) + k[n] + w[n];   \
        d += h;                                                                                            \
        h += (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + (((a) & (b)) + ((c) & ((a) ^ (b))));         \
    } while (0)

/* Put the 16 words of the schedule that follow in place of those in w[0] to w[15]. Each goes behind them as well, so that
 * no place need be found modulo 16. */
static void schedule(uint32_t w[32]) {
    for (uint32_t *end = w + 16; w != end; w++) {
        uint32_t before15 = w[1], before2 = w[14];
        w[0] = w[16] = w[0] + (turned(before15, 7) ^ turned(before15, 18) ^ (before15 >> 3)) + w[9] +
                       (turned(before2, 17) ^ turned(before2, 19) ^ (before2 >> 10));
    }
}

/* Four rounds at a time: after them a to d and e to h have changed places, which costs less code than eight rounds. */
static void compress(uint32_t state[8], const uint8_t *block) {
    uint32_t words[32];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (uint32_t i = 0; i < 16u; i++, block += 4) {
        words[i] = ((uint32_t)block[0] << 24) | ((uint32_t)block[1] << 16) | ((uint32_t)block[2] << 8) | block[3];
    }
    const uint32_t *w = words;
    for (const uint32_t *k = rounds;;) {
        ROUND(a, b, c, d, e, f, g, h, 0);
        ROUND(h, a, b, c, d, e, f, g, 1);
        ROUND(g, h, a, b, c, d, e, f, 2);
        ROUND(f, g, h, a, b, c, d, e, 3);
        uint32_t t0 = a, t1 = b, t2 = c, t3 = d;
        a = e, b = f, c = g, d = h;
        e = t0, f = t1, g = t2, h = t3;
        k += 4;
        w += 4;
        if (w == words + 16) {
            if (k == rounds + 64) {
                break;
            }
            schedule(words);
            w = words;
        }
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void tl_sha256_begin(tl_sha256_t *hash) {
    static const uint32_t start[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                      0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
    for (uint32_t i = 0; i < 8u; i++) {
        hash->state[i] = start[i];
    }
    hash->total = 0;
}

void tl_sha256_took(tl_sha256_t *hash, uint32_t length) {
    hash->total += length;
    if (hash->total % BLOCK == 0) {
        compress(hash->state, hash->block);
    }
}

void tl_sha256_add(tl_sha256_t *hash, const void *bytes, uint32_t length) {
    const uint8_t *from = bytes;
    while (length > 0) {
        uint32_t at = hash->total % BLOCK;
        uint32_t now = BLOCK - at < length ? BLOCK - at : length;
        for (uint32_t i = 0; i < now; i++) {
            hash->block[at + i] = from[i];
        }
        tl_sha256_took(hash, now);
        from += now;
        length -= now;
    }
}

static void fill(uint8_t *block, uint32_t from, uint32_t to) {
    while (from < to) {
        block[from++] = 0;
    }
}

void tl_sha256_end(tl_sha256_t *hash, uint8_t digest[TL_DIGEST]) {
    uint64_t bits = (uint64_t)hash->total * 8u;
    uint32_t at = hash->total % BLOCK;
    hash->block[at++] = 0x80u;
    if (at > BLOCK - 8u) { /* no room for the length */
        fill(hash->block, at, BLOCK);
        compress(hash->state, hash->block);
        at = 0;
    }
    fill(hash->block, at, BLOCK - 8u);
    for (uint32_t i = 0; i < 8u; i++, bits <<= 8) {
        hash->block[BLOCK - 8u + i] = (uint8_t)(bits >> 56);
    }
    compress(hash->state, hash->block);
    for (uint32_t i = 0; i < TL_DIGEST; i++) {
        digest[i] = (uint8_t)(hash->state[i / 4u] >> (24u - 8u * (i % 4u)));
    }
}

void tl_hmac_pad(tl_sha256_t *hash, const uint8_t key[TL_DIGEST], uint8_t pad) {
    tl_sha256_begin(hash);
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint8_t byte = (uint8_t)((i < TL_DIGEST ? key[i] : 0u) ^ pad);
        tl_sha256_add(hash, &byte, 1);
    }
}

void tl_hmac_begin(tl_sha256_t *hash, const uint8_t key[TL_DIGEST]) {
    tl_hmac_pad(hash, key, TL_HMAC_INNER);
}

void tl_hmac_end(tl_sha256_t *hash, const uint8_t key[TL_DIGEST], uint8_t tag[TL_DIGEST]) {
    tl_sha256_end(hash, tag);
    tl_hmac_pad(hash, key, TL_HMAC_OUTER);
    tl_sha256_add(hash, tag, TL_DIGEST);
    tl_sha256_end(hash, tag);
}

bool tl_same(const uint8_t *a, const uint8_t *b, uint32_t length) {
    volatile uint8_t differ = 0;
    for (uint32_t i = 0; i < length; i++) {
        differ = (uint8_t)(differ | (a[i] ^ b[i]));
    }
    return differ == 0;
}
