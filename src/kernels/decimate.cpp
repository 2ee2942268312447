// Decimation: a closed surface of fewer triangles, by merging the ends of the edges that move it least. The surface is
// cut into blocks that fit into the processor's cache, whose borders stay as they are; in each round the blocks are
// others. What is cheap everywhere goes first: all blocks merge up to one level of cost. The last edges are merged in
// one block.
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "decimate_surface.hpp"
#include "measures.hpp"
#include "parallel.hpp"

namespace nb = nanobind;

namespace klevels {
namespace {

constexpr std::size_t most_cells = 1 << 20;
constexpr std::size_t strip = 1 << 16;  // vertices at a time
constexpr std::size_t n_sampled_vertices = 1 << 16, n_sampled_blocks = 24;
constexpr double left_for_last = 1.06;  // times the triangles that are wanted: left by the blocks
constexpr double most_at_once = 0.6;    // of the edges, in a round: the borders of blocks must not lag behind
constexpr double least_progress = 0.03;

class Decimation {
public:
    Decimation(float* vertices, std::size_t n_vertices, Id* faces, std::size_t n_faces, std::size_t n_in_block,
               std::size_t n_threads)
        : vertices_(vertices), faces_(faces), n_vertices_(n_vertices), n_left_(n_faces), n_in_block_(n_in_block),
          quadrics_(new Row[n_vertices]), workers_(std::max<std::size_t>(1, n_threads)) {
        find_scale();
    }

    void reduce(std::size_t n_faces) {
        const double goal = left_for_last * static_cast<double>(n_faces);
        for (bool is_odd = false; n_left_ > 2 * n_in_block_ && static_cast<double>(n_left_) > goal; is_odd = !is_odd) {
            const std::size_t before = n_left_;
            split(block_size(), is_odd ? 0.5 : 0.0);
            reduce_blocks((static_cast<double>(n_left_) - goal) / 2);
            if (static_cast<double>(before - n_left_) < least_progress * static_cast<double>(before)) break;
        }
        if (n_left_ <= n_faces) return;
        split(extent(), 0);
        Worker& worker = workers_[0];
        load(0, worker);
        Surface& surface = worker.surface;
        surface.link();
        surface.list(n_levels);
        surface.reduce(n_faces, true);
        for (std::size_t before = 0; surface.n_left > n_faces && surface.n_left != before;) {
            before = surface.n_left;
            surface.list(n_levels);
            surface.reduce(n_faces, false);
        }
        store(0, worker);
        pack();
    }

    std::pair<std::size_t, std::size_t> sizes() const { return {n_vertices_, n_left_}; }

private:
    using Row = std::array<float, 10>;
    using Cell = std::array<std::size_t, 3>;

    struct Worker {
        Surface surface;
        std::vector<Id> own;  // the triangles that it has
        std::vector<std::size_t> counts;
    };

    // Whatever the unit, triangles are about 1 large, and lie around 0.
    void find_scale() {
        Vector area_of{};
        low_ = high_ = raw(0);
        for (std::size_t v = 0; v < n_vertices_; ++v) {
            const Vector p = raw(static_cast<Id>(v));
            for (int i = 0; i < 3; ++i) low_[i] = std::min(low_[i], p[i]), high_[i] = std::max(high_[i], p[i]);
        }
        for (std::size_t f = 0; f < n_left_; ++f) {
            const Id* face = faces_ + 3 * f;
            const Vector n = normal(raw(face[0]), raw(face[1]), raw(face[2]));
            area_of[f % 3] += std::sqrt(dot(n, n));
        }
        const double area = area_of[0] + area_of[1] + area_of[2];
        scale_ = area > 0 ? std::sqrt(static_cast<double>(n_left_) / area) : 1;
        for (int i = 0; i < 3; ++i) {
            origin_[i] = low_[i] + (high_[i] - low_[i]) / 2;
            low_[i] = (low_[i] - origin_[i]) * scale_;
            high_[i] = (high_[i] - origin_[i]) * scale_;
        }
    }

