/* Computes the merkle roots it reads, with a kernel's compression function; see search_program.c.
 *
 * The first argument is the kernel's name; without it, the names of those that have a compression
 * function are printed. A question is a line of hex: the leaf, then the branch. The answer is the
 * root.
 */
#include <stdio.h>
#include <string.h>

#include "sha256d.h"

#define MOST 33 /* hashes in a question */

static int answer(compress_function *compress)
{
    unsigned char bytes[MOST * 32];
    char line[2 * sizeof bytes + 2];
    uint32_t root[8];
    unsigned byte;
    size_t size = 0;
    if (!fgets(line, sizeof line, stdin))
        return 0;
    for (; size < sizeof bytes && sscanf(line + 2 * size, "%2x", &byte) == 1; size++)
        bytes[size] = (unsigned char)byte;
    if (size < 32 || size % 32)
        return 0;
    for (int i = 0; i < 8; i++)
        root[i] = load_big_endian(bytes + 4 * i);
    merkle_root(root, bytes + 32, size / 32 - 1, compress);
    for (int i = 0; i < 8; i++)
        printf("%08x", (unsigned)root[i]);
    printf("\n");
    return 1;
}

int main(int count, char **arguments)
{
    for (unsigned i = 0; i < kernel_count; i++) {
        if (!kernels[i].compress || *kernels[i].missing())
            continue;
        if (count < 2)
            printf("%s\n", kernels[i].name);
        else if (!strcmp(kernels[i].name, arguments[1]))
            while (answer(kernels[i].compress))
                ;
    }
    return 0;
}
