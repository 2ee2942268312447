// Marching cubes of a mask at one half: the surface between voxels that are in and voxels that are out, closed also
// where the volume ends. A vertex lies in the middle between two such voxels. The triangles of a cell of 2 x 2 x 2
// voxels fill the loops that its vertices make on its six sides; what they make there depends on nothing but the four
// voxels of that side, so that cells fit together.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {
namespace {

using Id = std::int32_t;

constexpr std::size_t layers_at_once = 16;
constexpr int n_edges = 12, most_triangles = 10;

// Corners of a cell are numbered 4 z + 2 y + x; 1 is the voxel after, 0 the one before. Edge 4 a + i lies along axis a
// (0 for z); i is twice the first of the other two coordinates, and the second.
constexpr std::array<int, 3> strides = {4, 2, 1};
constexpr std::array<std::array<int, 2>, 3> others = {{{1, 2}, {0, 2}, {0, 1}}};

constexpr int edge_between(int one, int other) {
    const int a = (one ^ other) == 4 ? 0 : (one ^ other) == 2 ? 1 : 2;
    const auto [b, c] = others[a];
    return 4 * a + 2 * ((one & strides[b]) != 0) + ((one & strides[c]) != 0);
}

// Corners of the six sides, counterclockwise in z, y, x from outside.
constexpr std::array<std::array<int, 4>, 6> sides() {
    std::array<std::array<int, 4>, 6> found{};
    for (int a = 0; a < 3; ++a) {
        const int b = strides[(a + 1) % 3], c = strides[(a + 2) % 3];  // a, b, c are right-handed
        found[2 * a] = {0, c, b + c, b};
        found[2 * a + 1] = {strides[a], strides[a] + b, strides[a] + b + c, strides[a] + c};
    }
    return found;
}

struct Cell {
    std::array<std::array<std::uint8_t, 3>, most_triangles> triangles;  // edges
    std::uint8_t n_triangles = 0, n_vertices = 0;                       // on the three edges at the last corner
};

class Cells {
public:
    Cells() {
        for (int code = 0; code < 256; ++code) fill(code);
    }
    const Cell& operator[](std::size_t code) const { return cells_[code]; }

private:
    using Loop = std::vector<int>;
    using Place = std::array<double, 3>;

    static Place place(int edge) {
        const int a = edge / 4;
        Place p{};
        p[a] = 0.5;
        p[others[a][0]] = edge >> 1 & 1;
        p[others[a][1]] = edge & 1;
        return p;
    }

    // Whether two vertices lie on one side of the cell: a cut between them might meet one of the cell next to it.
    static bool share_side(int one, int other) {
        const Place p = place(one), q = place(other);
        for (int i = 0; i < 3; ++i)
            if (p[i] == q[i] && p[i] != 0.5) return true;
        return false;
    }

    static double area(int one, int two, int three) {
        const Place p = place(one), q = place(two), r = place(three);
        double squares = 0;
        for (int i = 0; i < 3; ++i) {
            const int j = (i + 1) % 3, k = (i + 2) % 3;
            const double n = (q[j] - p[j]) * (r[k] - p[k]) - (q[k] - p[k]) * (r[j] - p[j]);
            squares += n * n;
        }
        return std::sqrt(squares);
    }

    void fill(int code) {
        Cell& cell = cells_[code];
        std::array<int, n_edges> next;
        next.fill(-1);
        for (const auto& side : sides())
            for (int i = 0; i < 4; ++i) {
                const auto in = [&](int j) { return code >> side[j % 4] & 1; };
                if (in(i) || !in(i + 1)) continue;  // the boundary enters before the first of some corners that are in
                int last = i + 1;
                while (in(last + 1)) ++last;
                next[edge_between(side[i], side[(i + 1) % 4])] = edge_between(side[last % 4], side[(last + 1) % 4]);
            }
        for (int edge = 0; edge < n_edges; ++edge) {
            if (next[edge] < 0) continue;
            Loop loop;
            for (int at = edge; next[at] >= 0;) {
                loop.push_back(at);
                const int then = next[at];
                next[at] = -1;
                at = then;
            }
            triangulate(loop, cell);
        }
        for (const int before : {3, 5, 6}) cell.n_vertices += (code >> 7 & 1) != (code >> before & 1);
    }