    Vector raw(Id v) const { return {vertices_[3 * v], vertices_[3 * v + 1], vertices_[3 * v + 2]}; }
    Vector place(Id v) const {
        const Vector p = raw(v) - origin_;
        return {p[0] * scale_, p[1] * scale_, p[2] * scale_};
    }
    double extent() const { return 1 + std::max({high_[0] - low_[0], high_[1] - low_[1], high_[2] - low_[2]}); }

    Cell cells(const Vector& p, double size, double offset) const {
        Cell cell;
        for (int i = 0; i < 3; ++i)
            cell[i] = static_cast<std::size_t>(std::max(0.0, std::min(p[i], high_[i]) - low_[i]) / size + offset);
        return cell;
    }

    // The size of blocks of about as many triangles as asked for, by a sample.
    double block_size() const {
        const std::size_t step = n_vertices_ / n_sampled_vertices + 1;
        std::vector<std::size_t> loads;
        double size = extent();
        for (;; size *= 0.8) {
            const Cell n = cells(high_, size, 1);
            if (n[0] * n[1] * n[2] > most_cells) return size;
            loads.assign(n[0] * n[1] * n[2], 0);
            double squares = 0, sum = 0;
            for (std::size_t v = 0; v < n_vertices_; v += step) {
                const Cell cell = cells(place(static_cast<Id>(v)), size, 0);
                ++loads[(cell[0] * n[1] + cell[1]) * n[2] + cell[2]];
            }
            for (const std::size_t load : loads) {
                squares += static_cast<double>(load * load);
                sum += static_cast<double>(load);
            }
            // There are about two triangles for each vertex.
            if (2 * squares / sum * static_cast<double>(step) <= static_cast<double>(n_in_block_)) return size;
        }
    }

    // Lists the vertices of each block, and the triangles that have one there.
    void split(double size, double offset) {
        const Cell last = cells(high_, size, offset);
        const Cell n = {last[0] + 1, last[1] + 1, last[2] + 1};
        const std::size_t n_blocks = n[0] * n[1] * n[2];
        block_of_.resize(n_vertices_);
        rank_.resize(n_vertices_);
        order_.resize(n_vertices_);
        first_vertex_.assign(n_blocks + 1, 0);
        first_face_.assign(n_blocks + 1, 0);
        parallel_blocks((n_vertices_ + strip - 1) / strip, workers_.size(), [&](std::size_t, std::size_t block) {
            const std::size_t end = std::min(n_vertices_, (block + 1) * strip);
            for (std::size_t v = block * strip; v < end; ++v) {
                const Cell cell = cells(place(static_cast<Id>(v)), size, offset);
                block_of_[v] = static_cast<Id>((cell[0] * n[1] + cell[1]) * n[2] + cell[2]);
            }
        });
        for (std::size_t v = 0; v < n_vertices_; ++v) rank_[v] = static_cast<Id>(first_vertex_[block_of_[v] + 1]++);
        for (std::size_t block = 0; block < n_blocks; ++block) first_vertex_[block + 1] += first_vertex_[block];
        for (std::size_t v = 0; v < n_vertices_; ++v)
            order_[first_vertex_[block_of_[v]] + rank_[v]] = static_cast<Id>(v);
        each_touched([&](Id block, std::size_t) { ++first_face_[block + 1]; });
        for (std::size_t block = 0; block < n_blocks; ++block) first_face_[block + 1] += first_face_[block];
        faces_of_.resize(first_face_[n_blocks]);
        std::vector<std::size_t> at(first_face_.begin(), first_face_.end() - 1);
        each_touched([&](Id block, std::size_t f) { faces_of_[at[block]++] = static_cast<Id>(f); });
    }

    template <class Seen>
    void each_touched(Seen&& seen) const {
        for (std::size_t f = 0; f < n_left_; ++f) {
            const Id a = block_of_[faces_[3 * f]], b = block_of_[faces_[3 * f + 1]], c = block_of_[faces_[3 * f + 2]];
            seen(a, f);
            if (b != a) seen(b, f);
            if (c != a && c != b) seen(c, f);
        }
    }

