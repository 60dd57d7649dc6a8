/* The SHA2 instructions of ARMv8 CPUs, four hashes at a time to hide their latency.
 *
 * Inline assembly instead of intrinsics: compilers offer those only if the whole file may use
 * the instructions, and this one also has to be built for CPUs without them.
 *
 * Source: Arm Architecture Reference Manual for A-profile, SHA256H, SHA256H2, SHA256SU0, SHA256SU1.
 */
#include "sha256d.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define LANES 4
#define EACH(...)                                                                 \
    do {                                                                          \
        { enum { i = 0 }; __VA_ARGS__; } { enum { i = 1 }; __VA_ARGS__; }             \
        { enum { i = 2 }; __VA_ARGS__; } { enum { i = 3 }; __VA_ARGS__; }             \
    } while (0)

/* a to d and e to h of the four hashes */
struct states {
    uint32x4_t abcd[LANES], efgh[LANES];
};

static inline uint32x4_t half_schedule(uint32x4_t w0, uint32x4_t w4)
{
    __asm__(".arch_extension sha2\n\tsha256su0 %0.4s, %1.4s" : "+w"(w0) : "w"(w4));
    return w0;
}

/* Return message words 16 to 19 after words 0 to 15. */
static inline uint32x4_t next_words(uint32x4_t w0, uint32x4_t w4, uint32x4_t w8, uint32x4_t w12)
{
    uint32x4_t next = half_schedule(w0, w4);
    __asm__(".arch_extension sha2\n\tsha256su1 %0.4s, %1.4s, %2.4s" : "+w"(next) : "w"(w8), "w"(w12));
    return next;
}

static inline void four_rounds(uint32x4_t *abcd, uint32x4_t *efgh, uint32x4_t words)
{
    uint32x4_t before = *abcd;
    __asm__(".arch_extension sha2\n\tsha256h %q0, %q1, %2.4s" : "+w"(*abcd) : "w"(*efgh), "w"(words));
    __asm__(".arch_extension sha2\n\tsha256h2 %q0, %q1, %2.4s" : "+w"(*efgh) : "w"(before), "w"(words));
}

static inline uint32x4_t constants(int round)
{
    return vld1q_u32(sha256_k + round);
}

/* Store message words 0 to 63 of the second block, each with its constant added. */
static void store_schedule(const struct search *search, uint32_t nonce, uint32x4_t stored[16])
{
    const uint32_t first[16] = {search->tail[0], search->tail[1], search->tail[2],
                                swap_bytes(nonce), 0x80000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 640};
    uint32x4_t w[16];
    for (int i = 0; i < 4; i++)
        w[i] = vld1q_u32(first + 4 * i);
    for (int i = 4; i < 16; i++)
        w[i] = next_words(w[i - 4], w[i - 3], w[i - 2], w[i - 1]);
    for (int i = 0; i < 16; i++)
        stored[i] = vaddq_u32(w[i], constants(4 * i));
}

/* Return word 7 of the second hash of each of the four first hashes in `state`. */
static inline uint32x4_t second_hash(const struct states *first)
{
    const uint32x4_t abcd = vld1q_u32(sha256_initial), efgh = vld1q_u32(sha256_initial + 4);
    uint32x4_t w[4][LANES];
    struct states state;
    EACH(state.abcd[i] = abcd; state.efgh[i] = efgh);
    EACH(w[0][i] = first->abcd[i]; w[1][i] = first->efgh[i]);
    EACH(w[2][i] = (uint32x4_t){0x80000000, 0, 0, 0}; w[3][i] = (uint32x4_t){0, 0, 0, 256});
    for (int group = 0; group < 16; group++) {
        const uint32x4_t k = constants(4 * group);
        EACH(four_rounds(&state.abcd[i], &state.efgh[i], vaddq_u32(w[0][i], k)));
        if (group < 12)
            EACH(uint32x4_t next = next_words(w[0][i], w[1][i], w[2][i], w[3][i]);
                 w[0][i] = w[1][i]; w[1][i] = w[2][i]; w[2][i] = w[3][i]; w[3][i] = next);
        else
            EACH(w[0][i] = w[1][i]; w[1][i] = w[2][i]; w[2][i] = w[3][i]);
    }
    EACH(state.efgh[i] = vaddq_u32(state.efgh[i], efgh));
    return (uint32x4_t){vgetq_lane_u32(state.efgh[0], 3), vgetq_lane_u32(state.efgh[1], 3),
                        vgetq_lane_u32(state.efgh[2], 3), vgetq_lane_u32(state.efgh[3], 3)};
}

