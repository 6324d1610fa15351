/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels of the graph of vectors for AVX2 and AVX-512 VNNI, compiled by function attributes so that
 * one library serves every x86-64 processor. */
#include "index/index_vectors_ann_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

/* --- AVX2 ------------------------------------------------------------------------------------ */

TARGET_AVX2 static inline __m256i avx2_step(__m256i sum, const int8_t *a, const int8_t *b)
{
    __m256i x = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)a));
    __m256i y = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)b));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
}

TARGET_AVX2 static int32_t avx2_dot(const ngi_ann_query *query, const int8_t *image)
{
    __m256i even = _mm256_setzero_si256(), odd = _mm256_setzero_si256();
    for (size_t i = 0; i < query->stride; i += 32) {
        even = avx2_step(even, query->codes + i, image + i);
        odd = avx2_step(odd, query->codes + i + 16, image + i + 16);
    }
    __m256i eight = _mm256_add_epi32(even, odd);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xB1)));
}

TARGET_AVX2 static void avx2_list(const ngi_ann_query *query, const int8_t *images,
                                  const uint32_t *rows, size_t count, float scale, float *out)
{
    ngi_ann_list(avx2_dot, query, images, rows, count, scale, out);
}

static uint32_t avx2_scores(const ngi_ann_query *query, const ngi_ann_block *block, float scale,
                            float threshold, float out[NGI_ANN_BLOCK])
{
    return ngi_ann_scores(avx2_dot, query, block, scale, threshold, out);
}

static const ngi_ann_kernels AVX2 = {.name = "avx2",
                                     .dot = avx2_dot,
                                     .list = avx2_list,
                                     .scores = avx2_scores};

/* --- AVX-512 VNNI ---------------------------------------------------------------------------- */

/* The instruction wants one side without sign: codes of the query are raised by 128, and 128 times the
 * sum of the image's codes is taken off again. */
static inline int32_t vnni_excess(const ngi_ann_query *query, const int8_t *image)
{
    ngi_ann_tail tail;
    memcpy(&tail, image + query->stride - sizeof tail, sizeof tail);
    return 128 * tail.sum;
}

TARGET_VNNI static inline __m512i vnni_sums(const ngi_ann_query *query, const int8_t *image)
{
    __m512i sum = _mm512_setzero_si512();
    for (size_t i = 0; i < query->stride; i += NGI_ANN_LINE)
        sum = _mm512_dpbusd_epi32(sum, _mm512_load_si512(query->raised + i),
                                  _mm512_loadu_si512(image + i));
    return sum;
}

TARGET_VNNI static int32_t vnni_dot(const ngi_ann_query *query, const int8_t *image)
{
    return _mm512_reduce_add_epi32(vnni_sums(query, image)) - vnni_excess(query, image);
}

TARGET_VNNI static void vnni_list(const ngi_ann_query *query, const int8_t *images,
                                  const uint32_t *rows, size_t count, float scale, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const int8_t *image = images + rows[i] * query->stride;
        ngi_ann_tail tail;
        memcpy(&tail, image + query->stride - sizeof tail, sizeof tail);
        int32_t product = _mm512_reduce_add_epi32(vnni_sums(query, image)) - 128 * tail.sum;
        out[i] = (float)product * (scale * tail.scale);
    }
}

/* Sums of 16 images, transposed as they are added up: image i ends in lane i. */
TARGET_VNNI static uint32_t vnni_scores(const ngi_ann_query *query, const ngi_ann_block *block,
                                        float scale, float threshold, float out[NGI_ANN_BLOCK])
{
    __m512i sums[NGI_ANN_BLOCK];
    for (size_t i = 0; i < NGI_ANN_BLOCK; i++)
        sums[i] = vnni_sums(query, block->images + i * query->stride);
    for (size_t i = 0; i < 8; i++)
        sums[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(sums[2 * i], sums[2 * i + 1]),
                                   _mm512_unpackhi_epi32(sums[2 * i], sums[2 * i + 1]));
    for (size_t i = 0; i < 4; i++)
        sums[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(sums[2 * i], sums[2 * i + 1]),
                                   _mm512_unpackhi_epi64(sums[2 * i], sums[2 * i + 1]));
    for (size_t i = 0; i < 2; i++)
        sums[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(sums[2 * i], sums[2 * i + 1], 0x88),
                                   _mm512_shuffle_i32x4(sums[2 * i], sums[2 * i + 1], 0xDD));
    __m512i products = _mm512_add_epi32(_mm512_shuffle_i32x4(sums[0], sums[1], 0x88),
                                        _mm512_shuffle_i32x4(sums[0], sums[1], 0xDD));
    __m512i excess = _mm512_slli_epi32(_mm512_loadu_si512(block->sums), 7);
    __m512 scales = _mm512_mul_ps(_mm512_loadu_ps(block->scales), _mm512_set1_ps(scale));
    __m512 scores = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(products, excess)), scales);
    _mm512_storeu_ps(out, scores);
    return _mm512_cmp_ps_mask(scores, _mm512_set1_ps(threshold), _CMP_GT_OQ);
}

static const ngi_ann_kernels VNNI = {.name = "avx512-vnni",
                                     .dot = vnni_dot,
                                     .list = vnni_list,
                                     .scores = vnni_scores};

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