    void reduce_blocks(double n_merges) {
        const std::size_t n_blocks = first_vertex_.size() - 1, step = n_blocks / n_sampled_blocks + 1;
        for (Worker& worker : workers_) worker.counts.assign(n_levels + 1, 0);
        parallel_blocks((n_blocks + step - 1) / step, workers_.size(), [&](std::size_t thread, std::size_t i) {
            Worker& worker = workers_[thread];
            load(i * step, worker);
            worker.surface.count_levels(worker.counts);
            worker.counts[n_levels] += worker.own.size();
        });
        for (std::size_t t = 1; t < workers_.size(); ++t)
            for (std::size_t i = 0; i <= n_levels; ++i) workers_[0].counts[i] += workers_[t].counts[i];
        const auto& counts = workers_[0].counts;
        if (counts[n_levels] == 0) return;
        const double weight = static_cast<double>(n_left_) / static_cast<double>(counts[n_levels]);
        const double n_edges = 1.5 * static_cast<double>(n_left_);
        const double wanted = std::min(n_merges / yield_, most_at_once * n_edges);
        double n_listed = 0;
        unsigned end_level = 0;
        while (end_level < n_levels && n_listed < wanted) n_listed += weight * static_cast<double>(counts[end_level++]);
        const double share = n_listed > n_merges ? n_merges / n_listed : 1;
        parallel_blocks(n_blocks, workers_.size(), [&](std::size_t thread, std::size_t block) {
            if (first_vertex_[block] == first_vertex_[block + 1]) return;
            Worker& worker = workers_[thread];
            load(block, worker);
            worker.surface.link();
            const std::size_t n = worker.surface.list(end_level);
            const std::size_t n_all = worker.surface.n_left, n_fewer = 2 * static_cast<std::size_t>(share * n);
            worker.surface.reduce(n_all - std::min(n_all, n_fewer), true);
            store(block, worker);
        });
        const std::size_t before = n_left_;
        pack();
        yield_ = std::clamp(static_cast<double>(before - n_left_) / 2 / n_listed, 0.1, 1.0);
    }

    void load(std::size_t block, Worker& worker) const {
        Surface& surface = worker.surface;
        const std::size_t first = first_vertex_[block], n = first_vertex_[block + 1] - first;
        surface.clear(n);
        worker.own.clear();
        for (std::size_t i = 0; i < n; ++i) {
            const Id v = order_[first + i];
            surface.places[i] = place(v);
            if (has_quadrics_) surface.quadrics[i] = widened(quadrics_[v], surface.places[i]);
        }
        const Id own = static_cast<Id>(block);
        for (std::size_t i = first_face_[block]; i < first_face_[block + 1]; ++i) {
            const Id f = faces_of_[i], *face = faces_ + 3 * static_cast<std::size_t>(f);
            const bool is_inside = block_of_[face[0]] == own && block_of_[face[1]] == own && block_of_[face[2]] == own;
            if (!has_quadrics_) add_planes(face, own, surface);
            if (is_inside) {
                worker.own.push_back(f);
                for (int c = 0; c < 3; ++c) surface.faces.push_back(rank_[face[c]]);
            } else {
                for (int c = 0; c < 3; ++c)
                    if (block_of_[face[c]] == own) surface.fixed[rank_[face[c]]] = 1;
            }
        }
    }

    void add_planes(const Id* face, Id block, Surface& surface) const {
        const Vector a = place(face[0]);
        Vector n = normal(a, place(face[1]), place(face[2]));
        const double length = std::sqrt(dot(n, n));
        if (!(length > 0)) return;
        for (double& one : n) one /= length;
        for (int c = 0; c < 3; ++c)
            if (block_of_[face[c]] == block) surface.quadrics[rank_[face[c]]].add_plane(n, -dot(n, a), length / 6);
    }

