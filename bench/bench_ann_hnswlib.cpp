// SPDX-License-Identifier: AGPL-3.0-or-later
// hnswlib as a side: its own index over inner products, rows added one by one by one thread.
#include "bench_ann.h"

#include <exception>
#include <hnswlib/hnswlib.h>
#include <memory>

namespace
{

struct Setting {
    size_t links, effort;
};

constexpr Setting SETTINGS[] = {{16, 100}, {16, 200}, {24, 200}, {32, 200}};

struct Index {
    hnswlib::InnerProductSpace space;
    hnswlib::HierarchicalNSW<float> graph;

    Index(const bench_ann_vectors &vectors, Setting setting)
        : space(vectors.dimensions), graph(&space, vectors.count, setting.links, setting.effort)
    {
    }
};

void *build(const bench_ann_vectors *vectors, size_t setting, double *seconds)
{
    try {
        double began = bench_clock_seconds();
        auto index = std::make_unique<Index>(*vectors, SETTINGS[setting]);
        for (size_t i = 0; i < vectors->count; i++) {
            index->graph.addPoint(vectors->unit + i * vectors->dimensions, i);
        }
        *seconds = bench_clock_seconds() - began;
        return index.release();
    } catch (const std::exception &error) {
        bench_complain("hnswlib: %s", error.what());
        return nullptr;
    }
}

bool search(void *index, const float *query, size_t effort, size_t limit, uint32_t *out,
            size_t *count)
{
    try {
        auto &graph = static_cast<Index *>(index)->graph;
        graph.setEf(effort);
        auto found = graph.searchKnn(query, limit);
        for (*count = 0; !found.empty(); found.pop()) {
            out[(*count)++] = static_cast<uint32_t>(found.top().second);
        }
        return true;
    } catch (const std::exception &error) {
        return bench_complain("hnswlib: %s", error.what());
    }
}

void destroy(void *index)
{
    delete static_cast<Index *>(index);
}

} // namespace

const bench_ann bench_ann_hnswlib = {"hnswlib",
                                     BENCH_HNSWLIB_VERSION,
                                     4,
                                     {"16 links, effort 100", "16 links, effort 200",
                                      "24 links, effort 200", "32 links, effort 200"},
                                     build,
                                     search,
                                     destroy};
