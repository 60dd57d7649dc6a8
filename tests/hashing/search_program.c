/* Runs a kernel on the searches it reads; for CPUs that an emulator stands in for.
 *
 * The first argument is the kernel's name; without it, the names of the usable ones are printed.
 * A search is, in hex and separated by blanks: heads, start, count, target (64 digits), tail (24)
 * and per head a midstate (64). The answer is a line: tried, then nonce:head of each hit.
 */
#include <stdio.h>
#include <string.h>

#include "sha256d.h"

static int read_words(uint32_t *words, int count)
{
    for (int i = 0; i < count; i++) {
        unsigned word;
        if (scanf("%8x", &word) != 1)
            return 0;
        words[i] = word;
    }
    return 1;
}

static int answer(scan_function *scan)
{
    static struct search search;
    unsigned char stop = 0;
    unsigned long long start, count;
    uint32_t target[8];
    memset(&search, 0, sizeof search);
    if (scanf("%x %llx %llx", &search.heads, &start, &count) != 3 || search.heads > MAX_HEADS)
        return 0;
    if (!read_words(target, 8) || !read_words(search.tail, 3))
        return 0;
    for (int i = 0; i < 8; i++)
        search.target[i] = target[7 - i];
    for (unsigned head = 0; head < search.heads; head++)
        if (!read_words(search.head[head].midstate, 8))
            return 0;
    prepare(&search);
    printf("%llx", (unsigned long long)run(&search, scan, start, count, &stop));
    for (uint32_t i = 0; i < search.hits; i++)
        printf(" %x:%x", (unsigned)search.hit[i].nonce, (unsigned)search.hit[i].head);
    printf("\n");
    return 1;
}

int main(int count, char **arguments)
{
    for (unsigned i = 0; i < kernel_count; i++) {
        if (*kernels[i].missing())
            continue;
        if (count < 2)
            printf("%s\n", kernels[i].name);
        else if (!strcmp(kernels[i].name, arguments[1]))
            while (answer(kernels[i].scan))
                ;
    }
    return 0;
}
