// SPDX-License-Identifier: AGPL-3.0-or-later
// The naive grid as a side: equal cubic cells over the box of the points, points sorted by cell (a
// counting sort), nothing else. It cannot be changed and knows one density only, but for a density
// that suits its cells nothing that must be both can be much faster. Cells along x follow each
// other, so a row of cells is one run of points.
#include "bench_spatial.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <new>
#include <vector>

namespace
{

// Cells for each point; the edges differ by a factor of 1.59.
constexpr double CELLS_PER_POINT[] = {0.25, 1, 4, 16, 64};

struct Entry {
    float x, y, z;
    uint32_t index;
};

struct Grid {
    const bench_point *points;
    size_t count;
    double cells_wanted;
    float low[3] = {}, edge = 1, inverse = 1;
    int cells[3] = {}; // on each axis
    std::vector<uint32_t> starts;
    std::vector<Entry> entries;
    std::vector<bench_found> matches;
    size_t match_count = 0;

    int cell_of(float value, int axis) const
    {
        int cell = static_cast<int>((value - low[axis]) * inverse);
        return std::max(0, std::min(cells[axis] - 1, cell));
    }
    size_t row_of(int y, int z) const
    {
        return (static_cast<size_t>(z) * static_cast<size_t>(cells[1]) + static_cast<size_t>(y)) *
               static_cast<size_t>(cells[0]);
    }
    size_t cell_of(const bench_point &p) const
    {
        return row_of(cell_of(p.at[1], 1), cell_of(p.at[2], 2)) +
               static_cast<size_t>(cell_of(p.at[0], 0));
    }

    void shape()
    {
        double volume = 1;
        float high[3];
        for (int axis = 0; axis < 3; axis++) {
            low[axis] = high[axis] = points[0].at[axis];
            for (size_t i = 0; i < count; i++) {
                low[axis] = std::min(low[axis], points[i].at[axis]);
                high[axis] = std::max(high[axis], points[i].at[axis]);
            }
            volume *= static_cast<double>(high[axis] - low[axis] + 1);
        }
        edge = static_cast<float>(
            std::cbrt(volume / std::max(1.0, cells_wanted * static_cast<double>(count))));
        inverse = 1 / edge;
        for (int axis = 0; axis < 3; axis++) {
            cells[axis] = static_cast<int>((high[axis] - low[axis]) * inverse) + 1;
        }
    }

    void build()
    {
        shape();
        starts.assign(row_of(0, cells[2]) + 2, 0); // one ahead: filling moves the starts back
        entries.resize(count);
        matches.resize(count + 1);
        for (size_t i = 0; i < count; i++) {
            starts[cell_of(points[i]) + 2]++;
        }
        for (size_t cell = 2; cell < starts.size(); cell++) {
            starts[cell] += starts[cell - 1];
        }
        for (size_t i = 0; i < count; i++) {
            const float *at = points[i].at;
            entries[starts[cell_of(points[i]) + 1]++] = {at[0], at[1], at[2],
                                                         static_cast<uint32_t>(i)};
        }
    }

    // Writes every point of cells [first, last] of a row and steps over those that are too far.
    void run_collect(size_t first, size_t last, const float *c, float bound)
    {
        bench_found *out = matches.data();
        size_t found = match_count;
        const float cx = c[0], cy = c[1], cz = c[2]; // `out` could alias them
        for (const Entry *e = &entries[starts[first]], *end = &entries[0] + starts[last + 1];
             e < end; e++) {
            float dx = e->x - cx, dy = e->y - cy, dz = e->z - cz;
            float squared = dx * dx + dy * dy + dz * dz;
            out[found] = {e->index, squared};
            found += squared <= bound;
        }
        match_count = found;
    }

    void radius(const float *c, float radius)
    {
        int from[3], to[3];
        for (int axis = 0; axis < 3; axis++) {
            from[axis] = cell_of(c[axis] - radius, axis);
            to[axis] = cell_of(c[axis] + radius, axis);
        }
        match_count = 0;
        for (int z = from[2]; z <= to[2]; z++) {
            for (int y = from[1]; y <= to[1]; y++) {
                size_t row = row_of(y, z);
                run_collect(row + static_cast<size_t>(from[0]), row + static_cast<size_t>(to[0]), c,
                            radius * radius);
            }
        }
    }

