// What is asked of triangles: smoother places, area and volume, and whether they close.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {
namespace {

using Point = std::array<double, 3>;
constexpr std::size_t strip = 1 << 14;  // vertices or triangles at a time

template <class Work>
void each_strip(std::size_t n, std::size_t n_threads, Work&& work) {
    parallel_blocks((n + strip - 1) / strip, n_threads, [&](std::size_t, std::size_t i) {
        work(i, i * strip, std::min(n, (i + 1) * strip));
    });
}

// The vertices that come after each one in its triangles: where a surface is closed, each neighbor once.
template <class I>
struct Neighbors {
    std::vector<std::size_t> first;
    std::vector<I> ids;

    Neighbors(const I* faces, std::size_t n_faces, std::size_t n_vertices)
        : first(n_vertices + 1, 0), ids(3 * n_faces) {
        for (std::size_t c = 0; c < 3 * n_faces; ++c) ++first[static_cast<std::size_t>(faces[c])];
        std::inclusive_scan(first.begin(), first.end(), first.begin());
        for (std::size_t c = 3 * n_faces; c-- > 0;)
            ids[--first[static_cast<std::size_t>(faces[c])]] = faces[c % 3 == 2 ? c - 2 : c + 1];
    }
};

using Step = std::array<float, 3>;

// The mean of a vertex's neighbors, less its own value.
template <class Value>
Point ahead(const Neighbors<std::int32_t>& neighbors, std::size_t v, Value&& value) {
    Point sum{};
    const std::size_t begin = neighbors.first[v], end = neighbors.first[v + 1];
    if (begin == end) return sum;
    for (std::size_t k = begin; k < end; ++k) {
        const auto* other = value(static_cast<std::size_t>(neighbors.ids[k]));
        for (int i = 0; i < 3; ++i) sum[i] += other[i];
    }
    for (int i = 0; i < 3; ++i) sum[i] = sum[i] / static_cast<double>(end - begin) - value(v)[i];
    return sum;
}

// Moves vertices by a polynomial of A, times how far the mean of their neighbors is ahead; A is the mean of a vertex
// and that of its neighbors. The polynomial is a sum of Chebyshev's, by Clenshaw's recurrence from the highest on.
// Steps are small: floats have digits enough.
void smooth(float* vertices, std::size_t n_vertices, const Neighbors<std::int32_t>& neighbors,
            const std::vector<double>& weights, std::size_t n_threads) {
    std::vector<Step> first(n_vertices), now(n_vertices), before(n_vertices);
    const auto each = [&](auto&& work) {
        each_strip(n_vertices, n_threads, [&](std::size_t, std::size_t begin, std::size_t end) {
            for (std::size_t v = begin; v < end; ++v) work(v);
        });
    };
    each([&](std::size_t v) {
        const Point to_mean = ahead(neighbors, v, [&](std::size_t w) { return vertices + 3 * w; });
        for (int i = 0; i < 3; ++i) first[v][i] = static_cast<float>(to_mean[i]);
    });
    for (std::size_t degree = weights.size(); degree-- > 0;) {
        const double twice = degree ? 2 : 1;
        each([&](std::size_t v) {
            const Point to_mean = ahead(neighbors, v, [&](std::size_t w) { return now[w].data(); });
            for (int i = 0; i < 3; ++i)
                before[v][i] = static_cast<float>(weights[degree] * first[v][i] + twice * (now[v][i] + to_mean[i] / 2) -
                                                  before[v][i]);
        });
        std::swap(now, before);
    }
    each([&](std::size_t v) {
        for (int i = 0; i < 3; ++i) vertices[3 * v + i] += now[v][i];
    });
}

// The area, and the volume by the divergence theorem, around a point in the middle.
template <class F, class I>
std::pair<double, double> measure(const F* vertices, const I* faces, std::size_t n_faces, const Point& middle,
                                  std::size_t n_threads) {
    std::vector<std::pair<double, double>> parts((n_faces + strip - 1) / strip);
    each_strip(n_faces, n_threads, [&](std::size_t part, std::size_t begin, std::size_t end) {
        double area = 0, volume = 0;
        for (std::size_t f = begin; f < end; ++f) {
            double p[3][3];
            for (int c = 0; c < 3; ++c) {
                const F* vertex = vertices + 3 * static_cast<std::size_t>(faces[3 * f + c]);
                for (int i = 0; i < 3; ++i) p[c][i] = static_cast<double>(vertex[i]) - middle[i];
            }
            const double u[3] = {p[1][0] - p[0][0], p[1][1] - p[0][1], p[1][2] - p[0][2]};
            const double v[3] = {p[2][0] - p[0][0], p[2][1] - p[0][1], p[2][2] - p[0][2]};
            const double n[3] = {u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
            area += std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
            volume += p[0][0] * n[0] + p[0][1] * n[1] + p[0][2] * n[2];
        }
        parts[part] = {area, volume};
    });
    double area = 0, volume = 0;  // in one order, whatever the number of threads
    for (const auto& part : parts) area += part.first, volume += part.second;
    return {area / 2, volume / 6};
}

// Whether each edge has a triangle on both of its sides, and just one.
template <class I>
bool is_closed(Neighbors<I>& neighbors, std::size_t n_threads) {
    const std::size_t n = neighbors.first.size() - 1;
    const auto begin_of = [&](std::size_t v) {
        return neighbors.ids.begin() + static_cast<std::ptrdiff_t>(neighbors.first[v]);
    };
    std::atomic<bool> closed{true};
    each_strip(n, n_threads, [&](std::size_t, std::size_t begin, std::size_t end) {
        for (std::size_t v = begin; v < end; ++v) {
            std::sort(begin_of(v), begin_of(v + 1));
            if (std::adjacent_find(begin_of(v), begin_of(v + 1)) != begin_of(v + 1)) closed = false;
        }
    });
    each_strip(n, n_threads, [&](std::size_t, std::size_t begin, std::size_t end) {
        for (std::size_t v = begin; v < end && closed; ++v)
            for (auto at = begin_of(v); at != begin_of(v + 1); ++at) {
                const auto other = static_cast<std::size_t>(*at);
                if (other == v || !std::binary_search(begin_of(other), begin_of(other + 1), static_cast<I>(v)))
                    closed = false;
            }
    });
    return closed;
}

template <class T>
using Rows = nb::ndarray<const T, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Vertices = nb::ndarray<float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

template <class F, class I>
void bind_measure(nb::module_& m) {
    m.def(
        "measure_triangles",
        [](const Rows<F>& vertices, const Rows<I>& faces, const Point& middle, std::size_t n_threads) {
            nb::gil_scoped_release release;
            return measure(vertices.data(), faces.data(), faces.shape(0), middle, n_threads);
        },
        "vertices"_a.noconvert(), "faces"_a.noconvert(), "middle"_a, "n_threads"_a);
}

template <class I>
void bind_is_closed(nb::module_& m) {
    m.def(
        "is_closed",
        [](const Rows<I>& faces, std::size_t n_vertices, std::size_t n_threads) {
            nb::gil_scoped_release release;
            Neighbors<I> neighbors(faces.data(), faces.shape(0), n_vertices);
            return is_closed(neighbors, n_threads);
        },
        "faces"_a.noconvert(), "n_vertices"_a, "n_threads"_a);
}

}  // namespace

void bind_triangles(nb::module_& m) {
    m.def(
        "smooth_triangles",
        [](const Vertices& vertices, const Rows<std::int32_t>& faces, const std::vector<double>& weights,
           std::size_t n_threads) {
            nb::gil_scoped_release release;
            const Neighbors<std::int32_t> neighbors(faces.data(), faces.shape(0), vertices.shape(0));
            smooth(vertices.data(), vertices.shape(0), neighbors, weights, n_threads);
        },
        "vertices"_a.noconvert(), "faces"_a.noconvert(), "weights"_a, "n_threads"_a);
    bind_measure<float, std::int32_t>(m);
    bind_measure<float, std::int64_t>(m);
    bind_measure<double, std::int32_t>(m);
    bind_measure<double, std::int64_t>(m);
    bind_is_closed<std::int32_t>(m);
    bind_is_closed<std::int64_t>(m);
}

}  // namespace klevels
