/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels for AVX2, AVX-512BW and AVX-512 VNNI, compiled by function attributes so that one library
 * serves every x86-64 processor.
 *
 * Scans prefetch PREFETCH_BYTES ahead: the hardware stops at the end of a 4 KiB page. */
#include "index/index_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define LANES 16u
#define PREFETCH_BYTES 4096u
#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

static inline int32_t kernels_pair(const int16_t *query, size_t pair)
{
    int32_t both;
    memcpy(&both, query + 2 * pair, sizeof both);
    return both;
}

/* ---------------------------------------------------------------------------------------------
 * AVX2
 * ------------------------------------------------------------------------------------------- */

TARGET_AVX2 static double avx2_dot(const double *a, const float *b, size_t count)
{
    __m256d sums[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(),
                       _mm256_setzero_pd()};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (size_t j = 0; j < 4; j++) {
            __m256d x = _mm256_loadu_pd(a + i + 4 * j);
            __m256d y = _mm256_cvtps_pd(_mm_loadu_ps(b + i + 4 * j));
            sums[j] = _mm256_add_pd(sums[j], _mm256_mul_pd(x, y));
        }
    }
    if (i < count) {
        /* Padding adds +0, which changes no sum: none is -0, since they began as +0. */
        double x[LANES] = {0};
        float y[LANES] = {0};
        memcpy(x, a + i, (count - i) * sizeof *x);
        memcpy(y, b + i, (count - i) * sizeof *y);
        for (size_t j = 0; j < 4; j++)
            sums[j] =
                _mm256_add_pd(sums[j], _mm256_mul_pd(_mm256_loadu_pd(x + 4 * j),
                                                     _mm256_cvtps_pd(_mm_loadu_ps(y + 4 * j))));
    }
    __m256d four = _mm256_add_pd(_mm256_add_pd(sums[0], sums[2]), _mm256_add_pd(sums[1], sums[3]));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET_AVX2 static void avx2_panel_dots(const int8_t *panels, size_t panel_count,
                                        const int16_t *query, size_t pair_count, int32_t *out)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        __m256i low = _mm256_setzero_si256();
        __m256i high = _mm256_setzero_si256();
        for (size_t pair = 0; pair < pair_count; pair++) {
            const __m128i *codes = (const __m128i *)(const void *)panels;
            __m256i both = _mm256_set1_epi32(kernels_pair(query, pair));
            _mm_prefetch((const char *)panels + PREFETCH_BYTES, _MM_HINT_T0);
            __m256i first = _mm256_cvtepi8_epi16(_mm_loadu_si128(codes));
            __m256i second = _mm256_cvtepi8_epi16(_mm_loadu_si128(codes + 1));
            low = _mm256_add_epi32(low, _mm256_madd_epi16(first, both));
            high = _mm256_add_epi32(high, _mm256_madd_epi16(second, both));
            panels += NGI_PANEL_PAIR_BYTES;
        }
        _mm256_storeu_si256((__m256i *)(void *)out, low);
        _mm256_storeu_si256((__m256i *)(void *)(out + 8), high);
        out += NGI_PANEL_ROWS;
    }
}

TARGET_AVX2 static void avx2_filter(const ngi_bound *bound, const int32_t *dots,
                                    const ngi_panel_bounds *bounds, const float *errors,
                                    size_t panel_count, uint16_t *masks)
{
    __m256 step = _mm256_set1_ps(bound->step);
    __m256 margin = _mm256_set1_ps(bound->margin);
    __m256 norm = _mm256_set1_ps(bound->norm);
    __m256 offset = _mm256_set1_ps(bound->offset);
    __m256 threshold = _mm256_set1_ps(bound->threshold);
    for (size_t panel = 0; panel < panel_count; panel++) {
        unsigned mask = 0;
        for (size_t half = 0; half < NGI_PANEL_ROWS; half += 8) {
            const __m256i *at = (const __m256i *)(const void *)(dots + half);
            __m256 reach = _mm256_mul_ps(step, _mm256_cvtepi32_ps(_mm256_loadu_si256(at)));
            reach = _mm256_add_ps(reach, margin);
            reach = _mm256_add_ps(reach, _mm256_mul_ps(norm, _mm256_loadu_ps(errors + half)));
            __m256 gain = _mm256_loadu_ps(bounds[panel].gain + half);
            __m256 shift = _mm256_loadu_ps(bounds[panel].shift + half);
            __m256 best = _mm256_add_ps(_mm256_mul_ps(gain, reach), _mm256_mul_ps(shift, offset));
            __m256 pass = _mm256_cmp_ps(best, threshold, _CMP_NLT_UQ);
            mask |= (unsigned)_mm256_movemask_ps(pass) << half;
        }
        masks[panel] = (uint16_t)mask;
        dots += NGI_PANEL_ROWS;
        errors += NGI_PANEL_ROWS;
    }
}

static const ngi_kernels AVX2 = {
    .name = "avx2",
    .dot = avx2_dot,
    .panel_dots = avx2_panel_dots,
    .filter = avx2_filter,
};

/* ---------------------------------------------------------------------------------------------
 * AVX-512
 * ------------------------------------------------------------------------------------------- */

