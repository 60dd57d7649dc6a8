/* The SHA extensions of x86-64 CPUs, four hashes at a time to hide their latency.
 *
 * In assembly, because compilers spill message words into the chain of rounds. Each of the four
 * lanes has three registers: s0 and s1 hold its state (SHA256RNDS2 wants a, b, e, f in one and
 * c, d, g, h in the other, and swaps them), m the newest four message words; the older ones are
 * memory operands. The words of one group of four rounds are made during the rounds before.
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, SHA256RNDS2, SHA256MSG1,
 * SHA256MSG2.
 */
#include "sha256d.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define LANES 4
#define TARGET __attribute__((target("sha,avx")))

typedef uint32_t row[4];

/* All that the assembly reads and writes, at offsets it knows. */
struct __attribute__((aligned(64))) bench {
    row word[5][16];       /* 0: message words of each lane; [4]: of the next nonce (heads only) */
    row known[4];          /* 1280: words + constants of groups 1 to 3 of the first hash */
    row known2[4];         /* 1344: words + constants of groups 2 and 3 of the second hash */
    row word5, word7;      /* 1408: what words 20-23 and 28-31 of the first hash start from */
    row block2_3, block2_2; /* 1440: words 12-15 and 8-11 of the second hash */
    row initial[2];        /* 1472: SHA-256's initial state, as s0 and s1 */
    row start[LANES];      /* 1504: per lane, state after two rounds; the older half is `before` */
    row before[LANES][2];  /* 1568: per lane, midstate as s0 and s1 */
    row round2[LANES];     /* 1696: per lane, words + constants 2 and 3 */
    row schedule[2][16];   /* 1760: heads only: words + constants of this nonce and the next */
    row word_7;            /* 2272: result: word 7 of the hashes, less the initial state */
};

_Static_assert(offsetof(struct bench, known) == 1280, "offsets in the assembly");
_Static_assert(offsetof(struct bench, word_7) == 2272, "offsets in the assembly");

/* Memory operands */
#define WORD(lane, group) "256*" #lane "+16*" #group "(%[b])"
#define KNOWN(group) "1280+16*" #group "(%[b])"
#define KNOWN_HIGH(group) "1280+8+16*" #group "(%[b])"
#define KNOWN2(group) "1344+16*" #group "(%[b])"
#define KNOWN2_HIGH(group) "1344+8+16*" #group "(%[b])"
#define WORD5 "1408(%[b])"
#define WORD7 "1424(%[b])"
#define BLOCK2_3 "1440(%[b])"
#define BLOCK2_2 "1456(%[b])"
#define INITIAL(half) "1472+16*" #half "(%[b])"
#define START(lane) "1504+16*" #lane "(%[b])"
#define BEFORE(lane, half) "1568+32*" #lane "+16*" #half "(%[b])"
#define ROUND2(lane) "1696+16*" #lane "(%[b])"
#define RESULT "2272(%[b])"
#define K(group) "16*" #group "(%[k])"

/* Four lanes: X(lane, s0, s1, m, ...) */
#define EACH(X, ...)                             \
    X(0, "%%xmm1", "%%xmm2", "%%xmm3", __VA_ARGS__)   \
    X(1, "%%xmm4", "%%xmm5", "%%xmm6", __VA_ARGS__)   \
    X(2, "%%xmm7", "%%xmm8", "%%xmm9", __VA_ARGS__)   \
    X(3, "%%xmm10", "%%xmm11", "%%xmm12", __VA_ARGS__)
#define T "%%xmm13"
#define U "%%xmm14"

#define MOVE(from, to) "movdqa " from "," to "\n\t"
#define ROUNDS(from, to) "sha256rnds2 " from "," to "\n\t"

/* Four rounds with the words in m. */
#define ROUNDS_M(s0, s1, m, group)                                           \
    "vpaddd " K(group) "," m ",%%xmm0\n\t" ROUNDS(s0, s1)                    \
    "vpshufd $14,%%xmm0,%%xmm0\n\t" ROUNDS(s1, s0)

