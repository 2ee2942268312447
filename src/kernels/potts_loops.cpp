// One copy of the loops of potts.hpp, for the instruction set that the build names as KLEVELS_ISA.
// No standard library in here: an inline function compiled for a newer processor must never be shared with the rest.
#include "potts.hpp"

#define KLEVELS_JOIN2(a, b) a##b
#define KLEVELS_JOIN(a, b) KLEVELS_JOIN2(a, b)

#if defined(_MSC_VER)
#define KLEVELS_NOINLINE __declspec(noinline)
#else
#define KLEVELS_NOINLINE __attribute__((noinline))
#endif

namespace klevels {
namespace {

template <class T>
void spread(const T* values, std::size_t n, double* out) {
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<double>(values[2 * i]);
}

// A function of its own: inlined, compilers try to do several neighbors at once, and lose the vectors over it.
template <std::size_t width>
KLEVELS_NOINLINE void add_equal(const std::uint8_t* one, const std::uint8_t* other, std::uint8_t label,
                                std::uint8_t* count) {
    for (std::size_t i = 0; i < width; ++i)
        count[i] = static_cast<std::uint8_t>(count[i] + (one[i] == label) + (other[i] == label));
}

// The weights of the neighbors that have a label: at most 26 of at most 2048 each, so that 16 bits hold the sum. Those
// of equal weight come in pairs, on opposite sides.
template <std::size_t width>
inline void weigh(const std::uint8_t* labels, const Neighborhood& around, std::uint8_t label, std::uint16_t* same) {
    for (std::size_t i = 0; i < width; ++i) same[i] = 0;
    std::size_t neighbor = 0;
    for (std::size_t group = 0; group < around.n_groups; ++group) {
        std::uint8_t count[width];
        for (std::size_t i = 0; i < width; ++i) count[i] = 0;
        for (; neighbor < around.ends[group]; neighbor += 2)
            add_equal<width>(labels + around.offsets[neighbor], labels + around.offsets[neighbor + 1], label, count);
        const std::uint16_t weight = around.weights[group];
        for (std::size_t i = 0; i < width; ++i) same[i] = static_cast<std::uint16_t>(same[i] + count[i] * weight);
    }
}

template <std::size_t width>
bool update(std::uint8_t* labels, const double* values, const Neighborhood& around, const PottsClasses& classes) {
    constexpr double beyond = 0x1.fffffffffffffp1023;
    double least[width], present[width], which[width], before[width];
    for (std::size_t i = 0; i < width; ++i) {
        before[i] = which[i] = labels[i];
        least[i] = beyond;
        present[i] = -beyond;  // of a voxel that does not count: nothing is cheaper
    }
    for (std::size_t l = 0; l < classes.n; ++l) {
        std::uint16_t same[width];
        weigh<width>(labels, around, static_cast<std::uint8_t>(l), same);
        const double mean = classes.means[l], inverse = classes.inverses[l], constant = classes.constants[l];
        const double beta = classes.beta, label = static_cast<double>(l);
        for (std::size_t i = 0; i < width; ++i) {
            const double z = (values[i] - mean) * inverse;
            const double cost = (z * z + constant) - beta * static_cast<double>(same[i]);
            present[i] = before[i] == label ? cost : present[i];
            which[i] = cost < least[i] ? label : which[i];
            least[i] = cost < least[i] ? cost : least[i];
        }
    }
    int changed = 0;
    for (std::size_t i = 0; i < width; ++i) {
        which[i] = least[i] < present[i] ? which[i] : before[i];
        changed |= which[i] != before[i];
    }
    if (changed != 0)
        for (std::size_t i = 0; i < width; ++i)
            labels[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(which[i]));
    return changed != 0;
}

template <std::size_t width>
void leads(const std::uint8_t* labels, const Neighborhood& around, std::size_t n_classes, std::int32_t* out) {
    std::int32_t own[width], others[width], n_others[width];
    for (std::size_t i = 0; i < width; ++i) own[i] = others[i] = n_others[i] = 0;
    for (std::size_t l = 0; l < n_classes; ++l) {
        std::uint16_t same[width];
        weigh<width>(labels, around, static_cast<std::uint8_t>(l), same);
        for (std::size_t i = 0; i < width; ++i) {
            const std::int32_t weight = same[i];
            const bool is_own = labels[i] == l;
            own[i] += is_own ? weight : 0;
            others[i] += is_own ? 0 : weight;
            n_others[i] += !is_own && weight > 0 ? 1 : 0;
        }
    }
    for (std::size_t i = 0; i < width; ++i) out[i] = n_others[i] < 2 ? own[i] - others[i] : potts_no_lead;
}

}  // namespace

extern const PottsLoops KLEVELS_JOIN(potts_loops_, KLEVELS_ISA);
const PottsLoops KLEVELS_JOIN(potts_loops_, KLEVELS_ISA) = {
    spread<std::uint8_t>, spread<std::int8_t>,  spread<std::uint16_t>, spread<std::int16_t>,
    spread<std::uint32_t>, spread<std::int32_t>, spread<std::int64_t>, spread<float>,
    spread<double>,       update<potts_wide>,   update<potts_narrow>, leads<potts_narrow>};

}  // namespace klevels
