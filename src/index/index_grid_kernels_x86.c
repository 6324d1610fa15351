/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the spatial index for AVX2 and AVX-512, compiled by function attributes so that one
 * library serves every x86-64 processor. */
#include "index/index_grid_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET_AVX2 __attribute__((target("avx2,popcnt,bmi")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,popcnt,bmi")))

/* Gap between `center` and 16 intervals, saturated: 0 inside. */
TARGET_AVX2 static inline __m256i avx2_gaps(const int16_t *low, const int16_t *high, int16_t center)
{
    __m256i c = _mm256_set1_epi16(center);
    __m256i below = _mm256_subs_epi16(_mm256_loadu_si256((const __m256i *)(const void *)low), c);
    __m256i above = _mm256_subs_epi16(c, _mm256_loadu_si256((const __m256i *)(const void *)high));
    return _mm256_max_epi16(_mm256_max_epi16(below, above), _mm256_setzero_si256());
}

/* --- AVX2 ------------------------------------------------------------------------------------ */

TARGET_AVX2 static inline __m256i avx2_square(__m128i differences)
{
    __m256i wide = _mm256_cvtepu16_epi32(differences); /* the upper halves count as 0 */
    return _mm256_madd_epi16(wide, wide);
}

TARGET_AVX2 static inline unsigned avx2_not_above(__m256i values, __m256i bound)
{
    __m256i least = _mm256_min_epu32(values, bound);
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(least, values)));
}

TARGET_AVX2 static uint32_t avx2_boxes(const ngi_grid_boxes *boxes,
                                       const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                                       uint32_t squared[NGI_GRID_FANOUT])
{
    __m256i sums[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    __m256i limit = _mm256_set1_epi32((int)bound);
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        __m256i gaps = avx2_gaps(boxes->low[axis], boxes->high[axis], center[axis]);
        sums[0] = _mm256_add_epi32(sums[0], avx2_square(_mm256_castsi256_si128(gaps)));
        sums[1] = _mm256_add_epi32(sums[1], avx2_square(_mm256_extracti128_si256(gaps, 1)));
    }
    _mm256_storeu_si256((__m256i *)(void *)squared, sums[0]);
    _mm256_storeu_si256((__m256i *)(void *)(squared + 8), sums[1]);
    return avx2_not_above(sums[0], limit) | avx2_not_above(sums[1], limit) << 8;
}

TARGET_AVX2 static unsigned avx2_within(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                                        const uint32_t *slot, unsigned count,
                                        const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                                        ngi_grid_hit *out)
{
    __m256i limit = _mm256_set1_epi32((int)bound);
    unsigned found = 0;
    for (unsigned i = 0; i < count; i += 8) {
        __m256i sum = _mm256_setzero_si256();
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            __m128i points = _mm_loadu_si128((const __m128i *)(const void *)(at[axis] + i));
            sum =
                _mm256_add_epi32(sum,
                                 avx2_square(_mm_subs_epi16(points, _mm_set1_epi16(center[axis]))));
        }
        unsigned mask = avx2_not_above(sum, limit);
        if (count - i < 8)
            mask &= (1u << (count - i)) - 1;
        if (mask == 0)
            continue;
        uint32_t values[8];
        _mm256_storeu_si256((__m256i *)(void *)values, sum);
        for (; mask != 0; mask &= mask - 1, found++) {
            unsigned j = (unsigned)__builtin_ctz(mask);
            out[found] = (ngi_grid_hit){values[j], slot[i + j]};
        }
    }
    return found;
}

