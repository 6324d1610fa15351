# SPDX-License-Identifier: AGPL-3.0-or-later
"""faiss as a side of bench_semantic_ann: a child process, one command a line, one answer a line.

    build WAY DIMENSIONS FILE      ok INDEX SECONDS BYTES
    search INDEX EFFORT LIMIT DIMENSIONS FILE OUT
                                   ok SECONDS; OUT = uint32 rows, 0xFFFFFFFF where there was none
    drop INDEX                     ok

FILE holds float32 rows. The first answer, to no command, is "ok VERSION". What fails is answered by
"error TEXT". One thread; all queries of a search are handed over in one call, which is timed alone.
"""
import sys
import time

import faiss
import numpy

EFFORT_BUILD = 200  # of HNSW
RERANK = 16         # candidates for each of the wanted, scored again by their float32 rows


def rows_read(path, dimensions):
    return numpy.fromfile(path, dtype=numpy.float32).reshape(-1, int(dimensions))


def index_make(way, dimensions):
    """Unit vectors are in the same order by distance as by product; HNSW is made for distances."""
    if way.startswith("HNSW"):
        index = faiss.IndexHNSWFlat(dimensions, int(way[4:]), faiss.METRIC_L2)
        index.hnsw.efConstruction = EFFORT_BUILD
        return index
    index = faiss.index_factory(dimensions, way, faiss.METRIC_INNER_PRODUCT)
    faiss.extract_index_ivf(index).cp.min_points_per_centroid = 1  # no warnings
    return index


def effort_set(index, effort):
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efSearch = effort
        return
    ivf = faiss.extract_index_ivf(index)
    ivf.nprobe = min(effort, ivf.nlist)
    if isinstance(index, faiss.IndexRefine):
        index.k_factor = RERANK


class Side:
    def __init__(self):
        self.indexes = []

    def build(self, way, dimensions, path):
        rows = rows_read(path, dimensions)
        began = time.perf_counter()
        index = index_make(way, int(dimensions))
        if not index.is_trained:
            index.train(rows)
        index.add(rows)
        seconds = time.perf_counter() - began
        self.indexes.append(index)
        return f"{len(self.indexes) - 1} {seconds:.6f} {faiss.serialize_index(index).nbytes}"

    def search(self, index, effort, limit, dimensions, path, out):
        queries = rows_read(path, dimensions)
        index = self.indexes[int(index)]
        effort_set(index, int(effort))
        began = time.perf_counter()
        found = index.search(queries, int(limit))[1]
        seconds = time.perf_counter() - began
        (found & 0xFFFFFFFF).astype(numpy.uint32).tofile(out)
        return f"{seconds:.9f}"

    def drop(self, index):
        self.indexes[int(index)] = None
        return ""


def main():
    faiss.omp_set_num_threads(1)
    side = Side()
    commands = {"build": side.build, "search": side.search, "drop": side.drop}
    level = faiss.get_compile_options().strip().replace(" ", "+")
    if hasattr(faiss, "SIMDConfig"):  # chosen when it runs
        level = faiss.SIMDConfig.get_level_name() + " of " + level
    print(f"ok {faiss.__version__}, {level}, module {faiss.swigfaiss.__name__}", flush=True)
    for line in sys.stdin:
        word, *arguments = line.rstrip("\n").split("\t")
        try:
            answer = f"ok {commands[word](*arguments)}"
        except Exception as error:  # whatever it is, the parent is to say it
            answer = f"error {word}: {error!r}".replace("\n", " ")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
