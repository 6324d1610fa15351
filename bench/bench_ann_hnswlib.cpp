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

constexpr size_t WAY_COUNT = 4;
constexpr Setting SETTINGS[WAY_COUNT] = {{16, 200}, {24, 200}, {16, 100}, {32, 200}};
const bench_ann_way WAYS[WAY_COUNT] = {{"16 links, effort 200", false, bench_ann_graph_efforts},
                                       {"24 links, effort 200", false, bench_ann_graph_efforts},
                                       {"16 links, effort 100", true, bench_ann_graph_efforts},
                                       {"32 links, effort 200", true, bench_ann_graph_efforts}};

struct Index {
    std::unique_ptr<hnswlib::InnerProductSpace> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph; // goes before its space
};

void *build(const bench_ann *, const bench_ann_vectors *vectors, size_t way, double *seconds)
{
    try {
        double began = bench_clock_seconds();
        auto index = std::make_unique<Index>();
        index->space = std::make_unique<hnswlib::InnerProductSpace>(vectors->dimensions);
        index->graph =
            std::make_unique<hnswlib::HierarchicalNSW<float>>(index->space.get(), vectors->count,
                                                              SETTINGS[way].links,
                                                              SETTINGS[way].effort);
        for (size_t i = 0; i < vectors->count; i++) {
            index->graph->addPoint(vectors->unit + i * vectors->dimensions, i);
        }
        *seconds = bench_clock_seconds() - began;
        return index.release();
    } catch (const std::exception &error) {
        bench_complain("hnswlib: %s", error.what());
        return nullptr;
    }
}

// What it would write to a file: rows, links, labels. Its locks, and its map of labels, which take
// another hundred bytes a row in memory, are given to it.
uint64_t bytes(void *index)
{
    const auto &graph = *static_cast<Index *>(index)->graph;
    uint64_t sum = graph.cur_element_count * (graph.size_data_per_element_ + sizeof(unsigned));
    for (size_t i = 0; i < graph.cur_element_count; i++) {
        sum += static_cast<size_t>(graph.element_levels_[i]) * graph.size_links_per_element_;
    }
    return sum;
}

bool search(void *index, const bench_ann_vectors *queries, size_t effort, uint32_t *out,
            double *seconds)
{
    try {
        auto &graph = *static_cast<Index *>(index)->graph;
        graph.setEf(effort);
        double began = bench_clock_seconds();
        for (size_t i = 0; i < queries->count; i++) {
            auto found =
                graph.searchKnn(queries->unit + i * queries->dimensions, BENCH_ANN_NEAREST);
            for (size_t j = 0; j < BENCH_ANN_NEAREST; j++) {
                *out++ = found.empty() ? BENCH_ANN_NONE : static_cast<uint32_t>(found.top().second);
                if (!found.empty()) {
                    found.pop();
                }
            }
        }
        *seconds = bench_clock_seconds() - began;
        return true;
    } catch (const std::exception &error) {
        return bench_complain("hnswlib: %s", error.what());
    }
}

void destroy(void *index)
{
    delete static_cast<Index *>(index);
}

void close(bench_ann *)
{
    // keeps nothing
}

} // namespace

bool bench_ann_open_hnswlib(bench_ann *out)
{
    *out = bench_ann{"hnswlib", BENCH_HNSWLIB_VERSION,
                     nullptr,   WAYS,
                     WAY_COUNT, build,
                     bytes,     search,
                     destroy,   close};
    return true;
}