TARGET_AVX2 static uint32_t avx2_reach(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                                       unsigned count, const int16_t center[NG_AXIS_COUNT],
                                       unsigned wanted)
{
    __m256i squared[NGI_GRID_LEAF_MAX / 8];
    unsigned vectors = (count + 7) / 8;
    __m256i most = _mm256_setzero_si256();
    for (unsigned v = 0; v < vectors; v++) {
        __m256i sum = _mm256_setzero_si256();
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            __m128i points = _mm_loadu_si128((const __m128i *)(const void *)(at[axis] + 8 * v));
            sum =
                _mm256_add_epi32(sum,
                                 avx2_square(_mm_subs_epi16(points, _mm_set1_epi16(center[axis]))));
        }
        squared[v] = sum;
    }
    uint32_t last[8];
    unsigned rest = count & 7;
    if (rest != 0) { /* what is behind the last point counts as the last point */
        _mm256_storeu_si256((__m256i *)(void *)last, squared[vectors - 1]);
        for (unsigned i = rest; i < 8; i++)
            last[i] = last[rest - 1];
        squared[vectors - 1] = _mm256_loadu_si256((const __m256i *)(const void *)last);
    }
    for (unsigned v = 0; v < vectors; v++)
        most = _mm256_max_epu32(most, squared[v]);
    _mm256_storeu_si256((__m256i *)(void *)last, most);
    uint32_t low = 0, high = 0;
    for (unsigned i = 0; i < 8; i++)
        high = last[i] > high ? last[i] : high;
    unsigned ignored = rest == 0 ? 0 : 8 - rest;
    unsigned ignored_mask = 0xFFu >> ignored;
    for (unsigned step = 0; step < NGI_GRID_REACH_STEPS; step++) {
        uint32_t middle = low + (high - low) / 2;
        __m256i limit = _mm256_set1_epi32((int)middle);
        unsigned within = 0;
        for (unsigned v = 0; v < vectors; v++) {
            unsigned mask = avx2_not_above(squared[v], limit);
            within += (unsigned)__builtin_popcount(v + 1 == vectors ? mask & ignored_mask : mask);
        }
        if (within >= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* Values of an ordinary search fit 32 bits: converted by the trick of 2^52, exact. */
TARGET_AVX2 static void avx2_report(void *hits, size_t count, double steps)
{
    uint8_t *at = hits;
    const __m256d magic = _mm256_set1_pd(4503599627370496.0); /* 2^52 */
    const __m256d divisor = _mm256_set1_pd(steps);
    size_t i = 0;
    for (; i + 4 <= count; i += 4, at += 4 * sizeof(ng_hit)) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)at);
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));
        __m256i values = _mm256_unpacklo_epi64(a, b); /* 0 2 1 3 */
        if (!_mm256_testz_si256(values, _mm256_set1_epi64x((int64_t)0xFFF0000000000000)))
            break;
        __m256d exact =
            _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(values, _mm256_castpd_si256(magic))),
                          magic);
        __m128 distance = _mm256_cvtpd_ps(_mm256_div_pd(_mm256_sqrt_pd(exact), divisor));
        __m256i wide = _mm256_cvtepu32_epi64(_mm_castps_si128(distance));
        __m256i slots = _mm256_unpackhi_epi64(a, b);
        _mm256_storeu_si256((__m256i *)(void *)at, _mm256_unpacklo_epi64(slots, wide));
        _mm256_storeu_si256((__m256i *)(void *)(at + 32), _mm256_unpackhi_epi64(slots, wide));
    }
    if (i < count)
        ngi_grid_kernels_at(0)->report(at, count - i, steps);
}

static const ngi_grid_kernels AVX2 = {
    .name = "avx2",
    .boxes = avx2_boxes,
    .pick = ngi_grid_pick,
    .within = avx2_within,
    .reach = avx2_reach,
    .report = avx2_report,
};

/* --- AVX-512 --------------------------------------------------------------------------------- */

TARGET_AVX512 static inline __m512i avx512_square(__m256i differences)
{
    __m512i wide = _mm512_cvtepu16_epi32(differences);
    return _mm512_madd_epi16(wide, wide);
}

TARGET_AVX512 static uint32_t avx512_boxes(const ngi_grid_boxes *boxes,
                                           const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                                           uint32_t squared[NGI_GRID_FANOUT])
{
    __m512i sum = _mm512_setzero_si512();
    for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
        __m256i c = _mm256_set1_epi16(center[axis]);
        __m256i below =
            _mm256_subs_epi16(_mm256_loadu_si256((const __m256i *)(const void *)boxes->low[axis]),
                              c);
        __m256i above =
            _mm256_subs_epi16(c,
                              _mm256_loadu_si256((const __m256i *)(const void *)boxes->high[axis]));
        __m256i gaps = _mm256_max_epi16(_mm256_max_epi16(below, above), _mm256_setzero_si256());
        sum = _mm512_add_epi32(sum, avx512_square(gaps));
    }
    _mm512_storeu_si512(squared, sum);
    return _mm512_cmple_epu32_mask(sum, _mm512_set1_epi32((int)bound));
}

/* Widens 16 values and slots to hits. All are stored, wanted or not: cheaper than a branch. */
TARGET_AVX512 static inline void avx512_store_hits(ngi_grid_hit *out, __m512i values, __m512i slots)
{
    const __m512i first = _mm512_set_epi32(0, 19, 0, 3, 0, 18, 0, 2, 0, 17, 0, 1, 0, 16, 0, 0);
    const __mmask16 lower_halves = 0x5555;
    for (unsigned i = 0; i < 16; i += 4) {
        __m512i from = _mm512_add_epi32(first, _mm512_set1_epi32((int)i));
        _mm512_storeu_si512(out + i,
                            _mm512_maskz_permutex2var_epi32(lower_halves, values, from, slots));
    }
}

