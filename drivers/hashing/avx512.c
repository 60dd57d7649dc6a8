/* 16 nonces in lockstep: AVX-512F, whose rotation and three-way logic save half of AVX2's work. */
#include "sha256d.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16
#define FUNCTION scan_avx512
#define TARGET __attribute__((target("avx512f")))
typedef uint32_t vector __attribute__((vector_size(64)));
#define VEC vector
#define SPLAT(x) ((VEC)_mm512_set1_epi32((int)(x)))
#define ROTATE(v, n) ((VEC)_mm512_ror_epi32((__m512i)(v), n))
#define SHIFT(v, n) ((VEC)_mm512_srli_epi32((__m512i)(v), n))
#define XOR3(x, y, z) ((VEC)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), 0x96))
#define CHOOSE(x, y, z) ((VEC)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), 0xca))
#define MAJORITY(x, y, z) ((VEC)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), 0xe8))
#define ZERO_LANES(v) _mm512_testn_epi32_mask((__m512i)(v), (__m512i)(v))
#define NONCES(n) swapped(n)

TARGET static inline VEC swapped(uint32_t nonce)
{
    VEC n = SPLAT(nonce) + (VEC){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return n >> 24 | (n >> 8 & SPLAT(0xff00)) | (n << 8 & SPLAT(0xff0000)) | n << 24;
}

#include "lanes.h"
#endif
