// The label of each voxel: how many thresholds lie below its gray value.
#include <type_traits>

#include "kernels.hpp"
#include "parallel.hpp"
#include "simd.hpp"
#include "spans.hpp"

namespace klevels {
namespace {

// Beyond this many thresholds a search by halves is faster than comparing with all of them.
constexpr std::size_t most_comparisons = 24;

template <class T>
Label<T> label_loop() {
    if constexpr (std::is_same_v<T, std::uint8_t>) return loops().label_u8;
    if constexpr (std::is_same_v<T, std::int8_t>) return loops().label_i8;
    if constexpr (std::is_same_v<T, std::uint16_t>) return loops().label_u16;
    if constexpr (std::is_same_v<T, std::int16_t>) return loops().label_i16;
    if constexpr (std::is_same_v<T, std::uint32_t>) return loops().label_u32;
    if constexpr (std::is_same_v<T, std::int32_t>) return loops().label_i32;
    if constexpr (std::is_same_v<T, std::int64_t>) return loops().label_i64;
    if constexpr (std::is_same_v<T, float>) return loops().label_f32;
    if constexpr (std::is_same_v<T, double>) return loops().label_f64;
}

// Operands: image, labels, and the mask if there is one. `labels_of(x, n, out)` labels a contiguous span.
template <class T, class L, class LabelsOf>
void label_blocks(const Walk& walk, const Labeling& labeling, std::size_t n_threads, LabelsOf labels_of) {
    parallel_blocks(block_count(walk), n_threads, [&](std::size_t, std::size_t block) {
        const std::size_t begin = block * block_length, end = std::min(walk.size(), begin + block_length);
        walk.runs(begin, end, [&](const auto& pointers, const auto& strides, std::size_t n) {
            T values[span_length];
            L labels[span_length];
            for (std::size_t start = 0; start < n; start += span_length) {
                const std::size_t length = std::min(span_length, n - start);
                const auto offset = static_cast<std::ptrdiff_t>(start);
                const char* source = pointers[0] + offset * strides[0];
                char* target = pointers[1] + offset * strides[1];
                const T* x = reinterpret_cast<const T*>(source);
                if (labeling.swap || strides[0] != sizeof(T)) {
                    gather(source, strides[0], length, labeling.swap, values);
                    x = values;
                }
                const bool direct = strides[1] == sizeof(L);
                L* out = direct ? reinterpret_cast<L*>(target) : labels;
                labels_of(x, length, out);
                if (labeling.masked) {
                    const char* mask = pointers[2] + offset * strides[2];
                    for (std::size_t i = 0; i < length; ++i)
                        if (mask[static_cast<std::ptrdiff_t>(i) * strides[2]] == 0)
                            out[i] = static_cast<L>(labeling.ignore);
                }
                if (!direct)
                    for (std::size_t i = 0; i < length; ++i)
                        std::memcpy(target + static_cast<std::ptrdiff_t>(i) * strides[1], out + i, sizeof(L));
            }
        });
    });
}

template <class T, class L>
void label_by_search(const Walk& walk, const Labeling& labeling, const T* thresholds, std::size_t n_thresholds,
                     std::size_t n_threads) {
    label_blocks<T, L>(walk, labeling, n_threads, [&](const T* x, std::size_t n, L* out) {
        for (std::size_t i = 0; i < n; ++i) {
            const auto below = std::lower_bound(thresholds, thresholds + n_thresholds, x[i]) - thresholds;
            out[i] = x[i] == x[i] ? static_cast<L>(labeling.first + below) : static_cast<L>(labeling.ignore);
        }
    });
}

template <class T>
void label_as(const Walk& walk, const Labeling& labeling, const void* untyped, std::size_t n_thresholds,
              std::size_t n_threads) {
    const T* thresholds = static_cast<const T*>(untyped);
    if (labeling.label_size == 2) {
        label_by_search<T, std::uint16_t>(walk, labeling, thresholds, n_thresholds, n_threads);
    } else if (n_thresholds > most_comparisons) {
        label_by_search<T, std::uint8_t>(walk, labeling, thresholds, n_thresholds, n_threads);
    } else {
        const Label<T> label = label_loop<T>();
        label_blocks<T, std::uint8_t>(walk, labeling, n_threads, [&](const T* x, std::size_t n, std::uint8_t* out) {
            label(x, n, thresholds, n_thresholds, static_cast<std::uint8_t>(labeling.first),
                  static_cast<std::uint8_t>(labeling.ignore), out);
        });
    }
}

template <class T, class L>
void look_up(const Walk& walk, const Labeling& labeling, const std::uint16_t* table, std::size_t n_threads) {
    std::vector<L> own(table, table + (std::size_t{1} << (8 * sizeof(T))));
    label_blocks<T, L>(walk, labeling, n_threads, [&](const T* x, std::size_t n, L* out) {
        for (std::size_t i = 0; i < n; ++i) out[i] = own[x[i]];
    });
}

}  // namespace

void label_by_thresholds(const Walk& walk, const Labeling& labeling, const void* thresholds, std::size_t n_thresholds,
                         std::size_t n_threads) {
    const auto run = [&]<class T>(T) { label_as<T>(walk, labeling, thresholds, n_thresholds, n_threads); };
    if (labeling.item_size == 1) return labeling.is_signed ? run(std::int8_t{}) : run(std::uint8_t{});
    if (labeling.item_size == 2) return labeling.is_signed ? run(std::int16_t{}) : run(std::uint16_t{});
    switch (labeling.number) {
        case Number::int32: return run(std::int32_t{});
        case Number::uint32: return run(std::uint32_t{});
        case Number::int64: return run(std::int64_t{});
        case Number::float32: return run(float{});
        default: return run(double{});
    }
}

void label_by_table(const Walk& walk, const Labeling& labeling, const std::uint16_t* table, std::size_t n_threads) {
    const bool one_byte = labeling.item_size == 1, narrow = labeling.label_size == 1;
    if (one_byte && narrow) return look_up<std::uint8_t, std::uint8_t>(walk, labeling, table, n_threads);
    if (one_byte) return look_up<std::uint8_t, std::uint16_t>(walk, labeling, table, n_threads);
    if (narrow) return look_up<std::uint16_t, std::uint8_t>(walk, labeling, table, n_threads);
    return look_up<std::uint16_t, std::uint16_t>(walk, labeling, table, n_threads);
}

}  // namespace klevels
