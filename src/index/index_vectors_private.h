/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The vector index from inside.
 *
 * Rows are numbered 0, 1, 2, ... in the order in which they were first needed and are used again
 * after a removal; a slot may get another row when its vector comes back.
 *
 *   rows        float32 as given, [dimensions], unpadded: the truth
 *   row_infos   ngi_vectors_row: which slot, and what has been derived
 *   slot_rows   by slot: row + 1, 0 = no vector
 *   panels      int8 image, 16 rows a panel, see index_kernels.h
 *   errors      float32 by row: how far the image is from the row, in units of the image; NaN until
 *               it is derived, -infinity for a row without vector
 *   settings    for each number of removed components (0 = plain cosine), and for scalar products and
 *               distances: inverse norms (float64), and what the filter needs (float32)
 *
 * Invariants
 *   1. slot_rows and row_infos are inverse to each other; `count` rows have a slot; the other
 *      row_end - count rows stand in the free list, each once.
 *   2. A row has the derived values of setting k if and only if it has a slot, it is below
 *      settings[k].swept and bit k of `derived` is set; settings[k].derived_count counts them.
 *   3. Rows below settings[k].swept without derived values have gain NaN or error -infinity there,
 *      so that the filter passes them on or knows that they are empty.
 *   4. Every row with a slot below settings[k].cursor has the derived values of setting k;
 *      cursor <= swept <= row_end.
 *   5. For a row with an image, |v - s c| <= s * error, where s = max |v[i]| / 127.
 *   6. Bits of rows, panels and derived values depend on the vectors alone, not on the processor.
 *
 * Guard of everything: the store's lock, as index_vectors.h says; `rows` and `slot_rows` are also
 * read without it, and written as base_shared.h says. */
#ifndef NGI_INDEX_VECTORS_PRIVATE_H
#define NGI_INDEX_VECTORS_PRIVATE_H

#include "base/base_limits.h"
#include "index/index_kernels.h"
#include "index/index_vectors.h"

/* Settings: by number of removed components, then the other measures. */
#define VECTORS_PLAIN 0u
#define VECTORS_DOT (NGI_COMPONENTS_MAX + 1u)
#define VECTORS_L2 (NGI_COMPONENTS_MAX + 2u)
#define VECTORS_SETTING_COUNT (NGI_COMPONENTS_MAX + 3u)
#define VECTORS_DEFAULT_COMPONENTS 2u
#define VECTORS_NO_ROW UINT32_MAX
#define VECTORS_CODE_MAX 127         /* of the image; -128 is not used, so that +-c are alike */
#define VECTORS_IMAGE_BIT (1u << 31) /* of `derived`: the image and its error */
#define VECTORS_BOUND_MAX 1e4   /* a row with a larger gain or shift is always scored exactly */
#define VECTORS_LENGTH_MAX 1e30 /* the same where lengths count */

_Static_assert(VECTORS_SETTING_COUNT <= 31, "a bit of `derived` for each setting and the image");

typedef struct ngi_vectors_row {
    uint32_t slot;    /* 0 = no vector */
    uint32_t derived; /* bit k: values of setting k; without a vector: the next free row */
} ngi_vectors_row;

typedef struct ngi_vectors_setting {
    ngi_table bounds;   /* ngi_panel_bounds by panel; all zero until first prepared */
    ngi_table inverses; /* double by row; 0 = the row has no direction in this setting */
    uint32_t swept;
    uint32_t cursor;
    uint64_t derived_count;
} ngi_vectors_setting;

/* The graph of approximate search, and the one that is being built. A row without vector is in
 * neither; a row with one may be missing until ngi_vectors_graph_prepare. */
typedef struct ngi_vectors_graph {
    ngi_ann *ann; /* NULL = none */
    uint32_t setting;
    uint32_t cursor;   /* every row below that has a slot is in it */
    ngi_ann *building; /* NULL = none */
    uint64_t *changed; /* a bit for each row below changed_rows that changed since */
    uint32_t changed_rows;
} ngi_vectors_graph;

struct ngi_vectors {
    ngi_os *os;
    ngi_mem *mem;
    const ngi_kernels *kernels; /* immutable */
    uint32_t max_slots;         /* immutable */
    uint32_t dimensions;        /* 0 = not fixed yet */
    atomic_uint readable;       /* the same for readers without a lock: stored (release) when the
                                   tables are there, loaded (acquire) before they are looked at */
    uint32_t pair_count;        /* (dimensions + 1) / 2 */
    uint32_t row_end;
    uint32_t free_row; /* VECTORS_NO_ROW = none */
    uint64_t count;
    uint64_t change_count; /* puts and removals */
    ngi_table rows, row_infos, slot_rows, panels, errors;

    ngi_vectors_graph graph;

    float *projection; /* mean, then components; [projection_capacity] */
    size_t projection_capacity;
    uint32_t component_count;    /* 0 = no projection installed */
    uint64_t projection_version; /* counts installations */
    ngi_vectors_setting settings[VECTORS_SETTING_COUNT];
};