/* Four rounds with words + constants in memory. */
#define ROUNDS_KNOWN(s0, s1, low, high)                                      \
    MOVE(low, "%%xmm0") ROUNDS(s0, s1) "movq " high ",%%xmm0\n\t" ROUNDS(s1, s0)

/* Let m, the words of group g3, become those of the next group: msg1(g0, g1) + (g2, g3) ... */
#define ADVANCE(m, next) "sha256msg2 " m "," T "\n\t" MOVE(T, next) MOVE(T, m)
#define SHIFTED(m, g2, to) "vpalignr $4," g2 "," m "," to "\n\t"
#define SCHEDULE(m, g0, g1, g2, next)                                        \
    MOVE(g0, T) "sha256msg1 " g1 "," T "\n\t" SHIFTED(m, g2, U)              \
    "paddd " U "," T "\n\t" ADVANCE(m, next)

#define STEP(lane, s0, s1, m, g0, g1, g2, g3, next)                          \
    ROUNDS_M(s0, s1, m, g3)                                                  \
    SCHEDULE(m, WORD(lane, g0), WORD(lane, g1), WORD(lane, g2), WORD(lane, next))

/* First hash, groups 0 to 6 */
#define FIRST_0(lane, s0, s1, m, ...)                                        \
    MOVE(BEFORE(lane, 0), s0) MOVE(START(lane), s1) MOVE(ROUND2(lane), "%%xmm0") ROUNDS(s1, s0)
#define FIRST_KNOWN(lane, s0, s1, m, group)                                  \
    ROUNDS_KNOWN(s0, s1, KNOWN(group), KNOWN_HIGH(group))
#define FIRST_4(lane, s0, s1, m, ...)                                        \
    MOVE(WORD(lane, 4), m) ROUNDS_M(s0, s1, m, 4) MOVE(WORD5, T) ADVANCE(m, WORD(lane, 5))
#define FIRST_5(lane, s0, s1, m, ...)                                        \
    ROUNDS_M(s0, s1, m, 5) SHIFTED(m, WORD(lane, 4), T) ADVANCE(m, WORD(lane, 6))
#define FIRST_6(lane, s0, s1, m, ...)                                        \
    ROUNDS_M(s0, s1, m, 6) SHIFTED(m, WORD(lane, 5), T) "paddd " WORD7 "," T "\n\t" ADVANCE(m, WORD(lane, 7))
#define FIRST_LAST(lane, s0, s1, m, ...) ROUNDS_M(s0, s1, m, 15)

/* From the state after the first hash to the words of the second; group 0 */
#define SECOND_0(lane, s0, s1, m, ...)                                       \
    "paddd " BEFORE(lane, 0) "," s0 "\n\t" "paddd " BEFORE(lane, 1) "," s1 "\n\t"  \
    "vpunpckhqdq " s1 "," s0 "," T "\n\t" "vpunpcklqdq " s1 "," s0 "," m "\n\t"    \
    "pshufd $0xb1," T "," T "\n\t" "pshufd $0xb1," m "," m "\n\t"            \
    MOVE(INITIAL(0), s0) MOVE(INITIAL(1), s1)                                \
    ROUNDS_M(s0, s1, T, 0) MOVE(T, WORD(lane, 0)) MOVE(m, WORD(lane, 1))
#define SECOND_1(lane, s0, s1, m, ...)                                       \
    ROUNDS_M(s0, s1, m, 1) MOVE(WORD(lane, 0), T) "sha256msg1 " m "," T "\n\t"  \
    "sha256msg2 " BLOCK2_3 "," T "\n\t" MOVE(T, WORD(lane, 4)) MOVE(T, m)
#define SECOND_KNOWN(lane, s0, s1, m, group)                                 \
    ROUNDS_KNOWN(s0, s1, KNOWN2(group), KNOWN2_HIGH(group))
#define SECOND_4(lane, s0, s1, m, ...)                                       \
    ROUNDS_M(s0, s1, m, 4) SCHEDULE(m, WORD(lane, 1), BLOCK2_2, BLOCK2_3, WORD(lane, 5))
