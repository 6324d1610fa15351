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
/* The instruction takes three cycles and one can begin in each, so three lanes side by side are
 * three times as fast as one. Lanes are put together by multiplying with x^(8 n) mod P, n = bytes
 * behind a lane; the product of a carry-less multiplication is reduced by the instruction itself,
 * which brings the -33 into the constants (x^(8 n - 33) mod P, reflected; Gopal et al., "Fast CRC
 * computation for iSCSI polynomial using CRC32 instruction", Intel 2011). */
#define LANE_BYTES ((size_t)2048)
#define LANE_SHIFT_ONE 0xA51B6135u /* n = LANE_BYTES */
#define LANE_SHIFT_TWO 0x82F89C77u /* n = 2 * LANE_BYTES */

__attribute__((target("sse4.2,pclmul"))) static uint64_t crc32c_shift(uint64_t crc,
                                                                      uint32_t constant)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
                                           _mm_cvtsi32_si128((int)constant), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* Whole triples of lanes; `*data` and `*bytes` become what is left. */
__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_lanes(uint32_t crc,
                                                                      const uint8_t **data,
                                                                      size_t *bytes)
{
    uint64_t state = ~crc;
    const uint8_t *p = *data;
    for (; *bytes >= 3 * LANE_BYTES; *bytes -= 3 * LANE_BYTES, p += 3 * LANE_BYTES) {
        uint64_t second = 0, third = 0;
        for (size_t i = 0; i < LANE_BYTES; i += 8) {
            uint64_t a, b, c;
            memcpy(&a, p + i, 8);
            memcpy(&b, p + LANE_BYTES + i, 8);
            memcpy(&c, p + 2 * LANE_BYTES + i, 8);
            state = _mm_crc32_u64(state, a);
            second = _mm_crc32_u64(second, b);
            third = _mm_crc32_u64(third, c);
        }
        state = crc32c_shift(state, LANE_SHIFT_TWO) ^ crc32c_shift(second, LANE_SHIFT_ONE) ^ third;
    }
    *data = p;
    return ~(uint32_t)state;
}

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
    if (__builtin_cpu_supports("sse4.2")) {
        const uint8_t *p = data;
        if (bytes >= 3 * LANE_BYTES && __builtin_cpu_supports("pclmul"))
            crc = crc32c_lanes(crc, &p, &bytes);
        return crc32c_sse42(crc, p, bytes);
    }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    return crc32c_arm(crc, data, bytes);
#endif
    return ngi_crc32c_portable(crc, data, bytes);
}

/* Polynomials modulo P as in the checksum: bit 31 is x^0. */
static uint32_t crc32c_multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a != 0; a <<= 1) {
        if (a & 0x80000000u)
            product ^= b;
        b = STEP(b);
    }
    return product;
}

/* Bytes behind a piece multiply its checksum by x^(8 n). */
uint32_t ngi_crc32c_join(uint32_t first, uint32_t second, uint64_t second_bytes)
{
    uint32_t power = 0x00800000u; /* x^8, then its square, ... */
    for (uint64_t n = second_bytes; n != 0; n >>= 1) {
        if (n & 1)
            first = crc32c_multiply(first, power);
        power = crc32c_multiply(power, power);
    }
    return first ^ second;
}