    // The triangles of least area that have no cut on a side of the cell.
    static void triangulate(const Loop& loop, Cell& cell) {
        const std::size_t n = loop.size();
        std::vector<double> areas(n * n, 0);
        std::vector<std::size_t> tips(n * n, 0);
        for (std::size_t length = 2; length < n; ++length)
            for (std::size_t i = 0; i + length < n; ++i) {
                const std::size_t j = i + length;
                double& least = areas[i * n + j] = std::numeric_limits<double>::infinity();
                if (length < n - 1 && share_side(loop[i], loop[j])) continue;
                for (std::size_t k = i + 1; k < j; ++k) {
                    const double sum = areas[i * n + k] + areas[k * n + j] + area(loop[i], loop[k], loop[j]);
                    if (sum < least) least = sum, tips[i * n + j] = k;
                }
            }
        std::vector<std::array<std::size_t, 2>> open = {{0, n - 1}};
        while (!open.empty()) {
            const auto [i, j] = open.back();
            open.pop_back();
            if (j - i < 2) continue;
            const std::size_t k = tips[i * n + j];
            const auto edge = [&](std::size_t at) { return static_cast<std::uint8_t>(loop[at]); };
            cell.triangles[cell.n_triangles++] = {edge(i), edge(k), edge(j)};
            open.push_back({i, k});
            open.push_back({k, j});
        }
    }

    std::array<Cell, 256> cells_;
};

struct Counts {
    std::size_t n_vertices = 0, n_triangles = 0;
};

class Contour {
public:
    Contour(const std::uint8_t* mask, std::array<std::size_t, 3> shape, std::size_t n_threads)
        : mask_(mask), shape_(shape), n_threads_(n_threads), starts_(shape[0] + 2) {}

    Counts count() {
        each_layers([&](std::size_t, std::size_t begin, std::size_t end) {
            Codes codes(*this);
            for (std::size_t z = begin; z < end; ++z) {
                Counts& counts = starts_[z + 1];
                for (std::size_t y = 0; y <= shape_[1]; ++y)
                    codes.each(z, y, [&](std::size_t, std::uint8_t code) {
                        counts.n_vertices += cells_[code].n_vertices;
                        counts.n_triangles += cells_[code].n_triangles;
                    });
            }
        });
        for (std::size_t z = 0; z <= shape_[0]; ++z) {
            starts_[z + 1].n_vertices += starts_[z].n_vertices;
            starts_[z + 1].n_triangles += starts_[z].n_triangles;
        }
        return starts_.back();
    }

    void fill(float* vertices, Id* faces) const {
        each_layers([&](std::size_t, std::size_t begin, std::size_t end) {
            Layer layer(*this, vertices, faces);
            if (begin) layer.number(begin - 1, false);
            for (std::size_t z = begin; z < end; ++z) layer.number(z, true);
        });
    }

private:
    template <class Work>
    void each_layers(Work&& work) const {
        parallel_blocks(shape_[0] / layers_at_once + 1, n_threads_, [&](std::size_t thread, std::size_t block) {
            const std::size_t begin = block * layers_at_once;
            work(thread, begin, std::min(begin + layers_at_once, shape_[0] + 1));
        });
    }

    // Which voxels of a cell are in, for a row of cells.
    class Codes {
    public:
        explicit Codes(const Contour& contour)
            : contour_(contour), n_(contour.shape_[2]), zeros_(n_, 0), columns_(n_ + 2, 0),
              codes_((n_ + 8) / 8 * 8, 0) {}

        // Calls seen(x, code) for cells with some vertices, and perhaps some others.
        template <class Seen>
        void each(std::size_t z, std::size_t y, Seen&& seen) {
            const std::uint8_t *first = row(z, y, 1, 1), *second = row(z, y, 1, 0);
            const std::uint8_t *third = row(z, y, 0, 1), *last = row(z, y, 0, 0);
            std::uint8_t* columns = columns_.data() + 1;
            for (std::size_t x = 0; x < n_; ++x)
                columns[x] = static_cast<std::uint8_t>(first[x] | second[x] << 2 | third[x] << 4 | last[x] << 6);
            std::uint8_t* codes = codes_.data();
            for (std::size_t x = 0; x <= n_; ++x)
                codes[x] = static_cast<std::uint8_t>(columns_[x] | columns_[x + 1] << 1);
            for (std::size_t begin = 0; begin <= n_; begin += 8) {
                std::uint64_t word;
                std::memcpy(&word, codes + begin, 8);
                if (word == 0 || word == ~std::uint64_t{0}) continue;
                for (std::size_t x = begin; x < begin + 8; ++x)
                    if (codes[x] != 0 && codes[x] != 255) seen(x, codes[x]);
            }
        }

    private:
        const std::uint8_t* row(std::size_t z, std::size_t y, std::size_t z_before, std::size_t y_before) const {
            const auto& shape = contour_.shape_;
            const bool is_there = z >= z_before && y >= y_before && z - z_before < shape[0] && y - y_before < shape[1];
            return is_there ? contour_.mask_ + ((z - z_before) * shape[1] + y - y_before) * n_ : zeros_.data();
        }