#define SECOND_5(lane, s0, s1, m, ...)                                       \
    ROUNDS_M(s0, s1, m, 5) SHIFTED(m, WORD(lane, 4), T) "paddd " BLOCK2_2 "," T "\n\t" ADVANCE(m, WORD(lane, 6))
#define SECOND_6(lane, s0, s1, m, ...)                                       \
    ROUNDS_M(s0, s1, m, 6) SCHEDULE(m, BLOCK2_3, WORD(lane, 4), WORD(lane, 5), WORD(lane, 7))
#define SECOND_15(lane, s0, s1, m, ...) "vpaddd " K(15) "," m ",%%xmm0\n\t" ROUNDS(s0, s1)

/* Groups 7 to 14, alike in both hashes */
#define COMMON                                                               \
    EACH(STEP, 4, 5, 6, 7, 8) EACH(STEP, 5, 6, 7, 8, 9)                      \
    EACH(STEP, 6, 7, 8, 9, 10) EACH(STEP, 7, 8, 9, 10, 11)                   \
    EACH(STEP, 8, 9, 10, 11, 12) EACH(STEP, 9, 10, 11, 12, 13)               \
    EACH(STEP, 10, 11, 12, 13, 14) EACH(STEP, 11, 12, 13, 14, 15)

#define SECOND_HASH                                                          \
    EACH(SECOND_0, ) EACH(SECOND_1, ) EACH(SECOND_KNOWN, 2) EACH(SECOND_KNOWN, 3)  \
    EACH(SECOND_4, ) EACH(SECOND_5, ) EACH(SECOND_6, ) COMMON EACH(SECOND_15, )    \
    "punpckldq %%xmm5,%%xmm2\n\t" "punpckldq %%xmm11,%%xmm8\n\t"             \
    "punpcklqdq %%xmm8,%%xmm2\n\t" MOVE("%%xmm2", RESULT)

/* First hash of four heads, the words + constants of the nonce they share being known; meanwhile
 * those of the next nonce are made, in a register that the lanes leave free. */
#define HEADS_0(lane, s0, s1, m, ...)                                        \
    MOVE(BEFORE(lane, 0), s0) MOVE(START(lane), s1) "movq 8(%[now]),%%xmm0\n\t" ROUNDS(s1, s0)