/** Removes the mean and the top components from vectors, exactly also where the components are
 *  not quite orthonormal. Made for one call; valid while the projection is. */
typedef struct ngi_projector {
    const ngi_vectors *vectors;
    uint32_t setting;
    uint32_t component_count; /* 0: nothing is removed */
    double mean_norm;
    /* Cholesky factor of the components' scalar products, rows of the lower triangle. */
    double factor[NGI_COMPONENTS_MAX * (NGI_COMPONENTS_MAX + 1) / 2];
} ngi_projector;

static inline const float *ngi_vectors_row_at(const ngi_vectors *vectors, size_t row)
{
    return (const float *)(const void *)vectors->rows.base + row * vectors->dimensions;
}

/** The row that stands at `values`. */
static inline uint32_t ngi_vectors_row_of(const ngi_vectors *vectors, const float *values)
{
    size_t floats = (size_t)(values - ngi_vectors_row_at(vectors, 0));
    return vectors->dimensions > 0 ? (uint32_t)(floats / vectors->dimensions) : 0;
}

static inline ngi_vectors_row *ngi_vectors_info_at(const ngi_vectors *vectors, size_t row)
{
    return (ngi_vectors_row *)(void *)vectors->row_infos.base + row;
}

static inline float *ngi_vectors_error_at(const ngi_vectors *vectors, size_t row)
{
    return (float *)(void *)vectors->errors.base + row;
}

static inline int8_t *ngi_vectors_panel_at(const ngi_vectors *vectors, size_t panel)
{
    return (int8_t *)vectors->panels.base + panel * vectors->panels.element_bytes;
}

static inline ngi_panel_bounds *ngi_vectors_bounds_at(const ngi_vectors_setting *setting,
                                                      size_t panel)
{
    return (ngi_panel_bounds *)(void *)setting->bounds.base + panel;
}

static inline double *ngi_vectors_inverse_at(const ngi_vectors_setting *setting, size_t row)
{
    return (double *)(void *)setting->inverses.base + row;
}

static inline const float *ngi_vectors_mean(const ngi_vectors *vectors)
{
    return vectors->projection;
}

static inline const float *ngi_vectors_component(const ngi_vectors *vectors, uint32_t component)
{
    return vectors->projection + (size_t)(component + 1) * vectors->dimensions;
}

/** Notes that a row changes. Cannot fail. */
void ngi_vectors_graph_forget(ngi_vectors *vectors, uint32_t row);
uint64_t ngi_vectors_graph_bytes(const ngi_vectors *vectors);

/** Whether a row that has a slot has the derived values of a setting. */
static inline bool ngi_vectors_is_derived(const ngi_vectors *vectors, uint32_t setting, size_t row)
{
    return row < vectors->settings[setting].swept &&
           (ngi_vectors_info_at(vectors, row)->derived >> setting & 1u) != 0;
}

/** Offers a row to a search by its exact score. */
void ngi_vector_search_offer(ngi_vector_search *search, uint32_t row);
/** What a search asks for: in the projected space, of unit length for cosines. */
const double *ngi_vector_search_query(const ngi_vector_search *search);
/** The least score of a full result; -infinity until it is full. */
double ngi_vector_search_least(const ngi_vector_search *search);
/** Whether it lets a slot count, and whether it asks at all. */
bool ngi_vector_search_accepts(const ngi_vector_search *search, uint32_t slot);
bool ngi_vector_search_is_filtered(const ngi_vector_search *search);
const ngi_vectors *ngi_vector_search_vectors(const ngi_vector_search *search);

/** The setting that `remove_components` means: how many components are removed, 0 = plain.
 *  Errors: NG_E_INVALID. */
NG_MUST_USE ng_status ngi_vectors_resolve(const ngi_vectors *vectors, int32_t remove_components,
                                          uint32_t *out);
void ngi_projector_init(ngi_projector *projector, const ngi_vectors *vectors, uint32_t setting);
/** Whether a setting measures directions: cosines, not lengths as well. */
static inline bool ngi_setting_is_cosine(uint32_t setting)
{
    return setting <= NGI_COMPONENTS_MAX;
}
/** Whether it depends on the projection. */
static inline bool ngi_setting_is_projected(uint32_t setting)
{
    return setting != VECTORS_PLAIN && ngi_setting_is_cosine(setting);
}
/** residual = the vector, centred and with components removed; returns 1 / its norm, or 0 if it
 *  has no direction. By scalar product and distance it is the vector itself, and 1. */
double ngi_projector_row(const ngi_projector *projector, const float *vector, double *residual);
/** Removes the components, without centring; returns the norm, or 0 if nothing is left. */
double ngi_projector_query(const ngi_projector *projector, double *query);
/** The inverse norm of a row that has a slot: derived, or computed now. */
double ngi_vectors_inverse(const ngi_projector *projector, size_t row);
/** Minus the squared distance, float64, the same bits on every processor. */
double ngi_vectors_nearness(const double *query, const float *values, size_t count);

#endif
