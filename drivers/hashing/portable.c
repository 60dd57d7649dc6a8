/* 4 nonces in lockstep in plain C: the compiler makes SSE2 of it on x86-64 and NEON on ARM.
 *
 * Without GCC's vector extensions it is scalar.
 */
#include "sha256d.h"

#define FUNCTION scan_portable
#define TARGET
#define ROTATE(v, n) ((v) >> (n) | (v) << (32 - (n)))
#define SHIFT(v, n) ((v) >> (n))
#define XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define CHOOSE(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MAJORITY(x, y, z) ((y) ^ (((x) ^ (y)) & ((y) ^ (z))))

#if defined(__GNUC__) && (defined(__SSE2__) || defined(__ARM_NEON) || defined(__VEC__))
#define LANES 4
typedef uint32_t vector __attribute__((vector_size(16)));
#define VEC vector
#define SPLAT(x) splat(x)
#define ZERO_LANES(v) zero_lanes(v)
#define NONCES(n)                                                        \
    ((VEC){swap_bytes(n), swap_bytes((n) + 1), swap_bytes((n) + 2), swap_bytes((n) + 3)})

static inline VEC splat(uint32_t word)
{
    return (VEC){word, word, word, word};
}

static inline unsigned zero_lanes(VEC v)
{
    return (v[0] == 0) | (v[1] == 0) << 1 | (v[2] == 0) << 2 | (v[3] == 0) << 3;
}

#else
#define LANES 1
#define VEC uint32_t
#define SPLAT(x) (x)
#define ZERO_LANES(v) ((v) == 0)
#define NONCES(n) swap_bytes(n)
#endif

#include "lanes.h"