#define HEADS_KNOWN(lane, s0, s1, m, group)                                  \
    ROUNDS_KNOWN(s0, s1, "16*" #group "(%[now])", "16*" #group "+8(%[now])")
#define M "%%xmm15"
#define KEEP(group) "vpaddd " K(group) "," M "," U "\n\t" MOVE(U, "16*" #group "(%[next])")
#define NEXT(g0, g1, g2, group)                                              \
    SCHEDULE(M, WORD(4, g0), WORD(4, g1), WORD(4, g2), WORD(4, group)) KEEP(group)
#define FIRST_HASH_OF_HEADS                                                  \
    EACH(HEADS_0, ) EACH(HEADS_KNOWN, 1) MOVE(WORD(4, 4), M) KEEP(4)         \
    EACH(HEADS_KNOWN, 2) MOVE(WORD5, T) ADVANCE(M, WORD(4, 5)) KEEP(5)       \
    EACH(HEADS_KNOWN, 3) SHIFTED(M, WORD(4, 4), T) ADVANCE(M, WORD(4, 6)) KEEP(6)  \
    EACH(HEADS_KNOWN, 4) SHIFTED(M, WORD(4, 5), T) "paddd " WORD7 "," T "\n\t"     \
    ADVANCE(M, WORD(4, 7)) KEEP(7)                                           \
    EACH(HEADS_KNOWN, 5) NEXT(4, 5, 6, 8) EACH(HEADS_KNOWN, 6) NEXT(5, 6, 7, 9)    \
    EACH(HEADS_KNOWN, 7) NEXT(6, 7, 8, 10) EACH(HEADS_KNOWN, 8) NEXT(7, 8, 9, 11)  \
    EACH(HEADS_KNOWN, 9) NEXT(8, 9, 10, 12) EACH(HEADS_KNOWN, 10) NEXT(9, 10, 11, 13)    \
    EACH(HEADS_KNOWN, 11) NEXT(10, 11, 12, 14) EACH(HEADS_KNOWN, 12) NEXT(11, 12, 13, 15)    \
    EACH(HEADS_KNOWN, 13) EACH(HEADS_KNOWN, 14) EACH(HEADS_KNOWN, 15)

#define CLOBBERED                                                            \
    "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",  \
        "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* Hash four nonces with one head. */
TARGET static void hash_nonces(struct bench *bench)
{
    __asm__ volatile("vzeroupper\n\t" EACH(FIRST_0, ) EACH(FIRST_KNOWN, 1) EACH(FIRST_KNOWN, 2) EACH(FIRST_KNOWN, 3)
                     EACH(FIRST_4, ) EACH(FIRST_5, ) EACH(FIRST_6, ) COMMON EACH(FIRST_LAST, ) SECOND_HASH
                     :: [b] "r"(bench), [k] "r"(sha256_k) : CLOBBERED);
}

/* Hash one nonce with four heads, and make the schedule of the next nonce. */
TARGET static void hash_heads(struct bench *bench, unsigned now)
{
    __asm__ volatile("vzeroupper\n\t" FIRST_HASH_OF_HEADS SECOND_HASH
                     :: [b] "r"(bench), [k] "r"(sha256_k), [now] "r"(bench->schedule[now]),
                        [next] "r"(bench->schedule[now ^ 1]) : CLOBBERED);
}

/* In one store, so that the assembly's load need not wait. */
TARGET static inline void set_row(row to, uint32_t w0, uint32_t w1, uint32_t w2, uint32_t w3)
{
    _mm_store_si128((__m128i *)to, _mm_set_epi32((int)w3, (int)w2, (int)w1, (int)w0));
}

TARGET static void lay_out(struct bench *bench, const struct search *search)
{
    const uint32_t *k = sha256_k, *s = sha256_initial, *known = search->known + 4;
    for (int group = 1; group < 4; group++, known += 4) {
        set_row(bench->known[group], known[0], known[1], known[2], known[3]);
        set_row(bench->schedule[0][group], known[0], known[1], known[2], known[3]);
        set_row(bench->schedule[1][group], known[0], known[1], known[2], known[3]);
    }
    set_row(bench->known2[2], k[8] + 0x80000000, k[9], k[10], k[11]);
    set_row(bench->known2[3], k[12], k[13], k[14], k[15] + 256);
    set_row(bench->word5, 0x80000000, 0, 640, search->w16);
    set_row(bench->word7, 0, 0, search->w30, search->w31);
    set_row(bench->block2_2, 0x80000000, 0, 0, 0);
    set_row(bench->block2_3, 0, 0, 0, 256);
    set_row(bench->initial[0], s[5], s[4], s[1], s[0]);
    set_row(bench->initial[1], s[7], s[6], s[3], s[2]);
}

TARGET static void lay_out_head(struct bench *bench, unsigned lane, const struct head *head)
{
    const uint32_t *s = head->midstate, *after3 = head->after3;
    set_row(bench->before[lane][0], s[5], s[4], s[1], s[0]);
    set_row(bench->before[lane][1], s[7], s[6], s[3], s[2]);
    set_row(bench->start[lane], after3[6], after3[5], after3[2], after3[1]);
}

TARGET static inline void lay_out_nonce(const struct search *search, uint32_t nonce, row round2, row word4)
{
    uint32_t word = swap_bytes(nonce), k2 = sha256_k[2] + search->tail[2], k3 = sha256_k[3] + word;
    uint32_t sigma0 = rotate_right(word, 7) ^ rotate_right(word, 18) ^ word >> 3;
    set_row(round2, k2, k3, k2, k3);
    set_row(word4, search->w16, search->w17, search->w18 + sigma0, search->w19 + word);
}

TARGET static unsigned may_hit(const struct bench *bench, uint32_t reject)
{
    __m128i words = _mm_add_epi32(*(const __m128i *)bench->word_7, _mm_set1_epi32((int)sha256_initial[7]));
    __m128i rejected = _mm_and_si128(words, _mm_set1_epi32((int)reject));
    return (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(rejected, _mm_setzero_si128())));
}