    void store(std::size_t block, const Worker& worker) {
        const Surface& surface = worker.surface;
        for (std::size_t i = 0; i < worker.own.size(); ++i)
            for (int c = 0; c < 3; ++c) {
                const Id v = surface.faces[3 * i + c];
                faces_[3 * static_cast<std::size_t>(worker.own[i]) + c] =
                    v == none ? none : order_[first_vertex_[block] + v];
            }
        for (std::size_t i = 0; i < surface.places.size(); ++i) {
            if (!surface.is_alive(static_cast<Id>(i))) continue;
            const Id v = order_[first_vertex_[block] + i];
            if (!surface.fixed[i])
                for (int c = 0; c < 3; ++c)
                    vertices_[3 * v + c] = static_cast<float>(surface.places[i][c] / scale_ + origin_[c]);
            const Quadric q = surface.quadrics[i].from(place(v));
            quadrics_[v] = {static_cast<float>(q.xx), static_cast<float>(q.xy), static_cast<float>(q.xz),
                            static_cast<float>(q.yy), static_cast<float>(q.yz), static_cast<float>(q.zz),
                            static_cast<float>(q.x),  static_cast<float>(q.y),  static_cast<float>(q.z),
                            static_cast<float>(q.constant)};
        }
    }

    static Quadric widened(const Row& q, const Vector& p) {
        const Quadric there{q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], q[9]};
        return there.from({-p[0], -p[1], -p[2]});
    }

    // Moves what is left to the front.
    void pack() {
        std::vector<Id>& numbers = rank_;
        std::fill(numbers.begin(), numbers.end(), none);
        for (std::size_t i = 0; i < 3 * n_left_; ++i)
            if (faces_[i] != none) numbers[faces_[i]] = 0;
        Id n_used = 0;
        for (std::size_t v = 0; v < n_vertices_; ++v) {
            if (numbers[v] == none) continue;
            std::copy_n(vertices_ + 3 * v, 3, vertices_ + 3 * static_cast<std::size_t>(n_used));
            quadrics_[n_used] = quadrics_[v];
            numbers[v] = n_used++;
        }
        std::size_t n_corners = 0;
        for (std::size_t i = 0; i < 3 * n_left_; ++i)
            if (faces_[i] != none) faces_[n_corners++] = numbers[faces_[i]];
        n_vertices_ = static_cast<std::size_t>(n_used);
        n_left_ = n_corners / 3;
        has_quadrics_ = true;
    }

    float* vertices_;
    Id* faces_;  // none where a triangle is gone
    std::size_t n_vertices_, n_left_, n_in_block_;
    Vector origin_{}, low_{}, high_{};  // the ends in its own scale
    double scale_ = 1;
    double yield_ = 0.5;  // merged of those that were listed
    std::unique_ptr<Row[]> quadrics_;  // each around its own vertex, where few digits are enough
    bool has_quadrics_ = false;
    std::vector<Worker> workers_;
    std::vector<Id> block_of_, rank_, order_, faces_of_;
    std::vector<std::size_t> first_vertex_, first_face_;
};

using Vertices = nb::ndarray<float, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Faces = nb::ndarray<Id, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

std::pair<std::size_t, std::size_t> decimate(const Vertices& vertices, const Faces& faces, std::size_t n_faces,
                                             std::size_t n_in_block, std::size_t n_threads) {
    if (faces.shape(0) == 0) return {0, 0};
    nb::gil_scoped_release release;
    Decimation decimation(vertices.data(), vertices.shape(0), faces.data(), faces.shape(0), n_in_block, n_threads);
    decimation.reduce(n_faces);
    return decimation.sizes();
}

}  // namespace

void bind_decimate(nb::module_& m) {
    m.def("decimate", &decimate, nb::arg("vertices").noconvert(), nb::arg("faces").noconvert(), nb::arg("n_faces"),
          nb::arg("n_in_block"), nb::arg("n_threads"));
}

}  // namespace klevels