/* Compressed in a register and stored whole: storing compressed takes a hundred cycles on Zen 4. */
TARGET_AVX512 static unsigned avx512_within(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                                            const uint32_t *slot, unsigned count,
                                            const int16_t center[NG_AXIS_COUNT], uint32_t bound,
                                            ngi_grid_hit *out)
{
    __m256i x = _mm256_set1_epi16(center[0]);
    __m256i y = _mm256_set1_epi16(center[1]);
    __m256i z = _mm256_set1_epi16(center[2]);
    __m512i limit = _mm512_set1_epi32((int)bound);
    unsigned found = 0;
    uint64_t valid = (UINT64_C(1) << count) - 1;
    for (unsigned i = 0; i < NGI_GRID_LEAF_MAX; i += 16, valid >>= 16) {
        __m256i px = _mm256_loadu_si256((const __m256i *)(const void *)(at[0] + i));
        __m256i py = _mm256_loadu_si256((const __m256i *)(const void *)(at[1] + i));
        __m256i pz = _mm256_loadu_si256((const __m256i *)(const void *)(at[2] + i));
        __m512i sum = _mm512_add_epi32(_mm512_add_epi32(avx512_square(_mm256_subs_epi16(px, x)),
                                                        avx512_square(_mm256_subs_epi16(py, y))),
                                       avx512_square(_mm256_subs_epi16(pz, z)));
        __mmask16 mask = _mm512_mask_cmple_epu32_mask((__mmask16)valid, sum, limit);
        __m512i slots = _mm512_loadu_si512(slot + i);
        avx512_store_hits(out + found, _mm512_maskz_compress_epi32(mask, sum),
                          _mm512_maskz_compress_epi32(mask, slots));
        found += (unsigned)__builtin_popcount(mask);
    }
    return found;
}

TARGET_AVX512 static uint32_t avx512_reach(const int16_t at[NG_AXIS_COUNT][NGI_GRID_LEAF_MAX],
                                           unsigned count, const int16_t center[NG_AXIS_COUNT],
                                           unsigned wanted)
{
    __m512i squared[NGI_GRID_LEAF_MAX / 16];
    __mmask16 valid[NGI_GRID_LEAF_MAX / 16];
    uint32_t low = 0, high = 0;
    for (unsigned v = 0; v < NGI_GRID_LEAF_MAX / 16; v++) {
        unsigned from = 16 * v;
        __m512i sum = _mm512_setzero_si512();
        for (int axis = 0; axis < NG_AXIS_COUNT; axis++) {
            __m256i points = _mm256_loadu_si256((const __m256i *)(const void *)(at[axis] + from));
            sum = _mm512_add_epi32(sum,
                                   avx512_square(
                                       _mm256_subs_epi16(points, _mm256_set1_epi16(center[axis]))));
        }
        squared[v] = sum;
        unsigned here = count <= from ? 0 : count - from;
        valid[v] = (__mmask16)(here >= 16 ? 0xFFFFu : (1u << here) - 1);
        uint32_t most = _mm512_mask_reduce_max_epu32(valid[v], sum);
        high = most > high ? most : high;
    }
    for (unsigned step = 0; step < NGI_GRID_REACH_STEPS; step++) {
        uint32_t middle = low + (high - low) / 2;
        __m512i limit = _mm512_set1_epi32((int)middle);
        unsigned within = 0;
        for (unsigned v = 0; v < NGI_GRID_LEAF_MAX / 16; v++)
            within += (unsigned)__builtin_popcount(
                _mm512_mask_cmple_epu32_mask(valid[v], squared[v], limit));
        if (within >= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

TARGET_AVX512 static unsigned avx512_pick(uint32_t mask, const uint32_t from[NGI_GRID_FANOUT],
                                          uint32_t out[NGI_GRID_FANOUT])
{
    _mm512_storeu_si512(out,
                        _mm512_maskz_compress_epi32((__mmask16)mask, _mm512_loadu_si512(from)));
    return (unsigned)__builtin_popcount(mask);
}

static const ngi_grid_kernels AVX512 = {
    .name = "avx512",
    .boxes = avx512_boxes,
    .pick = avx512_pick,
    .within = avx512_within,
    .reach = avx512_reach,
    .report = avx2_report,
};

const ngi_grid_kernels *ngi_grid_kernels_x86(size_t index)
{
    const ngi_grid_kernels *found[2] = {0};
    size_t count = 0;
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        found[count++] = &AVX512;
    if (__builtin_cpu_supports("avx2"))
        found[count++] = &AVX2;
    return index < count ? found[index] : NULL;
}

#endif
