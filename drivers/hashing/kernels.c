/* The table of kernels, and which of them this CPU can run. */
#include "sha256d.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6)
#endif
#endif

#if defined(__x86_64__)
#include <cpuid.h>

/* Whether the operating system saves all registers in `mask` (XCR0: 6 for AVX, 0xe6 for AVX-512). */
static int saves_registers(unsigned mask)
{
    unsigned eax, ebx, ecx, edx;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE))
        return 0;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & mask) == mask;
}

static int has_feature(unsigned bit)
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (ebx & bit) == bit;
}

static const char *sha_ni_missing(void)
{
    unsigned eax, ebx, ecx, edx;
    if (!has_feature(bit_SHA))
        return "this CPU has no SHA extensions";
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_AVX) || !saves_registers(6))
        return "this CPU has SHA extensions, but not the AVX that the kernel needs as well";
    return "";
}

static const char *avx2_missing(void)
{
    return saves_registers(6) && has_feature(bit_AVX2) ? "" : "this CPU has no AVX2";
}

static const char *avx512_missing(void)
{
    return saves_registers(0xe6) && has_feature(bit_AVX512F) ? "" : "this CPU has no AVX-512";
}

#define X86_64(function) function
#else
#define X86_64(function) NULL

static const char *not_x86_64(void)
{
    return "it is for x86-64 CPUs";
}

#define sha_ni_missing not_x86_64
#define avx2_missing not_x86_64
#define avx512_missing not_x86_64
#endif

#if defined(__aarch64__)
#define AARCH64(function) function

static const char *armv8_missing(void)
{
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & HWCAP_SHA2)
        return "";
#endif
    return "this CPU has no SHA2 instructions";
}
#else
#define AARCH64(function) NULL

static const char *armv8_missing(void)
{
    return "it is for 64-bit ARM CPUs";
}
#endif

static const char *nothing_missing(void)
{
    return "";
}

const struct kernel kernels[] = {
    {"sha-ni", 4, sha_ni_missing, X86_64(scan_sha_ni), X86_64(compress_sha_ni)},
    {"avx512", 8, avx512_missing, X86_64(scan_avx512), NULL},
    {"avx2", 8, avx2_missing, X86_64(scan_avx2), NULL},
    {"armv8", 4, armv8_missing, AARCH64(scan_armv8), AARCH64(compress_armv8)},
    {"portable", 8, nothing_missing, scan_portable, sha256_compress},
};

const unsigned kernel_count = sizeof kernels / sizeof *kernels;

/* Return the quickest compression function that this CPU can run. Asking a CPU for its features
 * takes microseconds under a hypervisor, so once is enough. */
compress_function *best_compress(void)
{
    static compress_function *best;
    for (unsigned i = 0; !best; i++)
        if (kernels[i].compress && !*kernels[i].missing())
            best = kernels[i].compress;
    return best;
}
