// SPDX-License-Identifier: AGPL-3.0-or-later
// nanoflann as a side: its static tree, three dimensions known at compile time, L2_Simple (which it
// recommends for few dimensions), indices of 32 bits, result vectors that are reused.
#include "bench_spatial.h"

#include <nanoflann.hpp>

#include <new>
#include <utility>
#include <vector>

#define TEXT_OF(value) #value
#define TEXT(value) TEXT_OF(value)

namespace
{

struct Cloud {
    const bench_point *points;
    size_t count;

    size_t kdtree_get_point_count() const
    {
        return count;
    }
    float kdtree_get_pt(size_t index, size_t axis) const
    {
        return points[index].at[axis];
    }
    template <class Box> bool kdtree_get_bbox(Box &) const
    {
        return false;
    }
};

using Tree =
    nanoflann::KDTreeSingleIndexAdaptor<nanoflann::L2_Simple_Adaptor<float, Cloud, float, uint32_t>,
                                        Cloud, 3, uint32_t>;
constexpr size_t LEAF_SIZES[] = {10, 32};

struct Index {
    Index(const bench_point *points, size_t count, size_t leaf)
        : cloud{points, count},
          tree(3, cloud,
               nanoflann::KDTreeSingleIndexAdaptorParams(
                   leaf, nanoflann::KDTreeSingleIndexAdaptorFlags::SkipInitialBuildIndex))
    {
    }

    Cloud cloud;
    Tree tree;
    std::vector<std::pair<uint32_t, float>> matches; // of a search by radius
    std::vector<uint32_t> indices;                   // of a nearest search, as it returns them
    std::vector<float> squares;
    size_t found = 0;
    bool by_radius = false;
};

void *create(const bench_point *points, size_t count, size_t setting)
{
    try {
        return new Index(points, count, LEAF_SIZES[setting]);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

bool build(void *index)
{
    static_cast<Index *>(index)->tree.buildIndex();
    return true;
}

bool radius(void *index, const bench_point *center, float radius, bool sorted, size_t *count)
{
    Index *self = static_cast<Index *>(index);
    // It wants squared distances *below* the bound, and these are whole numbers.
    float bound = radius * radius + 0.5f;
    *count = self->tree.radiusSearch(center->at, bound, self->matches,
                                     nanoflann::SearchParams(32, 0, sorted));
    self->found = *count;
    self->by_radius = true;
    return true;
}

bool nearest(void *index, const bench_point *center, size_t wanted, size_t *count)
{
    Index *self = static_cast<Index *>(index);
    self->indices.resize(wanted);
    self->squares.resize(wanted);
    *count = self->tree.knnSearch(center->at, static_cast<uint32_t>(wanted), self->indices.data(),
                                  self->squares.data());
    self->found = *count;
    self->by_radius = false;
    return true;
}

void found(const void *index, bench_found *out)
{
    const Index *self = static_cast<const Index *>(index);
    for (size_t i = 0; i < self->found; i++) {
        out[i] = self->by_radius ? bench_found{self->matches[i].first, self->matches[i].second}
                                 : bench_found{self->indices[i], self->squares[i]};
    }
}

void destroy(void *index)
{
    delete static_cast<Index *>(index);
}

} // namespace

const bench_spatial bench_spatial_nanoflann = {"nanoflann", TEXT(NANOFLANN_VERSION),
                                               2,           {"leaves of 10", "leaves of 32"},
                                               create,      build,
                                               radius,      nearest,
                                               found,       destroy};
