/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the graph of vectors for AVX2 and AVX-512 VNNI, compiled by function attributes so that
 * one library serves every x86-64 processor. */
#include "index/index_vectors_ann_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

/* --- AVX2 ------------------------------------------------------------------------------------ */

/* Codes of an image are 127 at most, so that sums of two products fit 16 bits. */
TARGET_AVX2 static inline __m256i avx2_step(__m256i sum, __m256i codes, const int8_t *query)
{
    __m256i two =
        _mm256_maddubs_epi16(codes, _mm256_load_si256((const __m256i *)(const void *)query));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(two, _mm256_set1_epi16(1)));
}

TARGET_AVX2 static inline int32_t avx2_sum(__m256i eight)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

TARGET_AVX2 static void avx2_list(const ngi_ann_query *query, const uint8_t *images,
                                  const uint32_t *rows, size_t count, float *out)
{
    const __m256i mask = _mm256_set1_epi8((char)query->mask), half = _mm256_set1_epi8(15);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *image = images + rows[i] * query->stride;
        __m256i low = _mm256_setzero_si256(), high = _mm256_setzero_si256();
        for (size_t k = 0; k < query->stride; k += 32) {
            __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)(image + k));
            __m256i upper = _mm256_and_si256(_mm256_srli_epi16(both, 4), half);
            low = avx2_step(low, _mm256_and_si256(both, mask), query->low + k);
            high = avx2_step(high, upper, query->high + k);
        }
        out[i] = ngi_ann_score_of(query, image, avx2_sum(_mm256_add_epi32(low, high)));
    }
}

/* Four rows beside a query: two sums of two products a row. */
TARGET_AVX2 static inline __m256i avx2_four_rows(__m256i sums, const uint8_t *panel, __m256i query)
{
    __m128i codes = _mm_load_si128((const __m128i *)(const void *)panel);
    __m256i wide = _mm256_cvtepi8_epi16(_mm_xor_si128(codes, _mm_set1_epi8(-128)));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(wide, query));
}

TARGET_AVX2 static void avx2_compare(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                                     ngi_ann_compared *out)
{
    for (size_t at = 0; at < NGI_ANN_BATCH; at++) {
        __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                           _mm256_setzero_si256()};
        int32_t halves[2 * NGI_ANN_PANEL];
        for (size_t k = 0; k < batch->width; k += 4) {
            int32_t four;
            memcpy(&four, &batch->codes[at][k], sizeof four);
            __m256i query = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
            for (size_t i = 0; i < 4; i++)
                sums[i] = avx2_four_rows(sums[i], panel->codes + k * NGI_ANN_PANEL + 16 * i, query);
        }
        for (size_t i = 0; i < 4; i++)
            _mm256_storeu_si256((__m256i *)(void *)(halves + 8 * i), sums[i]);
        for (size_t row = 0; row < NGI_ANN_PANEL; row++)
            ngi_ann_compared_set(batch, panel, at, row,
                                 halves[2 * row] + halves[2 * row + 1] + batch->excess[at], out);
    }
}

static const ngi_ann_kernels AVX2 = {.name = "avx2", .list = avx2_list, .compare = avx2_compare};

/* --- AVX-512 VNNI ---------------------------------------------------------------------------- */

TARGET_VNNI static inline __m512i vnni_sums(const ngi_ann_query *query, const uint8_t *image)
{
    const __m512i mask = _mm512_set1_epi8((char)query->mask), half = _mm512_set1_epi8(15);
    __m512i low = _mm512_setzero_si512(), high = _mm512_setzero_si512();
    for (size_t k = 0; k < query->stride; k += NGI_ANN_LINE) {
        __m512i both = _mm512_loadu_si512(image + k);
        __m512i upper = _mm512_and_si512(_mm512_srli_epi16(both, 4), half);
        low = _mm512_dpbusd_epi32(low, _mm512_and_si512(both, mask),
                                  _mm512_load_si512(query->low + k));
        high = _mm512_dpbusd_epi32(high, upper, _mm512_load_si512(query->high + k));
    }
    return _mm512_add_epi32(low, high);
}

TARGET_VNNI static void vnni_list(const ngi_ann_query *query, const uint8_t *images,
                                  const uint32_t *rows, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *image = images + rows[i] * query->stride;
        out[i] = ngi_ann_score_of(query, image, _mm512_reduce_add_epi32(vnni_sums(query, image)));
    }
}

TARGET_VNNI static inline __m512i vnni_four(__m512i sums, __m512i panel, const int8_t *query)
{
    int32_t four;
    memcpy(&four, query, sizeof four);
    return _mm512_dpbusd_epi32(sums, panel, _mm512_set1_epi32(four));
}

TARGET_VNNI static void vnni_compare(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                                     ngi_ann_compared *out)
{
    __m512i sums[NGI_ANN_BATCH];
    for (size_t at = 0; at < NGI_ANN_BATCH; at++)
        sums[at] = _mm512_setzero_si512();
    for (size_t k = 0; k < batch->width; k += 4) {
        __m512i codes = _mm512_load_si512(panel->codes + k * NGI_ANN_PANEL);
        for (size_t at = 0; at < NGI_ANN_BATCH; at++)
            sums[at] = vnni_four(sums[at], codes, &batch->codes[at][k]);
    }
    __m512 scales = _mm512_loadu_ps(panel->scales), shifts = _mm512_loadu_ps(panel->shifts);
    for (size_t at = 0; at < NGI_ANN_BATCH; at++) {
        __m512i dots = _mm512_sub_epi32(sums[at], _mm512_set1_epi32(batch->excess[at]));
        __m512 scale = _mm512_mul_ps(_mm512_set1_ps(batch->scales[at]), scales);
        __m512 scores = _mm512_sub_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(dots), scale), shifts);
        _mm512_storeu_ps(out->scores[at], scores);
        out->above[at] =
            _mm512_cmp_ps_mask(scores, _mm512_set1_ps(batch->thresholds[at]), _CMP_GT_OQ);
    }
}

static const ngi_ann_kernels VNNI = {.name = "avx512-vnni",
                                     .list = vnni_list,
                                     .compare = vnni_compare};

const ngi_ann_kernels *ngi_ann_kernels_x86(size_t index)
{
    const ngi_ann_kernels *found[2] = {0};
    size_t count = 0;
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw"))
        found[count++] = &VNNI;
    if (__builtin_cpu_supports("avx2"))
        found[count++] = &AVX2;
    return index < count ? found[index] : NULL;
}

#endif
