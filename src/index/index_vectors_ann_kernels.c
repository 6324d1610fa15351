/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The portable kernels of the graph of vectors, and the choice. */
#include "index/index_vectors_ann_kernels.h"

static void portable_list(const ngi_ann_query *query, const uint8_t *images, const uint32_t *rows,
                          size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *image = images + rows[i] * query->stride;
        int32_t sum = 0;
        for (size_t k = 0; k < query->stride; k++)
            sum += query->low[k] * (image[k] & query->mask) + query->high[k] * (image[k] >> 4);
        out[i] = ngi_ann_score_of(query, image, sum);
    }
}

void ngi_ann_compare_portable(const ngi_ann_batch *batch, const ngi_ann_panel *panel,
                              ngi_ann_compared *out)
{
    for (size_t at = 0; at < NGI_ANN_BATCH; at++) {
        int32_t sums[NGI_ANN_PANEL] = {0};
        for (size_t k = 0; k < batch->width; k += 4)
            for (size_t row = 0; row < NGI_ANN_PANEL; row++)
                for (size_t i = 0; i < 4; i++)
                    sums[row] +=
                        batch->codes[at][k + i] * panel->codes[k * NGI_ANN_PANEL + row * 4 + i];
        for (size_t row = 0; row < NGI_ANN_PANEL; row++)
            ngi_ann_compared_set(batch, panel, at, row, sums[row], out);
    }
}

static const ngi_ann_kernels PORTABLE = {.name = "portable",
                                         .list = portable_list,
                                         .compare = ngi_ann_compare_portable};

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
