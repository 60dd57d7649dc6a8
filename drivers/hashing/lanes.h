/* The search in lockstep lanes: one vector holds the same word of LANES nonces.
 *
 * A kernel family defines, then includes this file:
 *   LANES             nonces in a vector; VEC, its type, with + and & as in C
 *   FUNCTION          what the scan function is called; TARGET, its attributes
 *   SPLAT(x)          a vector of one word; ROTATE(v, n) and SHIFT(v, n) to the right
 *   XOR3, CHOOSE, MAJORITY   of three vectors
 *   NONCES(n)         the message words of the nonces n, n + 1, ... (bytes swapped)
 *   ZERO_LANES(v)     a bit mask of the lanes that are 0
 *
 * The message schedule of the second block is shared by all heads. Rounds and message words that
 * do not depend on the nonce are left out, so are the last three rounds of the second hash: the
 * early test needs its word 7 alone.
 */
#define SIGMA0(v) XOR3(ROTATE(v, 7), ROTATE(v, 18), SHIFT(v, 3))
#define SIGMA1(v) XOR3(ROTATE(v, 17), ROTATE(v, 19), SHIFT(v, 10))
#define SUM0(v) XOR3(ROTATE(v, 2), ROTATE(v, 13), ROTATE(v, 22))
#define SUM1(v) XOR3(ROTATE(v, 6), ROTATE(v, 11), ROTATE(v, 25))

/* `sum` is h + constant + message word; the new a is left in h, the new e in d. */
#define ROUND(a, b, c, d, e, f, g, h, sum)                  \
    do {                                                    \
        VEC t = (sum) + CHOOSE(e, f, g) + SUM1(e);          \
        d = d + t;                                          \
        h = t + MAJORITY(a, b, c) + SUM0(a);                \
    } while (0)

/* A round whose a no later round needs. */
#define HALF_ROUND(d, e, f, g, sum) d = d + ((sum) + CHOOSE(e, f, g) + SUM1(e))

/* Eight rounds from round i on; WORD(j) is constant + message word of round j. */
#define EIGHT_ROUNDS(i, WORD)                               \
    do {                                                    \
        ROUND(a, b, c, d, e, f, g, h, h + WORD((i) + 0));   \
        ROUND(h, a, b, c, d, e, f, g, g + WORD((i) + 1));   \
        ROUND(g, h, a, b, c, d, e, f, f + WORD((i) + 2));   \
        ROUND(f, g, h, a, b, c, d, e, e + WORD((i) + 3));   \
        ROUND(e, f, g, h, a, b, c, d, d + WORD((i) + 4));   \
        ROUND(d, e, f, g, h, a, b, c, c + WORD((i) + 5));   \
        ROUND(c, d, e, f, g, h, a, b, b + WORD((i) + 6));   \
        ROUND(b, c, d, e, f, g, h, a, a + WORD((i) + 7));   \
    } while (0)

#define K(i) SPLAT(sha256_k[i])
#define EXPAND(i)                                              \
    (w[(i) & 15] = w[(i) & 15] + SIGMA0(w[((i) + 1) & 15]) +   \
                   (w[((i) + 9) & 15] + SIGMA1(w[((i) + 14) & 15])))

/* Store message words 18 to 63 of the second block, each with its constant added. */
TARGET static void store_schedule(const struct search *search, VEC nonces, VEC stored[64])
{
    VEC w[16];
#define WORD(i, value) stored[i] = (w[(i) & 15] = (value)) + K(i)
    WORD(18, SPLAT(search->w18) + SIGMA0(nonces));
    WORD(19, SPLAT(search->w19) + nonces);
    WORD(20, SPLAT(0x80000000) + SIGMA1(w[2]));
    WORD(21, SIGMA1(w[3]));
    WORD(22, SPLAT(640) + SIGMA1(w[4]));
    WORD(23, SPLAT(search->w16) + SIGMA1(w[5]));
    WORD(24, SPLAT(search->w17) + SIGMA1(w[6]));
    WORD(25, w[2] + SIGMA1(w[7]));
    WORD(26, w[3] + SIGMA1(w[8]));
    WORD(27, w[4] + SIGMA1(w[9]));
    WORD(28, w[5] + SIGMA1(w[10]));
    WORD(29, w[6] + SIGMA1(w[11]));
    WORD(30, SPLAT(search->w30) + w[7] + SIGMA1(w[12]));
    WORD(31, SPLAT(search->w31) + w[8] + SIGMA1(w[13]));
    WORD(32, SPLAT(search->w32) + w[9] + SIGMA1(w[14]));
    WORD(33, SPLAT(search->w33) + SIGMA0(w[2]) + w[10] + SIGMA1(w[15]));
#undef WORD
#define WORD(i) stored[i] = EXPAND(i) + K(i)
    WORD(34); WORD(35); WORD(36); WORD(37); WORD(38); WORD(39); WORD(40); WORD(41); WORD(42);
    WORD(43); WORD(44); WORD(45); WORD(46); WORD(47); WORD(48); WORD(49); WORD(50); WORD(51);
    WORD(52); WORD(53); WORD(54); WORD(55); WORD(56); WORD(57); WORD(58); WORD(59); WORD(60);
    WORD(61); WORD(62); WORD(63);
#undef WORD
}