TARGET_AVX512 static double avx512_dot(const double *a, const float *b, size_t count)
{
    __m512d low = _mm512_setzero_pd();
    __m512d high = _mm512_setzero_pd();
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        __m512d y = _mm512_cvtps_pd(_mm256_loadu_ps(b + i));
        low = _mm512_add_pd(low, _mm512_mul_pd(_mm512_loadu_pd(a + i), y));
        y = _mm512_cvtps_pd(_mm256_loadu_ps(b + i + 8));
        high = _mm512_add_pd(high, _mm512_mul_pd(_mm512_loadu_pd(a + i + 8), y));
    }
    if (i < count) {
        /* Padding adds +0, which changes no sum: none is -0, since they began as +0. */
        unsigned mask = (1u << (count - i)) - 1u;
        __m512 row = _mm512_maskz_loadu_ps((__mmask16)mask, b + i);
        __m256 row_high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(row), 1));
        __m512d x = _mm512_maskz_loadu_pd((__mmask8)(mask & 0xFFu), a + i);
        low = _mm512_add_pd(low, _mm512_mul_pd(x, _mm512_cvtps_pd(_mm512_castps512_ps256(row))));
        if (mask >> 8 != 0) {
            x = _mm512_maskz_loadu_pd((__mmask8)(mask >> 8), a + i + 8);
            high = _mm512_add_pd(high, _mm512_mul_pd(x, _mm512_cvtps_pd(row_high)));
        }
    }
    __m512d eight = _mm512_add_pd(low, high);
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(eight), _mm512_extractf64x4_pd(eight, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

TARGET_AVX512 static inline __m512i avx512_codes(const int8_t *pair)
{
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)pair));
}

TARGET_AVX512 static void avx512_panel_dots(const int8_t *panels, size_t panel_count,
                                            const int16_t *query, size_t pair_count, int32_t *out)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        __m512i sums = _mm512_setzero_si512();
        for (size_t pair = 0; pair < pair_count; pair++) {
            __m512i both = _mm512_set1_epi32(kernels_pair(query, pair));
            _mm_prefetch((const char *)panels + PREFETCH_BYTES, _MM_HINT_T0);
            sums = _mm512_add_epi32(sums, _mm512_madd_epi16(avx512_codes(panels), both));
            panels += NGI_PANEL_PAIR_BYTES;
        }
        _mm512_storeu_si512(out, sums);
        out += NGI_PANEL_ROWS;
    }
}

/* Two sums, because each step of one waits for the step before. */
TARGET_VNNI static void vnni_panel_dots(const int8_t *panels, size_t panel_count,
                                        const int16_t *query, size_t pair_count, int32_t *out)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        __m512i even = _mm512_setzero_si512();
        __m512i odd = _mm512_setzero_si512();
        size_t pair = 0;
        for (; pair + 2 <= pair_count; pair += 2) {
            __m512i both = _mm512_set1_epi32(kernels_pair(query, pair));
            __m512i next = _mm512_set1_epi32(kernels_pair(query, pair + 1));
            _mm_prefetch((const char *)panels + PREFETCH_BYTES, _MM_HINT_T0);
            even = _mm512_dpwssd_epi32(even, avx512_codes(panels), both);
            odd = _mm512_dpwssd_epi32(odd, avx512_codes(panels + NGI_PANEL_PAIR_BYTES), next);
            panels += 2 * NGI_PANEL_PAIR_BYTES;
        }
        if (pair < pair_count) {
            __m512i both = _mm512_set1_epi32(kernels_pair(query, pair));
            even = _mm512_dpwssd_epi32(even, avx512_codes(panels), both);
            panels += NGI_PANEL_PAIR_BYTES;
        }
        _mm512_storeu_si512(out, _mm512_add_epi32(even, odd));
        out += NGI_PANEL_ROWS;
    }
}

TARGET_AVX512 static void avx512_filter(const ngi_bound *bound, const int32_t *dots,
                                        const ngi_panel_bounds *bounds, const float *errors,
                                        size_t panel_count, uint16_t *masks)
{
    __m512 step = _mm512_set1_ps(bound->step);
    __m512 margin = _mm512_set1_ps(bound->margin);
    __m512 norm = _mm512_set1_ps(bound->norm);
    __m512 offset = _mm512_set1_ps(bound->offset);
    __m512 threshold = _mm512_set1_ps(bound->threshold);
    for (size_t panel = 0; panel < panel_count; panel++) {
        __m512 reach = _mm512_mul_ps(step, _mm512_cvtepi32_ps(_mm512_loadu_si512(dots)));
        reach = _mm512_add_ps(reach, margin);
        reach = _mm512_add_ps(reach, _mm512_mul_ps(norm, _mm512_loadu_ps(errors)));
        __m512 gain = _mm512_loadu_ps(bounds[panel].gain);
        __m512 shift = _mm512_loadu_ps(bounds[panel].shift);
        __m512 best = _mm512_add_ps(_mm512_mul_ps(gain, reach), _mm512_mul_ps(shift, offset));
        masks[panel] = (uint16_t)_mm512_cmp_ps_mask(best, threshold, _CMP_NLT_UQ);
        dots += NGI_PANEL_ROWS;
        errors += NGI_PANEL_ROWS;
    }
}

static const ngi_kernels AVX512 = {
    .name = "avx512-bw",
    .dot = avx512_dot,
    .panel_dots = avx512_panel_dots,
    .filter = avx512_filter,
};

static const ngi_kernels AVX512_VNNI = {
    .name = "avx512-vnni",
    .dot = avx512_dot,
    .panel_dots = vnni_panel_dots,
    .filter = avx512_filter,
};

const ngi_kernels *ngi_kernels_x86(size_t index)
{
    const ngi_kernels *found[3] = {0};
    size_t count = 0;
    bool bw = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    if (bw && __builtin_cpu_supports("avx512vnni"))
        found[count++] = &AVX512_VNNI;
    if (bw)
        found[count++] = &AVX512;
    if (__builtin_cpu_supports("avx2"))
        found[count++] = &AVX2;
    return index < count ? found[index] : NULL;
}

#endif
