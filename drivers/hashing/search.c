/* The search around the kernels: preparation, chunks, and the exact check of every candidate.
 *
 * Source: FIPS 180-4 for the constants and the compression function.
 */
#include "sha256d.h"

const uint32_t sha256_initial[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

const uint32_t sha256_k[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sigma0(uint32_t x)
{
    return rotate_right(x, 7) ^ rotate_right(x, 18) ^ x >> 3;
}

static uint32_t sigma1(uint32_t x)
{
    return rotate_right(x, 17) ^ rotate_right(x, 19) ^ x >> 10;
}

/* One round on a to h; leaves the new a and e in place, with the words not yet renamed. */
static void one_round(uint32_t s[8], uint32_t constant_and_word)
{
    uint32_t e = s[4], a = s[0];
    uint32_t t1 = s[7] + constant_and_word + ((e & s[5]) ^ (~e & s[6])) +
                  (rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25));
    uint32_t t2 = ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2])) +
                  (rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22));
    for (int i = 7; i > 0; i--)
        s[i] = s[i - 1];
    s[4] += t1;
    s[0] = t1 + t2;
}

void sha256_compress(uint32_t state[8], const uint32_t block[16])
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = block[i];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + sigma0(w[i - 15]) + w[i - 7] + sigma1(w[i - 2]);
    for (int i = 0; i < 8; i++)
        s[i] = state[i];
    for (int i = 0; i < 64; i++)
        one_round(s, sha256_k[i] + w[i]);
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

/* Fill in what can be computed before the nonce is known, from midstates, tail and target. */
void prepare(struct search *search)
{
    const uint32_t *tail = search->tail;
    search->w16 = tail[0] + sigma0(tail[1]);
    search->w17 = tail[1] + sigma0(tail[2]) + sigma1(640);
    search->w18 = tail[2] + sigma1(search->w16);
    search->w19 = sigma0(0x80000000) + sigma1(search->w17);
    search->w30 = sigma0(640);
    search->w31 = 640 + sigma0(search->w16);
    search->w32 = search->w16 + sigma0(search->w17);
    search->w33 = search->w17;
    for (int i = 4; i < 16; i++)
        search->known[i] = sha256_k[i] + (i == 4 ? 0x80000000 : i == 15 ? 640 : 0);
    search->known[16] = sha256_k[16] + search->w16;
    search->known[17] = sha256_k[17] + search->w17;
    for (unsigned i = 0; i < search->heads; i++) {
        struct head *head = &search->head[i];
        uint32_t next[8];
        for (int j = 0; j < 8; j++)
            head->after3[j] = head->midstate[j];
        for (int j = 0; j < 3; j++)
            one_round(head->after3, sha256_k[j] + tail[j]);
        for (int j = 0; j < 8; j++)
            next[j] = head->after3[j];
        one_round(next, sha256_k[3]);
        head->new_a = next[0];
        head->new_e = next[4];
    }
    uint32_t known = search->target[7]; /* bits that may be set in the top word of a hit */
    for (int shift = 1; shift < 32; shift *= 2)
        known |= known >> shift;
    search->reject = swap_bytes(~known);
}

/* Return how many nonces were tried with every head; the hits are in `search`. */
uint64_t run(struct search *search, scan_function *scan, uint64_t start, uint64_t count,
             const volatile unsigned char *stop)
{
    const uint32_t chunk = CHUNK_HASHES / search->heads;
    uint64_t tried = 0;
    while (tried < count && !*stop && search->hits + chunk * search->heads <= MAX_HITS) {
        search->first = (uint32_t)(start + tried);
        search->count = count - tried < chunk ? (uint32_t)(count - tried) : chunk;
        scan(search);
        tried += search->count;
    }
    return tried;
}

static int meets_target(const struct search *search, const uint32_t hash[8])
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = swap_bytes(hash[i]);
        if (word != search->target[i])
            return word < search->target[i];
    }
    return 1;
}

/* Record the nonce if it belongs to the chunk and its hash, computed anew, meets the target. */
void candidate(struct search *search, unsigned head, uint32_t nonce)
{
    uint32_t block[16] = {search->tail[0], search->tail[1], search->tail[2], swap_bytes(nonce),
                          0x80000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 640};
    uint32_t second[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0x80000000, 0, 0, 0, 0, 0, 0, 256};
    uint32_t hash[8];
    if (nonce - search->first >= search->count || head >= search->heads)
        return;
    for (int i = 0; i < 8; i++) {
        second[i] = search->head[head].midstate[i];
        hash[i] = sha256_initial[i];
    }
    sha256_compress(second, block);
    sha256_compress(hash, second);
    if (meets_target(search, hash) && search->hits < MAX_HITS)
        search->hit[search->hits++] = (struct hit){nonce, head};
}