/* Leave in `w` the first hash of the nonces: message words 0 to 7 of the second hash. */
TARGET static void first_hash(const struct search *search, const struct head *head, VEC nonces,
                              const VEC stored[64], VEC w[16])
{
    const uint32_t *s = head->after3, *known = search->known;
    VEC e = SPLAT(head->new_a) + nonces, f = SPLAT(s[0]), g = SPLAT(s[1]), h = SPLAT(s[2]);
    VEC a = SPLAT(head->new_e) + nonces, b = SPLAT(s[4]), c = SPLAT(s[5]), d;
    ROUND(e, f, g, h, a, b, c, d, SPLAT(s[6] + known[4]));
    ROUND(d, e, f, g, h, a, b, c, SPLAT(s[5] + known[5]));
    ROUND(c, d, e, f, g, h, a, b, SPLAT(s[4] + known[6]));
    ROUND(b, c, d, e, f, g, h, a, a + SPLAT(known[7]));
#define WORD(i) SPLAT(known[i])
    EIGHT_ROUNDS(8, WORD);
    ROUND(a, b, c, d, e, f, g, h, h + WORD(16));
    ROUND(h, a, b, c, d, e, f, g, g + WORD(17));
#undef WORD
#define WORD(i) stored[i]
    ROUND(g, h, a, b, c, d, e, f, f + WORD(18));
    ROUND(f, g, h, a, b, c, d, e, e + WORD(19));
    ROUND(e, f, g, h, a, b, c, d, d + WORD(20));
    ROUND(d, e, f, g, h, a, b, c, c + WORD(21));
    ROUND(c, d, e, f, g, h, a, b, b + WORD(22));
    ROUND(b, c, d, e, f, g, h, a, a + WORD(23));
    EIGHT_ROUNDS(24, WORD);
    EIGHT_ROUNDS(32, WORD);
    EIGHT_ROUNDS(40, WORD);
    EIGHT_ROUNDS(48, WORD);
    EIGHT_ROUNDS(56, WORD);
#undef WORD
    w[0] = a + SPLAT(head->midstate[0]);
    w[1] = b + SPLAT(head->midstate[1]);
    w[2] = c + SPLAT(head->midstate[2]);
    w[3] = d + SPLAT(head->midstate[3]);
    w[4] = e + SPLAT(head->midstate[4]);
    w[5] = f + SPLAT(head->midstate[5]);
    w[6] = g + SPLAT(head->midstate[6]);
    w[7] = h + SPLAT(head->midstate[7]);
}

/* Return word 7 of the second hash. The numbers are what SHA-256's initial state and constants
 * make of the first rounds, and 256 of message word 15. */
