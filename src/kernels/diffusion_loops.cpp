// One copy of the loops of diffusion.hpp, for the instruction set that the build names as KLEVELS_ISA. No standard
// library in here, and nothing that depends on the width of vectors: the last voxels of a row are as all others.
// Pointers are read from their structures before a loop, one by one: else compilers do not see that they stay.
#include "diffusion.hpp"

#include <cstdint>

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)

namespace klevels {
namespace {

constexpr float flattest = 1e-12f;  // added to squared gradients, in units of the strength: no division by zero
constexpr float steepest = 80.0f;   // exp(-80) is nothing
constexpr float farthest = 1e18f;   // of which the square is finite

// Choices are made with bits: a compiler that sees a branch may not use vectors.
inline std::int32_t bits_of(float x) { return __builtin_bit_cast(std::int32_t, x); }
inline float float_of(std::int32_t bits) { return __builtin_bit_cast(float, bits); }

// The lesser of |x| and a bound; the bound for NaN.
inline float bounded(float x, float bound) {
    const std::int32_t most = bits_of(bound), excess = (bits_of(x) & 0x7fffffff) - most;
    return float_of(most + (excess & (excess >> 31)));
}

// x, but no farther from 0 than a bound.
inline float limited(float x, float bound) { return float_of(bits_of(bounded(x, bound)) | (bits_of(x) & INT32_MIN)); }

// x where |x| is below a bound, else 0; 0 for NaN.
inline float unless_beyond(float x, float bound) {
    const std::int32_t excess = (bits_of(x) & 0x7fffffff) - bits_of(bound);
    return float_of(bits_of(x) & (excess >> 31));
}

// x or 0, whichever is greater, if `sign` is positive; -x or 0 if it is negative.
inline float upwind(float x, float sign) {
    const std::int32_t turned = bits_of(x) ^ (bits_of(sign) & INT32_MIN);
    return float_of(turned & ~(turned >> 31));
}

// 1 / sqrt(x) to the last bit or two: a guess from the exponent, and Newton. The library's root could set errno, which
// keeps compilers from using vectors.
inline float inverse_root(float x) {
    float y = float_of(0x5f375a86 - (bits_of(x) >> 1));
    const float half = 0.5f * x;
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    return y * (1.5f - half * y * y);
}

// exp(-x) for 0 <= x <= 80, to 2e-7: a power of two for the whole part, a polynomial for the rest.
inline float decay(float x) {
    constexpr float to_whole = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const float t = x * 1.44269504f, whole = (t + to_whole) - to_whole, f = t - whole;
    const float p = 1.00000007f + f * (-0.693147188f + f * (0.240221075f + f * (-0.0555035711f + f * (0.00967603192f
                                                                                  + f * -0.00133908634f))));
    return p * float_of((127 - static_cast<std::int32_t>(whole)) << 23);
}

template <bool masked, class T>
inline float step(T from, T to, float from_inside, float to_inside, T scale) {
    const float d = static_cast<float>((to - from) * scale);
    if constexpr (masked) return d * (from_inside * to_inside);
    return d;
}

template <bool masked>
inline float at(const float* inside, std::size_t i) {
    if constexpr (masked) return inside[i];
    return 1.0f;
}

// The steps to a voxel and from it, along an axis, added.
template <bool masked, class T>
inline float steps(T before, T here, T after, float before_in, float here_in, float after_in, T scale) {
    return step<masked>(before, here, before_in, here_in, scale) + step<masked>(here, after, here_in, after_in, scale);
}

// Voxels p and q on either side of a face; their neighbors along the axes a and b, before (0) and after (1).
template <bool masked, class T>
void flow_of(const Faces<T>& v, const Faces<float>& w, const T* scale, std::size_t n, float* __restrict out) {
    const T along = scale[0], by_a = scale[1], by_b = scale[2];
    const T *p = v.here, *p_a0 = v.beside_here[0][0], *p_a1 = v.beside_here[0][1];
    const T *p_b0 = v.beside_here[1][0], *p_b1 = v.beside_here[1][1];
    const T *q = v.there, *q_a0 = v.beside_there[0][0], *q_a1 = v.beside_there[0][1];
    const T *q_b0 = v.beside_there[1][0], *q_b1 = v.beside_there[1][1];
    const float *wp = w.here, *wp_a0 = w.beside_here[0][0], *wp_a1 = w.beside_here[0][1];
    const float *wp_b0 = w.beside_here[1][0], *wp_b1 = w.beside_here[1][1];
    const float *wq = w.there, *wq_a0 = w.beside_there[0][0], *wq_a1 = w.beside_there[0][1];
    const float *wq_b0 = w.beside_there[1][0], *wq_b1 = w.beside_there[1][1];
    constexpr auto in = at<masked>;
    for (std::size_t i = 0; i < n; ++i) {
        const float p_in = in(wp, i), q_in = in(wq, i);
        const float p_a = steps<masked>(p_a0[i], p[i], p_a1[i], in(wp_a0, i), p_in, in(wp_a1, i), by_a);
        const float q_a = steps<masked>(q_a0[i], q[i], q_a1[i], in(wq_a0, i), q_in, in(wq_a1, i), by_a);
        const float p_b = steps<masked>(p_b0[i], p[i], p_b1[i], in(wp_b0, i), p_in, in(wp_b1, i), by_b);
        const float q_b = steps<masked>(q_b0[i], q[i], q_b1[i], in(wq_b0, i), q_in, in(wq_b1, i), by_b);
        const float d = step<masked>(p[i], q[i], p_in, q_in, along);
        const float a = 0.25f * (p_a + q_a), b = 0.25f * (p_b + q_b);
        const float steep = bounded(d * d + a * a + b * b, steepest);
        out[i] = d * (decay(steep) * inverse_root(steep + flattest));
    }
}

template <class T>
void flow(const Faces<T>& values, const Faces<float>* inside, const T* scale, std::size_t n, float* out) {
    if (inside != nullptr)
        flow_of<true>(values, *inside, scale, n, out);
    else
        flow_of<false>(values, {}, scale, n, out);
}

// Upwind: where the gray value rises, only neighbors above it pull; where it falls, only those below.
template <bool masked, class T>
inline float pull(T before, T here, T after, float before_in, float here_in, float after_in, T scale, float speed) {
    const float b = upwind(step<masked>(here, before, here_in, before_in, scale), speed);
    const float a = upwind(step<masked>(here, after, here_in, after_in, scale), speed);
    return b * b + a * a;
}

template <bool masked, class T>
void advance_of(const Cross<T>& v, const Cross<float>& w, const T* scale, const float* const (*flows)[2],
                const float* weights, T gain, std::size_t n, T* __restrict out) {
    const T *p = v.here, *z0 = v.beside[0][0], *z1 = v.beside[0][1];
    const T *y0 = v.beside[1][0], *y1 = v.beside[1][1], *x0 = v.beside[2][0], *x1 = v.beside[2][1];
    const float *wp = w.here, *wz0 = w.beside[0][0], *wz1 = w.beside[0][1];
    const float *wy0 = w.beside[1][0], *wy1 = w.beside[1][1], *wx0 = w.beside[2][0], *wx1 = w.beside[2][1];
    const float *fz0 = flows[0][0], *fz1 = flows[0][1], *fy0 = flows[1][0], *fy1 = flows[1][1];
    const float *fx0 = flows[2][0], *fx1 = flows[2][1];
    const float weight_z = weights[0], weight_y = weights[1], weight_x = weights[2];
    const T by_z = scale[0], by_y = scale[1], by_x = scale[2];
    constexpr auto in = at<masked>;
    for (std::size_t i = 0; i < n; ++i) {
        const float speed =
            (fz1[i] - fz0[i]) * weight_z + (fy1[i] - fy0[i]) * weight_y + (fx1[i] - fx0[i]) * weight_x;
        const float p_in = in(wp, i);
        const float z = pull<masked>(z0[i], p[i], z1[i], in(wz0, i), p_in, in(wz1, i), by_z, speed);
        const float y = pull<masked>(y0[i], p[i], y1[i], in(wy0, i), p_in, in(wy1, i), by_y, speed);
        const float x = pull<masked>(x0[i], p[i], x1[i], in(wx0, i), p_in, in(wx1, i), by_x, speed);
        const float square = z + y + x;
        const float change = square * inverse_root(square + 1e-24f) * speed;
        out[i] = p[i] + static_cast<T>(unless_beyond(change, farthest)) * gain;
    }
}

template <class T>
void advance(const Cross<T>& values, const Cross<float>* inside, const T* scale, const float* const (*flows)[2],
             const float* weights, T gain, std::size_t n, T* out) {
    if (inside != nullptr)
        advance_of<true>(values, *inside, scale, flows, weights, gain, n, out);
    else
        advance_of<false>(values, {}, scale, flows, weights, gain, n, out);
}

template <class T>
void values(const T* given, const float* const (*flows)[2], const float* weights, T strength, std::size_t n,
            T* __restrict out) {
    const float *z0 = flows[0][0], *z1 = flows[0][1], *y0 = flows[1][0], *y1 = flows[1][1];
    const float *x0 = flows[2][0], *x1 = flows[2][1];
    const float weight_z = weights[0], weight_y = weights[1], weight_x = weights[2];
    for (std::size_t i = 0; i < n; ++i) {
        const float lost = (z1[i] - z0[i]) * weight_z + (y1[i] - y0[i]) * weight_y + (x1[i] - x0[i]) * weight_x;
        out[i] = given[i] - static_cast<T>(lost) * strength;
    }
}

// One parameter for each array, so that compilers believe that they do not overlap.
template <bool masked, class T>
void advance_flows(const T* here, const T* z_next, const T* y_next, const T* x_next, const float* z_open,
                   const float* y_open, const float* x_open, T by_z, T by_y, T by_x, float pace, std::size_t n,
                   float* __restrict z_flow, float* __restrict y_flow, float* __restrict x_flow) {
    constexpr auto is_open = at<masked>;
    for (std::size_t i = 0; i < n; ++i) {
        const float z = limited(static_cast<float>((z_next[i] - here[i]) * by_z), farthest) * is_open(z_open, i);
        const float y = limited(static_cast<float>((y_next[i] - here[i]) * by_y), farthest) * is_open(y_open, i);
        const float x = limited(static_cast<float>((x_next[i] - here[i]) * by_x), farthest) * is_open(x_open, i);
        const float square = z * z + y * y + x * x;
        const float shrunk = 1.0f / (1.0f + pace * (square * inverse_root(square + 1e-24f)));
        z_flow[i] = (z_flow[i] - pace * z) * shrunk;
        y_flow[i] = (y_flow[i] - pace * y) * shrunk;
        x_flow[i] = (x_flow[i] - pace * x) * shrunk;
    }
}

template <class T>
void advance_all(const T* here, const T* const* next, const float* open, const T* scale, float pace, std::size_t n,
                 float* const* flows) {
    if (open != nullptr)
        advance_flows<true>(here, next[0], next[1], next[2], open, open + n, open + 2 * n, scale[0], scale[1], scale[2],
                            pace, n, flows[0], flows[1], flows[2]);
    else
        advance_flows<false, T>(here, next[0], next[1], next[2], nullptr, nullptr, nullptr, scale[0], scale[1],
                                scale[2], pace, n, flows[0], flows[1], flows[2]);
}

}  // namespace

extern const DiffusionLoops KLEVELS_JOIN(diffusion_loops_, KLEVELS_ISA);
const DiffusionLoops KLEVELS_JOIN(diffusion_loops_, KLEVELS_ISA) = {
    {flow<float>, advance<float>},
    {flow<double>, advance<double>},
    {values<float>, advance_all<float>},
    {values<double>, advance_all<double>}};

}  // namespace klevels
