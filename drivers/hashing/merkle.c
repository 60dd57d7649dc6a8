/* The merkle root over a leaf and its branch: one double SHA-256 of 64 bytes for each hash.
 *
 * Source: Bitcoin protocol; FIPS 180-4 for the padding.
 */
#include "sha256d.h"

#include <string.h>

static const uint32_t padding_of_64_bytes[16] = {0x80000000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 512};

/* Let `root`, the leaf as eight words, become the root; `branch` is `hashes` times 32 bytes. */
void merkle_root(uint32_t root[8], const unsigned char *branch, size_t hashes, compress_function *compress)
{
    uint32_t first[8], pair[16], second[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0x80000000, 0, 0, 0, 0, 0, 0, 256};
    for (; hashes; hashes--, branch += 32) {
        memcpy(pair, root, 32);
        for (int i = 0; i < 8; i++)
            pair[8 + i] = load_big_endian(branch + 4 * i);
        memcpy(first, sha256_initial, 32);
        compress(first, pair);
        compress(first, padding_of_64_bytes);
        memcpy(second, first, 32);
        memcpy(root, sha256_initial, 32);
        compress(root, second);
    }
}