static void report(struct search *search, unsigned hits, unsigned head, uint32_t nonce, int of_heads)
{
    for (unsigned lane = 0; hits; lane++, hits >>= 1)
        if (hits & 1)
            candidate(search, of_heads ? head + lane : head, of_heads ? nonce : nonce + lane);
}

TARGET static void scan_nonces(struct search *search, struct bench *bench, unsigned head)
{
    for (unsigned lane = 0; lane < LANES; lane++)
        lay_out_head(bench, lane, &search->head[head]);
    for (uint32_t done = 0; done < search->count; done += LANES) {
        uint32_t nonce = search->first + done;
        for (unsigned lane = 0; lane < LANES; lane++)
            lay_out_nonce(search, nonce + lane, bench->round2[lane], bench->word[lane][4]);
        hash_nonces(bench);
        report(search, may_hit(bench, search->reject), head, nonce, 0);
    }
}

TARGET static void scan_heads(struct search *search, struct bench *bench, unsigned head)
{
    for (unsigned lane = 0; lane < LANES; lane++)
        lay_out_head(bench, lane, &search->head[head + lane < search->heads ? head + lane : head]);
    lay_out_nonce(search, search->first, bench->schedule[1][0], bench->word[4][4]);
    hash_heads(bench, 0); /* for the schedule of the first nonce alone */
    for (uint32_t done = 0; done < search->count; done++) {
        uint32_t nonce = search->first + done;
        unsigned now = (done & 1) ^ 1;
        lay_out_nonce(search, nonce + 1, bench->schedule[now ^ 1][0], bench->word[4][4]);
        hash_heads(bench, now);
        report(search, may_hit(bench, search->reject), head, nonce, 1);
    }
}

TARGET void scan_sha_ni(struct search *search)
{
    struct bench bench;
    unsigned head = 0;
    memset(&bench, 0, sizeof bench);
    lay_out(&bench, search);
    for (; head + 2 < search->heads; head += LANES)
        scan_heads(search, &bench, head);
    for (; head < search->heads; head++)
        scan_nonces(search, &bench, head);
}

/* Four rounds with the words w0, then let it be the four words that follow w3. */
#define FOUR_ROUNDS(group, w0, w1, w2, w3)                                          \
    do {                                                                            \
        __m128i words = _mm_add_epi32(w0, _mm_load_si128((const __m128i *)(sha256_k + 4 * (group)))); \
        s1 = _mm_sha256rnds2_epu32(s1, s0, words);                                  \
        s0 = _mm_sha256rnds2_epu32(s0, s1, _mm_shuffle_epi32(words, 14));           \
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4)); \
        w0 = _mm_sha256msg2_epu32(sum, w3);                                         \
    } while (0)

TARGET void compress_sha_ni(uint32_t state[8], const uint32_t block[16])
{
    const __m128i *words = (const __m128i *)block;
    __m128i w0 = _mm_loadu_si128(words), w1 = _mm_loadu_si128(words + 1);
    __m128i w2 = _mm_loadu_si128(words + 2), w3 = _mm_loadu_si128(words + 3);
    row s[2];
    __m128i s0 = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i s1 = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (int group = 0; group < 16; group += 4) { /* the last four make words nobody needs */
        FOUR_ROUNDS(group, w0, w1, w2, w3);
        FOUR_ROUNDS(group + 1, w1, w2, w3, w0);
        FOUR_ROUNDS(group + 2, w2, w3, w0, w1);
        FOUR_ROUNDS(group + 3, w3, w0, w1, w2);
    }
    _mm_storeu_si128((__m128i *)s[0], s0);
    _mm_storeu_si128((__m128i *)s[1], s1);
    state[0] += s[0][3], state[1] += s[0][2], state[4] += s[0][1], state[5] += s[0][0];
    state[2] += s[1][3], state[3] += s[1][2], state[6] += s[1][1], state[7] += s[1][0];
}
#endif
