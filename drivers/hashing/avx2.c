/* 8 nonces in lockstep: AVX2, for x86-64 CPUs with neither SHA extensions nor AVX-512. */
#include "sha256d.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 8
#define FUNCTION scan_avx2
#define TARGET __attribute__((target("avx2")))
typedef uint32_t vector __attribute__((vector_size(32)));
#define VEC vector
#define SPLAT(x) ((VEC)_mm256_set1_epi32((int)(x)))
#define ROTATE(v, n) ((v) >> (n) | (v) << (32 - (n)))
#define SHIFT(v, n) ((v) >> (n))
#define XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MAJORITY(x, y, z) ((y) ^ (((x) ^ (y)) & ((y) ^ (z))))
#define ZERO_LANES(v) (unsigned)_mm256_movemask_ps((__m256)((v) == SPLAT(0)))
#define NONCES(n) swapped(n)

TARGET static inline VEC swapped(uint32_t nonce)
{
    VEC n = SPLAT(nonce) + (VEC){0, 1, 2, 3, 4, 5, 6, 7};
    return n >> 24 | (n >> 8 & SPLAT(0xff00)) | (n << 8 & SPLAT(0xff0000)) | n << 24;
}

#include "lanes.h"
#endif
