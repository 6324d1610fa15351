/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* CRC32C, polynomial 0x1EDC6F41 reflected (0x82F63B78). */
#include "base/base_crc.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#define POLYNOMIAL 0x82F63B78u

/* One nibble at a time: 16 constants that fit a cache line and need no start-up code. Machines
 * without the instruction are rare enough that this is fast enough for them. */
#define STEP(x) (((x) >> 1) ^ (((x)&1) ? POLYNOMIAL : 0))
#define ENTRY(n) STEP(STEP(STEP(STEP((uint32_t)(n)))))

static const uint32_t nibble_table[16] = {ENTRY(0),  ENTRY(1),  ENTRY(2),  ENTRY(3),
                                          ENTRY(4),  ENTRY(5),  ENTRY(6),  ENTRY(7),
                                          ENTRY(8),  ENTRY(9),  ENTRY(10), ENTRY(11),
                                          ENTRY(12), ENTRY(13), ENTRY(14), ENTRY(15)};

uint32_t ngi_crc32c_portable(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
        crc = (crc >> 4) ^ nibble_table[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t bytes)
{
    const uint8_t *p = data;
    uint64_t state = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t tail = (uint32_t)state;
    for (; bytes > 0; bytes--, p++)
        tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
static uint32_t crc32c_arm(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        crc = __crc32cd(crc, word);
    }
    for (; bytes > 0; bytes--, p++)
        crc = __crc32cb(crc, *p);
    return ~crc;
}
#endif

uint32_t ngi_crc32c(uint32_t crc, const void *data, size_t bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, data, bytes);
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    return crc32c_arm(crc, data, bytes);
#endif
    return ngi_crc32c_portable(crc, data, bytes);
}