    // Keeps the nearest of cells [first, last] of a row, in order.
    void run_nearest(size_t first, size_t last, const float *c, size_t wanted)
    {
        for (size_t at = starts[first], end = starts[last + 1]; at < end; at++) {
            const Entry &e = entries[at];
            float dx = e.x - c[0], dy = e.y - c[1], dz = e.z - c[2];
            float squared = dx * dx + dy * dy + dz * dz;
            if (match_count == wanted && squared >= matches[wanted - 1].squared) {
                continue;
            }
            size_t place = match_count < wanted ? match_count++ : wanted - 1;
            for (; place > 0 && matches[place - 1].squared > squared; place--) {
                matches[place] = matches[place - 1];
            }
            matches[place] = {e.index, squared};
        }
    }

    // Shells of cells around that of the centre, until no cell outside can hold a nearer point.
    void nearest(const float *c, size_t wanted)
    {
        const int at[3] = {cell_of(c[0], 0), cell_of(c[1], 1), cell_of(c[2], 2)};
        match_count = 0;
        for (int shell = 0;; shell++) {
            int from[3], to[3];
            float reach = INFINITY; // how far everything has been seen
            for (int axis = 0; axis < 3; axis++) {
                from[axis] = std::max(0, at[axis] - shell);
                to[axis] = std::min(cells[axis] - 1, at[axis] + shell);
                float below = c[axis] - (low[axis] + static_cast<float>(from[axis]) * edge);
                float above = low[axis] + static_cast<float>(to[axis] + 1) * edge - c[axis];
                reach = from[axis] > 0 ? std::min(reach, below) : reach;
                reach = to[axis] < cells[axis] - 1 ? std::min(reach, above) : reach;
            }
            for (int z = from[2]; z <= to[2]; z++) {
                for (int y = from[1]; y <= to[1]; y++) {
                    size_t row = row_of(y, z);
                    if (std::max(std::abs(z - at[2]), std::abs(y - at[1])) == shell) {
                        run_nearest(row + static_cast<size_t>(from[0]),
                                    row + static_cast<size_t>(to[0]), c, wanted);
                        continue;
                    }
                    for (int x : {at[0] - shell, at[0] + shell}) {
                        if (x >= 0 && x < cells[0]) {
                            run_nearest(row + static_cast<size_t>(x), row + static_cast<size_t>(x),
                                        c, wanted);
                        }
                    }
                }
            }
            // A step less: the cell of a point is computed in float32.
            reach = std::max(0.0f, reach - 1);
            if (reach == INFINITY ||
                (match_count == wanted && matches[wanted - 1].squared <= reach * reach)) {
                return;
            }
        }
    }
};

void *create(const bench_point *points, size_t count, size_t setting)
{
    Grid *grid = new (std::nothrow) Grid();
    if (grid != nullptr) {
        grid->points = points;
        grid->count = count;
        grid->cells_wanted = CELLS_PER_POINT[setting];
    }
    return grid;
}

bool build(void *index)
{
    try {
        static_cast<Grid *>(index)->build();
        return true;
    } catch (const std::bad_alloc &) {
        return bench_complain("naive_grid: out of memory");
    }
}

bool radius(void *index, const bench_point *center, float radius, bool sorted, size_t *count)
{
    Grid *grid = static_cast<Grid *>(index);
    grid->radius(center->at, radius);
    if (sorted) {
        std::sort(grid->matches.begin(),
                  grid->matches.begin() + static_cast<std::ptrdiff_t>(grid->match_count),
                  [](const bench_found &a, const bench_found &b) { return a.squared < b.squared; });
    }
    *count = grid->match_count;
    return true;
}

bool nearest(void *index, const bench_point *center, size_t wanted, size_t *count)
{
    Grid *grid = static_cast<Grid *>(index);
    grid->nearest(center->at, wanted);
    *count = grid->match_count;
    return true;
}

void found(const void *index, bench_found *out)
{
    const Grid *grid = static_cast<const Grid *>(index);
    std::copy_n(grid->matches.begin(), grid->match_count, out);
}

void destroy(void *index)
{
    delete static_cast<Grid *>(index);
}

} // namespace

const bench_spatial bench_spatial_grid = {"naive_grid_best",
                                          "here",
                                          5,
                                          {"1/4 cell for a point", "1 cell for a point",
                                           "4 cells for a point", "16 cells for a point",
                                           "64 cells for a point"},
                                          create,
                                          build,
                                          radius,
                                          nearest,
                                          found,
                                          destroy};
