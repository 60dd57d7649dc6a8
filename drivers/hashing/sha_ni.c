/* The SHA extensions of x86-64 CPUs. */
#include "sha256d.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define TARGET __attribute__((target("sha,sse4.1")))

/* four rounds i .. i+3 of one lane */
#define RNDS4(s0, s1, kw) do { __m128i x = (kw); s1 = _mm_sha256rnds2_epu32(s1, s0, x); x = _mm_shuffle_epi32(x, 0x0e); s0 = _mm_sha256rnds2_epu32(s0, s1, x);} while (0)
#define KK(i) _mm_loadu_si128((const __m128i *)(sha256_k + 4 * (i)))
#define NEXTM(a, b, c, d) _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(d, c, 4)), d)

TARGET static inline __m128i fourth(const uint32_t *p, int hi) {
    return hi ? _mm_set_epi32(p[0], p[1], p[4], p[5]) : _mm_set_epi32(p[2], p[3], p[6], p[7]);
}
TARGET void scan_sha_ni(struct search *search, uint32_t first, uint32_t count)
{
    for (uint32_t done = 0; done < count; done++)
        for (unsigned h = 0; h < search->heads; h++) {
            __m128i m[4], abef, cdgh, s0, s1;
            abef = fourth(search->head[h].midstate, 1);
            cdgh = fourth(search->head[h].midstate, 0);
            m[0] = _mm_set_epi32(swap_bytes(first + done), search->tail[2], search->tail[1], search->tail[0]);
            m[1] = _mm_set_epi32(0, 0, 0, 0x80000000);
            m[2] = _mm_setzero_si128();
            m[3] = _mm_set_epi32(640, 0, 0, 0);
            s0 = abef; s1 = cdgh;
            for (int i = 0; i < 16; i++) {
                if (i >= 4)
                    m[i & 3] = NEXTM(m[i & 3], m[(i + 1) & 3], m[(i + 2) & 3], m[(i + 3) & 3]);
                RNDS4(s0, s1, _mm_add_epi32(m[i & 3], KK(i)));
            }
            s0 = _mm_add_epi32(s0, abef);
            s1 = _mm_add_epi32(s1, cdgh);
            // s0 = F E B A (low..high), s1 = H G D C
            m[0] = _mm_shuffle_epi32(_mm_unpackhi_epi64(s0, s1), 0xb1);
            m[1] = _mm_shuffle_epi32(_mm_unpacklo_epi64(s0, s1), 0xb1);
            m[2] = _mm_set_epi32(0, 0, 0, 0x80000000);
            m[3] = _mm_set_epi32(256, 0, 0, 0);
            s0 = fourth(sha256_initial, 1);
            s1 = fourth(sha256_initial, 0);
            for (int i = 0; i < 16; i++) {
                if (i >= 4)
                    m[i & 3] = NEXTM(m[i & 3], m[(i + 1) & 3], m[(i + 2) & 3], m[(i + 3) & 3]);
                RNDS4(s0, s1, _mm_add_epi32(m[i & 3], KK(i)));
            }
            uint32_t word7 = (uint32_t)_mm_cvtsi128_si32(s1) + sha256_initial[7];
            if (!(word7 & search->reject))
                candidate(search, h, first + done);
        }
}
#endif
