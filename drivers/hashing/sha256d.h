/* SHA256d search: what the kernel families, the search loop and the Python module share.
 *
 * Words are 32-bit and hold the value SHA-256 computes with (big-endian in the header). The tail
 * is header bytes 64-75, message words 0-2 of the second block; the nonce is word 3.
 *
 * Source: FIPS 180-4.
 */
#ifndef SHA256D_H
#define SHA256D_H

#include <stddef.h>
#include <stdint.h>

#define MAX_HEADS 16
#define MAX_HITS 8192     /* per search; then it ends early */
#define CHUNK_HASHES 4096 /* between two looks at the stop flag; must not exceed MAX_HITS */

struct hit {
    uint32_t nonce;
    uint32_t head;
};

/* One midstate, and what does not depend on the nonce: the state after the first three rounds
 * (a to h), without the effect of message word 3 after round 4 as `new_a` and `new_e`. */
struct head {
    uint32_t midstate[8];
    uint32_t after3[8];
    uint32_t new_a, new_e;
};

struct search {
    unsigned heads;
    struct head head[MAX_HEADS];
    uint32_t tail[3];
    uint32_t target[8]; /* the last word is the most significant */
    uint32_t reject;    /* bits of hash word 7 that are all clear in every hit */
    uint32_t known[18]; /* constants + message words of rounds 4 to 17, which are known */
    uint32_t w16, w17;  /* message words, and the known terms of the next ones */
    uint32_t w18, w19, w30, w31, w32, w33;
    uint32_t first, count; /* the chunk being searched: other nonces are ignored */
    uint32_t hits;
    struct hit hit[MAX_HITS];
};

/* A kernel calls `candidate` for at least every hash of the chunk that meets the target. It may
 * try nonces beyond the chunk, up to the end of its last batch. */
typedef void scan_function(struct search *search);

/* SHA-256's compression function: take one block of 16 message words into the state. */
typedef void compress_function(uint32_t state[8], const uint32_t block[16]);

struct kernel {
    const char *name;
    unsigned heads;              /* it searches best at a time */
    const char *(*missing)(void); /* why this CPU cannot run it, or "" */
    scan_function *scan;         /* NULL: not compiled for this kind of CPU */
    compress_function *compress; /* NULL: it has none of its own */
};

extern const struct kernel kernels[];
extern const unsigned kernel_count;

extern const uint32_t sha256_k[64];
extern const uint32_t sha256_initial[8];

scan_function scan_portable, scan_sha_ni, scan_avx2, scan_avx512, scan_armv8;
compress_function sha256_compress, compress_sha_ni, compress_armv8;

void merkle_root(uint32_t root[8], const unsigned char *branch, size_t hashes, compress_function *compress);
compress_function *best_compress(void);
void prepare(struct search *search);
uint64_t run(struct search *search, scan_function *scan, uint64_t start, uint64_t count,
             const volatile unsigned char *stop);
void candidate(struct search *search, unsigned head, uint32_t nonce);

static inline uint32_t load_big_endian(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void store_big_endian(unsigned char *bytes, uint32_t word)
{
    bytes[0] = (unsigned char)(word >> 24);
    bytes[1] = (unsigned char)(word >> 16);
    bytes[2] = (unsigned char)(word >> 8);
    bytes[3] = (unsigned char)word;
}

static inline uint32_t swap_bytes(uint32_t word)
{
    return word >> 24 | (word >> 8 & 0xff00) | (word << 8 & 0xff0000) | word << 24;
}

static inline uint32_t rotate_right(uint32_t word, int bits)
{
    return word >> bits | word << (32 - bits);
}

#endif