        const Contour& contour_;
        std::size_t n_;
        std::vector<std::uint8_t> zeros_, columns_, codes_;
    };

    // Numbers the vertices of one layer of cells after the other, and lists their triangles.
    class Layer {
    public:
        Layer(const Contour& contour, float* vertices, Id* faces)
            : contour_(contour), codes_(contour), vertices_(vertices), faces_(faces), width_(contour.shape_[2] + 2) {
            for (auto& ids : ids_) ids.assign((contour.shape_[1] + 2) * width_, 0);
        }

        void number(std::size_t z, bool has_triangles) {
            std::swap(ids_[along_y], ids_[along_y_before]);
            std::swap(ids_[along_x], ids_[along_x_before]);
            auto id = static_cast<Id>(contour_.starts_[z].n_vertices);
            Id* face = faces_ + 3 * contour_.starts_[z].n_triangles;
            for (std::size_t y = 0; y <= contour_.shape_[1]; ++y)
                codes_.each(z, y, [&](std::size_t x, std::uint8_t code) {
                    const std::size_t at = (y + 1) * width_ + x + 1;
                    const unsigned differ = code >> 7 ? ~static_cast<unsigned>(code) : code;
                    const auto fz = static_cast<float>(z), fy = static_cast<float>(y), fx = static_cast<float>(x);
                    const auto add = [&](Plane plane, float vz, float vy, float vx) {
                        if (has_triangles) {
                            float* vertex = vertices_ + 3 * static_cast<std::size_t>(id);
                            vertex[0] = vz, vertex[1] = vy, vertex[2] = vx;
                        }
                        ids_[plane][at] = id++;
                    };
                    if (differ >> 3 & 1) add(along_z, fz - 0.5f, fy, fx);
                    if (differ >> 5 & 1) add(along_y, fz, fy - 0.5f, fx);
                    if (differ >> 6 & 1) add(along_x, fz, fy, fx - 0.5f);
                    if (!has_triangles) return;
                    const Cell& cell = contour_.cells_[code];
                    for (int i = 0; i < cell.n_triangles; ++i)
                        for (const std::uint8_t edge : cell.triangles[i]) *face++ = on(edge, at);
                });
        }

    private:
        enum Plane { along_z, along_y, along_x, along_y_before, along_x_before };

        Id on(std::uint8_t edge, std::size_t at) const {
            const bool second = edge & 1, first = edge & 2;
            if (edge < 4) return ids_[along_z][at - (first ? 0 : width_) - !second];
            if (edge < 8) return ids_[first ? along_y : along_y_before][at - !second];
            return ids_[first ? along_x : along_x_before][at - (second ? 0 : width_)];
        }

        const Contour& contour_;
        Codes codes_;
        float* vertices_;
        Id* faces_;
        std::size_t width_;
        std::array<std::vector<Id>, 5> ids_;
    };

    const std::uint8_t* mask_;
    std::array<std::size_t, 3> shape_;
    std::size_t n_threads_;
    std::vector<Counts> starts_;  // of each layer of cells
    Cells cells_;
};

using Mask = nb::ndarray<const std::uint8_t, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T, nb::shape<-1, 3>> rows(std::unique_ptr<T[]> values, std::size_t n) {
    T* data = values.release();
    return {data, {n, 3}, nb::capsule(data, [](void* p) noexcept { delete[] static_cast<T*>(p); })};
}

auto contour(const Mask& mask, std::size_t n_threads) {
    std::unique_ptr<float[]> vertices;
    std::unique_ptr<Id[]> faces;
    Counts counts;
    {
        nb::gil_scoped_release release;
        Contour contour(mask.data(), {mask.shape(0), mask.shape(1), mask.shape(2)}, n_threads);
        counts = contour.count();
        if (counts.n_vertices > static_cast<std::size_t>(std::numeric_limits<Id>::max()))
            throw std::overflow_error(
                "the surface has more vertices than 32 bits can number; thin the labels, or cut out a part");
        vertices.reset(new float[3 * counts.n_vertices]);
        faces.reset(new Id[3 * counts.n_triangles]);
        contour.fill(vertices.get(), faces.get());
    }
    return std::pair(rows(std::move(vertices), counts.n_vertices), rows(std::move(faces), counts.n_triangles));
}

}  // namespace

void bind_contour(nb::module_& m) { m.def("contour", &contour, "mask"_a.noconvert(), "n_threads"_a); }

}  // namespace klevels