/* Hash four pairs of a head and a nonce; return a bit mask of those that may meet the target. */
static unsigned may_hit(const struct search *search, const struct head *const head[LANES],
                        const uint32x4_t *const stored[LANES])
{
    struct states state;
    EACH(state.abcd[i] = vld1q_u32(head[i]->midstate); state.efgh[i] = vld1q_u32(head[i]->midstate + 4));
    for (int group = 0; group < 16; group++)
        EACH(four_rounds(&state.abcd[i], &state.efgh[i], stored[i][group]));
    EACH(state.abcd[i] = vaddq_u32(state.abcd[i], vld1q_u32(head[i]->midstate));
         state.efgh[i] = vaddq_u32(state.efgh[i], vld1q_u32(head[i]->midstate + 4)));
    uint32x4_t rejected = vandq_u32(second_hash(&state), vdupq_n_u32(search->reject));
    unsigned hits = 0;
    EACH(hits |= (vgetq_lane_u32(rejected, i) == 0) << i);
    return hits;
}

static void scan_nonces(struct search *search, unsigned which)
{
    const struct head *head = &search->head[which], *const heads[LANES] = {head, head, head, head};
    uint32x4_t stored[LANES][16];
    const uint32x4_t *const schedules[LANES] = {stored[0], stored[1], stored[2], stored[3]};
    for (uint32_t done = 0; done < search->count; done += LANES) {
        EACH(store_schedule(search, search->first + done + i, stored[i]));
        unsigned hits = may_hit(search, heads, schedules);
        for (unsigned lane = 0; hits; lane++, hits >>= 1)
            if (hits & 1)
                candidate(search, which, search->first + done + lane);
    }
}

static void scan_heads(struct search *search, unsigned which)
{
    const struct head *head = &search->head[which];
    const struct head *const heads[LANES] = {head, head + 1, head + 2, head + 3};
    uint32x4_t stored[16];
    const uint32x4_t *const schedules[LANES] = {stored, stored, stored, stored};
    for (uint32_t done = 0; done < search->count; done++) {
        store_schedule(search, search->first + done, stored);
        unsigned hits = may_hit(search, heads, schedules);
        for (unsigned lane = 0; hits; lane++, hits >>= 1)
            if (hits & 1)
                candidate(search, which + lane, search->first + done);
    }
}

void scan_armv8(struct search *search)
{
    unsigned head = 0;
    for (; head + LANES <= search->heads; head += LANES)
        scan_heads(search, head);
    for (; head < search->heads; head++)
        scan_nonces(search, head);
}

void compress_armv8(uint32_t state[8], const uint32_t block[16])
{
    uint32x4_t w[4] = {vld1q_u32(block), vld1q_u32(block + 4), vld1q_u32(block + 8), vld1q_u32(block + 12)};
    const uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4);
    uint32x4_t new_abcd = abcd, new_efgh = efgh;
    for (int group = 0; group < 16; group++) { /* the last four make words nobody needs */
        uint32x4_t next = next_words(w[0], w[1], w[2], w[3]);
        four_rounds(&new_abcd, &new_efgh, vaddq_u32(w[0], constants(4 * group)));
        w[0] = w[1], w[1] = w[2], w[2] = w[3], w[3] = next;
    }
    vst1q_u32(state, vaddq_u32(abcd, new_abcd));
    vst1q_u32(state + 4, vaddq_u32(efgh, new_efgh));
}
#endif