TARGET static VEC second_hash(VEC w[16])
{
    const uint32_t *s = sha256_initial;
    VEC h = w[0] + SPLAT(0xfc08884d), d = w[0] + SPLAT(0x98c7e2a2);
    VEC a = SPLAT(s[0]), b = SPLAT(s[1]), c = SPLAT(s[2]), e = SPLAT(s[4]), f = SPLAT(s[5]), g;
    ROUND(h, a, b, c, d, e, f, g, w[1] + SPLAT(s[6] + sha256_k[1]));
    ROUND(g, h, a, b, c, d, e, f, w[2] + SPLAT(s[5] + sha256_k[2]));
    ROUND(f, g, h, a, b, c, d, e, w[3] + SPLAT(s[4] + sha256_k[3]));
    ROUND(e, f, g, h, a, b, c, d, d + (w[4] + K(4)));
    ROUND(d, e, f, g, h, a, b, c, c + (w[5] + K(5)));
    ROUND(c, d, e, f, g, h, a, b, b + (w[6] + K(6)));
    ROUND(b, c, d, e, f, g, h, a, a + (w[7] + K(7)));
    ROUND(a, b, c, d, e, f, g, h, h + SPLAT(sha256_k[8] + 0x80000000));
    ROUND(h, a, b, c, d, e, f, g, g + K(9));
    ROUND(g, h, a, b, c, d, e, f, f + K(10));
    ROUND(f, g, h, a, b, c, d, e, e + K(11));
    ROUND(e, f, g, h, a, b, c, d, d + K(12));
    ROUND(d, e, f, g, h, a, b, c, c + K(13));
    ROUND(c, d, e, f, g, h, a, b, b + K(14));
    ROUND(b, c, d, e, f, g, h, a, a + SPLAT(sha256_k[15] + 256));
#define WORD(i, value) ((w[(i) & 15] = (value)) + K(i))
    ROUND(a, b, c, d, e, f, g, h, h + WORD(16, w[0] + SIGMA0(w[1])));
    ROUND(h, a, b, c, d, e, f, g, g + WORD(17, w[1] + SIGMA0(w[2]) + SPLAT(0x00a00000)));
    ROUND(g, h, a, b, c, d, e, f, f + WORD(18, w[2] + SIGMA0(w[3]) + SIGMA1(w[0])));
    ROUND(f, g, h, a, b, c, d, e, e + WORD(19, w[3] + SIGMA0(w[4]) + SIGMA1(w[1])));
    ROUND(e, f, g, h, a, b, c, d, d + WORD(20, w[4] + SIGMA0(w[5]) + SIGMA1(w[2])));
    ROUND(d, e, f, g, h, a, b, c, c + WORD(21, w[5] + SIGMA0(w[6]) + SIGMA1(w[3])));
    ROUND(c, d, e, f, g, h, a, b, b + WORD(22, w[6] + SIGMA0(w[7]) + (SPLAT(256) + SIGMA1(w[4]))));
    ROUND(b, c, d, e, f, g, h, a, a + WORD(23, w[7] + SPLAT(0x11002000) + (w[0] + SIGMA1(w[5]))));
    ROUND(a, b, c, d, e, f, g, h, h + WORD(24, SPLAT(0x80000000) + w[1] + SIGMA1(w[6])));
    ROUND(h, a, b, c, d, e, f, g, g + WORD(25, w[2] + SIGMA1(w[7])));
    ROUND(g, h, a, b, c, d, e, f, f + WORD(26, w[3] + SIGMA1(w[8])));
    ROUND(f, g, h, a, b, c, d, e, e + WORD(27, w[4] + SIGMA1(w[9])));
    ROUND(e, f, g, h, a, b, c, d, d + WORD(28, w[5] + SIGMA1(w[10])));
    ROUND(d, e, f, g, h, a, b, c, c + WORD(29, w[6] + SIGMA1(w[11])));
    ROUND(c, d, e, f, g, h, a, b, b + WORD(30, SPLAT(0x00400022) + w[7] + SIGMA1(w[12])));
    ROUND(b, c, d, e, f, g, h, a, a + WORD(31, SPLAT(256) + SIGMA0(w[0]) + (w[8] + SIGMA1(w[13]))));
#undef WORD
#define WORD(i) (EXPAND(i) + K(i))
    EIGHT_ROUNDS(32, WORD);
    EIGHT_ROUNDS(40, WORD);
    EIGHT_ROUNDS(48, WORD);
    ROUND(a, b, c, d, e, f, g, h, h + WORD(56));
    HALF_ROUND(c, d, e, f, g + WORD(57));
    HALF_ROUND(b, c, d, e, f + WORD(58));
    HALF_ROUND(a, b, c, d, e + WORD(59));
    HALF_ROUND(h, a, b, c, d + WORD(60));
#undef WORD
    return h + SPLAT(s[7]);
}

TARGET void FUNCTION(struct search *search)
{
    VEC stored[64], w[16];
    const VEC reject = SPLAT(search->reject);
    for (uint32_t done = 0; done < search->count; done += LANES) {
        uint32_t nonce = search->first + done;
        VEC nonces = NONCES(nonce);
        store_schedule(search, nonces, stored);
        for (unsigned head = 0; head < search->heads; head++) {
            first_hash(search, &search->head[head], nonces, stored, w);
            VEC rejected = second_hash(w) & reject;
            unsigned hits = ZERO_LANES(rejected);
            for (uint32_t lane = 0; hits; lane++, hits >>= 1)
                if (hits & 1)
                    candidate(search, head, nonce + lane);
        }
    }
}
