// SPDX-License-Identifier: AGPL-3.0-or-later
// Boost.Geometry's R-tree as a side: bulk loaded (its packing algorithm, whatever the balancing
// parameters), nodes of 8, 16 or 32. A search by radius is the usual idiom: values that intersect
// the box around the ball, passed to an output iterator that keeps those within the distance.
// Measured: a `satisfies` predicate is as fast, query iterators are a tenth slower.
#include "bench_spatial.h"

#include <boost/geometry.hpp>
#include <boost/geometry/index/rtree.hpp>
#include <boost/iterator/function_output_iterator.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace
{

namespace geometry = boost::geometry;
using Point = geometry::model::point<float, 3, geometry::cs::cartesian>;
using Box = geometry::model::box<Point>;
using Value = std::pair<Point, uint32_t>;

float squared_distance(const Point &a, const bench_point &b)
{
    float x = a.get<0>() - b.at[0];
    float y = a.get<1>() - b.at[1];
    float z = a.get<2>() - b.at[2];
    return x * x + y * y + z * z;
}

struct Index {
    virtual ~Index() = default;
    virtual void build() = 0;
    virtual void radius(const bench_point &center, float radius) = 0;
    virtual void nearest(const bench_point &center, size_t wanted) = 0;

    std::vector<Value> values;        // what the tree is loaded from
    std::vector<bench_found> matches; // of a search by radius
    std::vector<Value> neighbours;    // of a nearest search
    bench_point center = {};
    bool by_radius = false;
};

template <size_t NODE> struct TreeIndex final : Index {
    using Tree = geometry::index::rtree<Value, geometry::index::rstar<NODE>>;
    Tree tree;

    void build() override
    {
        tree = Tree(values.begin(), values.end());
    }

    void radius(const bench_point &around, float radius) override
    {
        const float bound = radius * radius;
        const Box box(Point(around.at[0] - radius, around.at[1] - radius, around.at[2] - radius),
                      Point(around.at[0] + radius, around.at[1] + radius, around.at[2] + radius));
        matches.clear();
        tree.query(geometry::index::intersects(box),
                   boost::make_function_output_iterator([&](const Value &value) {
                       float squared = squared_distance(value.first, around);
                       if (squared <= bound) {
                           matches.push_back({value.second, squared});
                       }
                   }));
    }

    void nearest(const bench_point &around, size_t wanted) override
    {
        neighbours.clear();
        tree.query(geometry::index::nearest(Point(around.at[0], around.at[1], around.at[2]),
                                            static_cast<unsigned>(wanted)),
                   std::back_inserter(neighbours));
    }
};

void *create(const bench_point *points, size_t count, size_t setting)
{
    try {
        std::unique_ptr<Index> index;
        if (setting == 0) {
            index = std::make_unique<TreeIndex<8>>();
        } else if (setting == 1) {
            index = std::make_unique<TreeIndex<16>>();
        } else {
            index = std::make_unique<TreeIndex<32>>();
        }
        index->values.reserve(count);
        for (size_t i = 0; i < count; i++) {
            index->values.emplace_back(Point(points[i].at[0], points[i].at[1], points[i].at[2]),
                                       static_cast<uint32_t>(i));
        }
        return index.release();
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

bool build(void *index)
{
    static_cast<Index *>(index)->build();
    return true;
}

bool radius(void *index, const bench_point *center, float radius, bool sorted, size_t *count)
{
    Index *self = static_cast<Index *>(index);
    self->radius(*center, radius);
    if (sorted) {
        std::sort(self->matches.begin(), self->matches.end(),
                  [](const bench_found &a, const bench_found &b) { return a.squared < b.squared; });
    }
    self->by_radius = true;
    *count = self->matches.size();
    return true;
}

bool nearest(void *index, const bench_point *center, size_t wanted, size_t *count)
{
    Index *self = static_cast<Index *>(index);
    self->nearest(*center, wanted);
    self->center = *center;
    self->by_radius = false;
    *count = self->neighbours.size();
    return true;
}

void found(const void *index, bench_found *out)
{
    const Index *self = static_cast<const Index *>(index);
    if (self->by_radius) {
        std::copy(self->matches.begin(), self->matches.end(), out);
        return;
    }
    for (const Value &value : self->neighbours) {
        *out++ = {value.second, squared_distance(value.first, self->center)};
    }
}

void destroy(void *index)
{
    delete static_cast<Index *>(index);
}

} // namespace

const bench_spatial bench_spatial_boost = {"boost_rtree",
                                           BOOST_LIB_VERSION,
                                           3,
                                           {"nodes of 8", "nodes of 16", "nodes of 32"},
                                           create,
                                           build,
                                           radius,
                                           nearest,
                                           found,
                                           destroy};
