// Decimation: a closed surface of fewer triangles, by merging the ends of the edges that move it least. An edge is merged
// only if that keeps the surface a manifold (the link condition), so it stays closed, whatever its shape.
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "measures.hpp"

namespace nb = nanobind;

namespace klevels {
namespace {

using Vector = std::array<double, 3>;
using Id = std::int32_t;

constexpr Id none = -1;
constexpr double keeps_middle = 1e-3;    // of a quadric's weight: where a plane says nothing, the middle of the edge is best
constexpr double longer_costs = 1e-5;    // times the fourth power of the length: in planes short edges go first
constexpr double farthest = 2.0;         // lengths of the edge that a merged vertex may lie from the middle
constexpr double least_agreement = 0.2;  // cosine between a triangle's normals before and after
constexpr std::size_t least_swept = 1 << 20;

Vector operator-(const Vector& a, const Vector& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
Vector cross(const Vector& a, const Vector& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// The sum of squared distances from planes, each times the area of its triangle.
struct Quadric {
    double xx = 0, xy = 0, xz = 0, yy = 0, yz = 0, zz = 0, x = 0, y = 0, z = 0, constant = 0;

    void add_plane(const Vector& n, double d, double weight) {
        xx += weight * n[0] * n[0], xy += weight * n[0] * n[1], xz += weight * n[0] * n[2];
        yy += weight * n[1] * n[1], yz += weight * n[1] * n[2], zz += weight * n[2] * n[2];
        x += weight * n[0] * d, y += weight * n[1] * d, z += weight * n[2] * d;
        constant += weight * d * d;
    }
    void add(const Quadric& q) {
        xx += q.xx, xy += q.xy, xz += q.xz, yy += q.yy, yz += q.yz, zz += q.zz;
        x += q.x, y += q.y, z += q.z, constant += q.constant;
    }
    double at(const Vector& p) const {
        const double squares = xx * p[0] * p[0] + yy * p[1] * p[1] + zz * p[2] * p[2];
        const double products = xy * p[0] * p[1] + xz * p[0] * p[2] + yz * p[1] * p[2];
        return squares + 2 * products + 2 * (x * p[0] + y * p[1] + z * p[2]) + constant;
    }
    // Where it is least, drawn a little to the middle so that there is one such place.
    Vector least(const Vector& middle) const {
        const double pull = keeps_middle * (xx + yy + zz);
        const double a = xx + pull, d = yy + pull, f = zz + pull;
        const Vector b = {pull * middle[0] - x, pull * middle[1] - y, pull * middle[2] - z};
        const double c00 = d * f - yz * yz, c01 = xz * yz - xy * f, c02 = xy * yz - xz * d;
        const double det = a * c00 + xy * c01 + xz * c02;
        if (!(det > 0)) return middle;
        const double c11 = a * f - xz * xz, c12 = xy * xz - a * yz, c22 = a * d - xy * xy;
        return {(c00 * b[0] + c01 * b[1] + c02 * b[2]) / det, (c01 * b[0] + c11 * b[1] + c12 * b[2]) / det,
                (c02 * b[0] + c12 * b[1] + c22 * b[2]) / det};
    }
};

struct Edge {
    float cost;
    Id a, b;
    std::uint32_t changes;  // of both ends, when it was listed

    // For a heap whose top is the least; ties go to the first vertices.
    bool operator<(const Edge& other) const {
        if (cost != other.cost) return cost > other.cost;
        return a != other.a ? a > other.a : b > other.b;
    }
};

class Surface {
public:
    Surface(double* vertices, std::size_t n_vertices, Id* faces, std::size_t n_faces)
        : vertices_(vertices), faces_(faces), n_vertices_(n_vertices), n_corners_(3 * n_faces), n_left_(n_faces),
          quadrics_(n_vertices), first_(n_vertices, none), next_(3 * n_faces, none), changes_(n_vertices, 0), seen_(n_vertices, 0) {
        to_own_scale();
        for (std::size_t corner = n_corners_; corner-- > 0;) {
            next_[corner] = first_[faces_[corner]];
            first_[faces_[corner]] = static_cast<Id>(corner);
        }
        for (std::size_t f = 0; f < n_faces; ++f) add_planes(static_cast<Id>(3 * f));
    }

    void reduce(std::size_t n_faces) {
        for (const bool is_careful : {true, false}) {
            list_edges();
            while (n_left_ > n_faces && !heap_.empty()) {
                std::pop_heap(heap_.begin(), heap_.end());
                const Edge edge = heap_.back();
                heap_.pop_back();
                if (is_current(edge)) merge(edge.a, edge.b, is_careful);
            }
        }
    }

    // Moves what is left to the front, and tells how much that is.
    std::pair<std::size_t, std::size_t> packed() {
        std::vector<Id> numbers(n_vertices_, none);
        std::size_t n_corners = 0;
        Id n_used = 0;
        for (std::size_t corner = 0; corner < n_corners_; ++corner) {
            if (faces_[corner] != none) numbers[faces_[corner]] = 0;
        }
        for (std::size_t v = 0; v < n_vertices_; ++v) {
            if (numbers[v] == none) continue;
            for (int i = 0; i < 3; ++i) vertices_[3 * n_used + i] = vertices_[3 * v + i] / scale_ + origin_[i];
            numbers[v] = n_used++;
        }
        for (std::size_t corner = 0; corner < n_corners_; ++corner) {
            if (faces_[corner] != none) faces_[n_corners++] = numbers[faces_[corner]];
        }
        return {static_cast<std::size_t>(n_used), n_corners / 3};
    }

private:
    Vector at(Id v) const { return {vertices_[3 * v], vertices_[3 * v + 1], vertices_[3 * v + 2]}; }
    Vector normal(const Vector& a, const Vector& b, const Vector& c) const { return cross(b - a, c - a); }
    static Id after(Id corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }

    // Whatever the unit, triangles are about 1 large, and lie around 0.
    void to_own_scale() {
        Vector high = origin_ = at(0);
        for (std::size_t v = 0; v < n_vertices_; ++v) {
            for (int i = 0; i < 3; ++i) {
                origin_[i] = std::min(origin_[i], vertices_[3 * v + i]);
                high[i] = std::max(high[i], vertices_[3 * v + i]);
            }
        }
        for (int i = 0; i < 3; ++i) origin_[i] += (high[i] - origin_[i]) / 2;
        double area = 0;
        for (std::size_t c = 0; c < n_corners_; c += 3) {
            const Vector n = normal(at(faces_[c]), at(faces_[c + 1]), at(faces_[c + 2]));
            area += std::sqrt(dot(n, n));
        }
        scale_ = area > 0 ? 1 / std::sqrt(area / static_cast<double>(n_left_)) : 1;
        for (std::size_t i = 0; i < 3 * n_vertices_; ++i) vertices_[i] = (vertices_[i] - origin_[i % 3]) * scale_;
    }

    void add_planes(Id corner) {
        const Id* face = faces_ + corner;
        Vector n = normal(at(face[0]), at(face[1]), at(face[2]));
        const double length = std::sqrt(dot(n, n));
        if (!(length > 0)) return;
        for (double& one : n) one /= length;
        const double d = -dot(n, at(face[0]));
        for (int i = 0; i < 3; ++i) quadrics_[face[i]].add_plane(n, d, length / 6);
    }

    // In a closed surface each neighbor comes once after the vertex: edges are listed from both ends, and kept from one.
    void list_edges() {
        heap_.clear();
        heap_.reserve(n_left_ * 3 / 2);
        for (std::size_t corner = 0; corner < n_corners_; ++corner) {
            if (faces_[corner] == none) continue;
            const Id a = faces_[corner], b = faces_[after(static_cast<Id>(corner))];
            if (a < b) heap_.push_back(priced(a, b));
        }
        std::make_heap(heap_.begin(), heap_.end());
    }

    Edge priced(Id a, Id b) const {
        if (b < a) std::swap(a, b);
        const Vector along = at(b) - at(a);
        const double squared = dot(along, along);
        Quadric sum = quadrics_[a];
        sum.add(quadrics_[b]);
        const double cost = std::max(0.0, sum.at(place(sum, a, b))) + longer_costs * squared * squared;
        return {static_cast<float>(cost), a, b, changes_[a] + changes_[b]};
    }

    Vector place(const Quadric& sum, Id a, Id b) const {
        const Vector one = at(a), other = at(b), along = other - one;
        const Vector middle = {one[0] + along[0] / 2, one[1] + along[1] / 2, one[2] + along[2] / 2};
        const Vector best = sum.least(middle), step = best - middle;
        return dot(step, step) <= farthest * farthest * dot(along, along) ? best : middle;
    }

    bool is_current(const Edge& edge) const {
        return first_[edge.a] != none && first_[edge.b] != none && changes_[edge.a] + changes_[edge.b] == edge.changes;
    }

    // Lists the corners of a vertex, and forgets those of triangles that are gone.
    void corners_of(Id v, std::vector<Id>& corners) {
        corners.clear();
        for (Id corner = first_[v]; corner != none; corner = next_[corner]) {
            if (faces_[corner] != none) corners.push_back(corner);
        }
    }

    bool would_close_up(Id b) {
        const std::uint32_t mark = ++mark_;
        for (const Id corner : of_a_) seen_[faces_[after(corner)]] = mark;
        std::size_t n_shared = 0;
        for (const Id corner : of_b_) n_shared += seen_[faces_[after(corner)]] == mark;
        if (n_shared != 2) return true;
        for (const Id corner : of_a_) {  // a triangle opposite to the edge's own would meet another one's back
            const Id one = faces_[after(corner)], other = faces_[after(after(corner))];
            const Id third = one == b ? other : other == b ? one : none;
            if (third == none) continue;
            int n_faces = 0;
            for (Id at = first_[third]; at != none; at = next_[at]) n_faces += faces_[at] != none;
            if (n_faces <= 3) return true;
        }
        return false;
    }

    bool would_turn(const std::vector<Id>& corners, Id other, const Vector& p) const {
        for (const Id corner : corners) {
            const Id one = faces_[after(corner)], two = faces_[after(after(corner))];
            if (one == other || two == other) continue;
            const Vector before = normal(at(faces_[corner]), at(one), at(two)), then = normal(p, at(one), at(two));
            const double agreement = dot(before, then);
            if (!(agreement > 0) || agreement * agreement < least_agreement * least_agreement * dot(before, before) * dot(then, then)) {
                return true;
            }
        }
        return false;
    }

    void merge(Id a, Id b, bool is_careful) {
        corners_of(a, of_a_);
        corners_of(b, of_b_);
        if (would_close_up(b)) return;
        Quadric sum = quadrics_[a];
        sum.add(quadrics_[b]);
        const Vector p = place(sum, a, b);
        if (is_careful && (would_turn(of_a_, b, p) || would_turn(of_b_, a, p))) return;
        for (const Id corner : of_a_) {
            if (faces_[after(corner)] == b || faces_[after(after(corner))] == b) remove(corner);
        }
        first_[a] = none;
        for (const auto* corners : {&of_a_, &of_b_}) {
            for (const Id corner : *corners) {
                if (faces_[corner] == none) continue;
                faces_[corner] = a;
                next_[corner] = first_[a];
                first_[a] = corner;
            }
        }
        first_[b] = none;
        quadrics_[a] = sum;
        for (int i = 0; i < 3; ++i) vertices_[3 * a + i] = p[i];
        ++changes_[a];
        ++changes_[b];
        for (Id corner = first_[a]; corner != none; corner = next_[corner]) {
            heap_.push_back(priced(a, faces_[after(corner)]));
            std::push_heap(heap_.begin(), heap_.end());
        }
        if (heap_.size() > least_swept && heap_.size() > 4 * n_left_) sweep();
    }

    void remove(Id corner) {
        std::fill_n(faces_ + corner / 3 * 3, 3, none);
        --n_left_;
    }

    // Forgets edges that have changed since they were listed.
    void sweep() {
        std::erase_if(heap_, [this](const Edge& edge) { return !is_current(edge); });
        std::make_heap(heap_.begin(), heap_.end());
    }

    double* vertices_;
    Id* faces_;  // none where a triangle is gone
    std::size_t n_vertices_, n_corners_, n_left_;
    Vector origin_{};
    double scale_ = 1;
    std::vector<Quadric> quadrics_;
    std::vector<Id> first_, next_;  // the corners at each vertex
    std::vector<std::uint32_t> changes_, seen_;
    std::vector<Edge> heap_;
    std::vector<Id> of_a_, of_b_;
    std::uint32_t mark_ = 0;
};

using Vertices = nb::ndarray<double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Faces = nb::ndarray<Id, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

std::pair<std::size_t, std::size_t> decimate(const Vertices& vertices, const Faces& faces, std::size_t n_faces) {
    if (faces.shape(0) == 0) return {0, 0};
    nb::gil_scoped_release release;
    Surface surface(vertices.data(), vertices.shape(0), faces.data(), faces.shape(0));
    surface.reduce(n_faces);
    return surface.packed();
}

}  // namespace

void bind_decimate(nb::module_& m) {
    m.def("decimate", &decimate, nb::arg("vertices").noconvert(), nb::arg("faces").noconvert(), nb::arg("n_faces"));
}

}  // namespace klevels
