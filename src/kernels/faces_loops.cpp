// One copy of the loops of faces.hpp, for the instruction set that the build names as KLEVELS_ISA.
// No standard library in here: an inline function compiled for a newer processor must never be shared with the rest.
#include "faces.hpp"

#include <math.h>
#include <string.h>

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)

namespace klevels {
namespace {

constexpr std::size_t after_row = 8;  // bytes that are read beyond its end

// Eight bytes of 0 or 1 as bits.
inline std::uint64_t packed(const std::uint8_t* bytes) {
    std::uint64_t word;
    memcpy(&word, bytes, 8);
    return word * 0x0102040810204080u >> 56;
}

template <class T>
void match_row(const T* row, std::size_t n, T label, T last, std::uint64_t* bits, std::uint8_t* sums) {
    std::uint8_t own[longest_row + after_row] = {}, halves[longest_row + after_row] = {};
    const std::size_t n_words = (n + 63) / 64;
    for (std::size_t i = 0; i < 64 * n_words; ++i) own[i] = row[i] == label;
    for (std::size_t i = 0; i < 64 * n_words; ++i) halves[i] = static_cast<std::uint8_t>(2 * own[i] + (row[i] > last));
    for (std::size_t word = 0; word < n_words; ++word) {
        std::uint64_t found = 0;
        for (std::size_t i = 0; i < 8; ++i) found |= packed(own + 64 * word + 8 * i) << (8 * i);
        bits[word] = found;
    }
    for (std::size_t x = 0; x < n; ++x)
        sums[x] =
            static_cast<std::uint8_t>(halves[x] + halves[x + 1] + halves[x + 2] + halves[x + 3] + halves[x + 4]);
}

void add_rows(std::uint8_t* rows, std::size_t n_rows, std::size_t n) {
    for (std::size_t r = 0; r + 4 < n_rows; ++r, rows += n) {
        std::uint8_t* here = rows;  // all are read before it is written, voxel by voxel
        const std::uint8_t *b = rows + n, *c = b + n, *d = c + n, *e = d + n;
        for (std::size_t x = 0; x < n; ++x)
            here[x] = static_cast<std::uint8_t>(here[x] + b[x] + c[x] + d[x] + e[x]);
    }
}

void cosines(const FaceList& list, std::int32_t* out) {
    std::int32_t slopes[3][most_cosines];
    const std::size_t n = list.n;
    const std::ptrdiff_t back = 2 * (list.strides[0] + list.strides[1] + list.strides[2]);
    const std::ptrdiff_t between = list.strides[list.axis];
    const std::ptrdiff_t s0 = list.strides[0], s1 = list.strides[1], s2 = list.strides[2];
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint8_t *after = list.sums + list.faces[i] - back, *before = after - between;
        slopes[0][i] = after[s0] - after[-s0] + before[s0] - before[-s0];
        slopes[1][i] = after[s1] - after[-s1] + before[s1] - before[-s1];
        slopes[2][i] = after[s2] - after[-s2] + before[s2] - before[-s2];
    }
    const double w0 = list.weights[0], w1 = list.weights[1], w2 = list.weights[2], w = list.weights[list.axis];
    const std::int32_t* along = slopes[list.axis];
    for (std::size_t i = 0; i < n; ++i) {
        const double a = slopes[0][i] * w0, b = slopes[1][i] * w1, c = slopes[2][i] * w2;
        const double squares = a * a + b * b + c * c;
        const double flat = squares > 0 ? 0.0 : 1.0;  // no slope at all: the face counts as a whole
        const double cosine = fabs(along[i] * w) / sqrt(squares + flat) + flat;
        out[i] = static_cast<std::int32_t>(cosine * cosine_unit + 0.5);
    }
}

inline std::int64_t n_bits(std::uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return static_cast<std::int64_t>(word * 0x0101010101010101u >> 56);
}

// Voxels that hang together by corners are closed cubes, of which corners, edges and faces are shared: each is there
// where any of the voxels around it is. Those that hang together by faces are points, joined by edges, squares and
// cubes where all of their voxels are there.
void add_euler(const EulerRows& rows, std::int64_t* both) {
    std::int64_t open = 0, closed = 0;
    std::uint64_t carried[4] = {};
    for (std::size_t i = 0; i < rows.n_words; ++i) {
        std::uint64_t here[4], before[4], any = 0, all = ~std::uint64_t{0};
        for (int r = 0; r < 4; ++r) {
            here[r] = rows.rows[r][i];
            before[r] = here[r] << 1 | carried[r];
            carried[r] = here[r] >> 63;
            any |= here[r] | before[r];
            all &= here[r] & before[r];
        }
        const std::uint64_t wanted = rows.wanted[i];
        if (!(any & wanted) || (all & wanted) == wanted) continue;
        const auto count = [&](std::uint64_t word) { return n_bits(word & wanted); };
        const std::uint64_t v = here[3], y = here[2], z = here[1], yz = here[0];
        const std::uint64_t vx = before[3], yx = before[2], zx = before[1];
        closed += count(any) - count(v | y | z | yz) - count(v | y | vx | yx) - count(v | z | vx | zx) + count(v | vx) +
                  count(v | y) + count(v | z) - count(v);
        open += count(v) - count(v & vx) - count(v & y) - count(v & z) + count(v & y & z & yz) +
                count(v & y & vx & yx) + count(v & z & vx & zx) - count(all);
    }
    both[0] += open;
    both[1] += closed;
}

}  // namespace

extern const FaceLoops KLEVELS_JOIN(face_loops_, KLEVELS_ISA);
const FaceLoops KLEVELS_JOIN(face_loops_, KLEVELS_ISA) = {match_row<std::uint8_t>, match_row<std::uint16_t>, add_rows,
                                                           cosines, add_euler};

}  // namespace klevels
