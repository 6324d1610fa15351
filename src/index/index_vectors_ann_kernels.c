/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The portable kernels of the graph of vectors, and the choice. */
#include "index/index_vectors_ann_kernels.h"

static int32_t portable_dot(const ngi_ann_query *query, const int8_t *image)
{
    int32_t sum = 0;
    for (size_t i = 0; i < query->stride; i++)
        sum += query->codes[i] * image[i];
    return sum;
}

static void portable_list(const ngi_ann_query *query, const int8_t *images, const uint32_t *rows,
                          size_t count, float scale, float *out)
{
    ngi_ann_list(portable_dot, query, images, rows, count, scale, out);
}

static uint32_t portable_scores(const ngi_ann_query *query, const ngi_ann_block *block, float scale,
                                float threshold, float out[NGI_ANN_BLOCK])
{
    return ngi_ann_scores(portable_dot, query, block, scale, threshold, out);
}

static const ngi_ann_kernels PORTABLE = {.name = "portable",
                                         .dot = portable_dot,
                                         .list = portable_list,
                                         .scores = portable_scores};

static const ngi_ann_kernels *kernels_special(size_t index)
{
#if defined(__x86_64__)
    return ngi_ann_kernels_x86(index);
#elif defined(__aarch64__)
    return ngi_ann_kernels_arm(index);
#else
    (void)index;
    return NULL;
#endif
}

const ngi_ann_kernels *ngi_ann_kernels_best(void)
{
    const ngi_ann_kernels *best = kernels_special(0);
    return best != NULL ? best : &PORTABLE;
}

const ngi_ann_kernels *ngi_ann_kernels_at(size_t index)
{
    return index == 0 ? &PORTABLE : kernels_special(index - 1);
}
