// A surface, or a part of one, whose edges are merged from the cheapest on.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace klevels {

using Vector = std::array<double, 3>;
using Id = std::int32_t;

constexpr Id none = -1;
constexpr double keeps_middle = 1e-3;    // of a quadric's weight: where planes say nothing, the middle is best
constexpr double longer_costs = 1e-5;    // times the fourth power of the length: in planes short edges go first
constexpr double farthest = 2.0;         // lengths of the edge: from its middle to the merged vertex, at most
constexpr double least_agreement = 0.2;  // cosine between a triangle's normals before and after
constexpr unsigned n_levels = 1024;      // of costs: four for each power of two
constexpr unsigned refused_waits = 8;    // levels until an edge that could not be merged is tried again

inline Vector operator-(const Vector& a, const Vector& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }
inline double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vector cross(const Vector& a, const Vector& b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
inline Vector normal(const Vector& a, const Vector& b, const Vector& c) { return cross(b - a, c - a); }

// Rank of a cost that is not negative: the exponent of the float and two of its digits.
inline unsigned level_of(double cost) { return std::bit_cast<std::uint32_t>(static_cast<float>(cost)) >> 21; }

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
    // The same, with the origin at p.
    Quadric from(const Vector& p) const {
        Quadric q = *this;
        q.constant = std::max(0.0, at(p));
        q.x += xx * p[0] + xy * p[1] + xz * p[2];
        q.y += xy * p[0] + yy * p[1] + yz * p[2];
        q.z += xz * p[0] + yz * p[1] + zz * p[2];
        return q;
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

// An edge is merged only if that keeps the surface a manifold (the link condition), so it stays closed, whatever its
// shape. Edges wait in one queue for each level of cost. They are priced again when their turn comes, and wait on if
// they have become dearer: most edges change more often than they are looked at.
class Surface {
public:
    std::vector<Vector> places;
    std::vector<Quadric> quadrics;
    std::vector<Id> faces;            // three vertices each; none where a triangle is gone
    std::vector<std::uint8_t> fixed;  // vertices that stay where they are
    std::size_t n_left = 0;           // triangles

    void clear(std::size_t n_vertices) {
        places.resize(n_vertices);
        quadrics.assign(n_vertices, Quadric{});
        fixed.assign(n_vertices, 0);
        faces.clear();
    }

    bool is_alive(Id v) const { return parent_[v] == v; }

    // To be called when the arrays above are filled.
    void link() {
        const std::size_t n = places.size();
        n_left = faces.size() / 3;
        first_.assign(n, none);
        next_.resize(faces.size());
        seen_.assign(n, 0);
        mark_ = 0;
        parent_.resize(n);
        for (std::size_t v = 0; v < n; ++v) parent_[v] = static_cast<Id>(v);
        for (std::size_t corner = faces.size(); corner-- > 0;) {
            next_[corner] = first_[faces[corner]];
            first_[faces[corner]] = static_cast<Id>(corner);
        }
    }

    // Adds how many edges there are of each level.
    void count_levels(std::vector<std::size_t>& counts) const {
        each_edge([&](Id a, Id b) { ++counts[level_of(priced(a, b).cost)]; });
    }

    // Lists the edges below a level, and tells how many these are.
    std::size_t list(unsigned end_level) {
        std::size_t n = 0;
        end_level_ = end_level;
        highest_ = 0;
        for (auto& queue : queues_) queue.clear();
        each_edge([&](Id a, Id b) { n += wait(a, b, level_of(priced(a, b).cost)); });
        return n;
    }

    // Merges those that were listed, until so few triangles are left.
    void reduce(std::size_t n_faces, bool is_careful) {
        for (unsigned level = 0; level < end_level_; ++level) {
            for (std::size_t i = 0; i < queues_[level].size(); ++i) {
                if (n_left <= n_faces) return;
                const Id a = root(queues_[level][i].first), b = root(queues_[level][i].second);
                if (a == b) continue;
                const Merger merger = priced(a, b);
                const unsigned now = level_of(merger.cost);
                if (now > level) {
                    wait(a, b, now);
                } else if (!merge(a, b, merger, is_careful) && level < highest_) {
                    queues_[std::min(level + refused_waits, highest_)].emplace_back(a, b);
                }
            }
        }
    }

private:
    struct Merger {
        double cost;
        Vector place;
    };

    static Id after(Id corner) { return corner % 3 == 2 ? corner - 2 : corner + 1; }

    // In a closed surface each neighbor comes once after the vertex: edges are seen from both ends, and kept from one.
    template <class Seen>
    void each_edge(Seen&& seen) const {
        for (std::size_t corner = 0; corner < faces.size(); ++corner) {
            const Id a = faces[corner];
            if (a == none) continue;
            const Id b = faces[after(static_cast<Id>(corner))];
            if (a < b && !fixed[a] && !fixed[b]) seen(a, b);
        }
    }

    bool wait(Id a, Id b, unsigned level) {
        if (level >= end_level_) return false;
        queues_[level].emplace_back(a, b);
        highest_ = std::max(highest_, level);
        return true;
    }

    Id root(Id v) {
        while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
        return v;
    }

    Merger priced(Id a, Id b) const {
        const Vector &one = places[a], along = places[b] - one;
        const Vector middle = {one[0] + along[0] / 2, one[1] + along[1] / 2, one[2] + along[2] / 2};
        const double squared = dot(along, along);
        Quadric sum = quadrics[a];
        sum.add(quadrics[b]);
        Vector place = sum.least(middle);
        const Vector step = place - middle;
        if (!(dot(step, step) <= farthest * farthest * squared)) place = middle;
        return {std::max(0.0, sum.at(place)) + longer_costs * squared * squared, place};
    }

    // Lists the corners of a vertex, and forgets those of triangles that are gone.
    void corners_of(Id v, std::vector<Id>& corners) const {
        corners.clear();
        for (Id corner = first_[v]; corner != none; corner = next_[corner])
            if (faces[corner] != none) corners.push_back(corner);
    }

    bool would_close_up(Id b) {
        const std::uint32_t mark = ++mark_;
        for (const Id corner : of_a_) seen_[faces[after(corner)]] = mark;
        std::size_t n_shared = 0;
        for (const Id corner : of_b_) n_shared += seen_[faces[after(corner)]] == mark;
        if (n_shared != 2) return true;
        for (const Id corner : of_a_) {  // a triangle opposite to the edge's own would meet another one's back
            const Id one = faces[after(corner)], other = faces[after(after(corner))];
            const Id third = one == b ? other : other == b ? one : none;
            if (third == none) continue;
            int n_faces = 0;
            for (Id at = first_[third]; at != none && n_faces <= 3; at = next_[at]) n_faces += faces[at] != none;
            if (n_faces <= 3) return true;
        }
        return false;
    }

    // Twice the area, with its direction, of the loop around the triangles at a vertex, without those at another one.
    Vector loop(const std::vector<Id>& corners, Id other, const Vector& origin) const {
        Vector sum{};
        for (const Id corner : corners) {
            const Id one = faces[after(corner)], two = faces[after(after(corner))];
            if (one == other || two == other) continue;
            const Vector n = cross(places[one] - origin, places[two] - origin);
            for (int i = 0; i < 3; ++i) sum[i] += n[i];
        }
        return sum;
    }

    // The nearest place at which the merged vertex keeps the volume; merely the place if that is far.
    Vector of_same_volume(Id a, Id b, const Vector& place) const {
        const Vector &one = places[a], along = places[b] - one;
        Vector sum = loop(of_a_, b, one);
        const Vector at_b = loop(of_b_, a, one);
        for (int i = 0; i < 3; ++i) sum[i] += at_b[i];
        const double missing = dot(along, at_b) - dot(place - one, sum), squares = dot(sum, sum);
        if (!(missing * missing <= farthest * farthest * squares * dot(along, along)) || squares == 0) return place;
        const double t = missing / squares;
        return {place[0] + t * sum[0], place[1] + t * sum[1], place[2] + t * sum[2]};
    }

    bool would_turn(const std::vector<Id>& corners, Id other, const Vector& p) const {
        for (const Id corner : corners) {
            const Id one = faces[after(corner)], two = faces[after(after(corner))];
            if (one == other || two == other) continue;
            const Vector before = normal(places[faces[corner]], places[one], places[two]);
            const Vector then = normal(p, places[one], places[two]);
            const double agreement = dot(before, then);
            if (!(agreement > 0) ||
                agreement * agreement < least_agreement * least_agreement * dot(before, before) * dot(then, then))
                return true;
        }
        return false;
    }

    bool merge(Id a, Id b, const Merger& merger, bool is_careful) {
        corners_of(a, of_a_);
        corners_of(b, of_b_);
        if (would_close_up(b)) return false;
        const Vector p = of_same_volume(a, b, merger.place);
        if (is_careful && (would_turn(of_a_, b, p) || would_turn(of_b_, a, p))) return false;
        for (const Id corner : of_a_) {
            if (faces[after(corner)] != b && faces[after(after(corner))] != b) continue;
            std::fill_n(faces.begin() + corner / 3 * 3, 3, none);
            --n_left;
        }
        first_[a] = none;
        for (const auto* corners : {&of_a_, &of_b_}) {
            for (const Id corner : *corners) {
                if (faces[corner] == none) continue;
                faces[corner] = a;
                next_[corner] = first_[a];
                first_[a] = corner;
            }
        }
        first_[b] = none;
        parent_[b] = a;
        quadrics[a].add(quadrics[b]);
        places[a] = p;
        return true;
    }

    std::vector<Id> first_, next_;  // the corners at each vertex
    std::vector<Id> parent_;        // the vertex that it was merged into; itself as long as it is there
    std::vector<std::uint32_t> seen_;
    std::uint32_t mark_ = 0;
    std::array<std::vector<std::pair<Id, Id>>, n_levels> queues_;
    unsigned end_level_ = 0, highest_ = 0;  // of what was listed
    std::vector<Id> of_a_, of_b_;
};

}  // namespace klevels
