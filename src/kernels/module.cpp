// The kernels as Python sees them: NumPy arrays in, NumPy arrays out, the interpreter lock released while they run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "kernels.hpp"
#include "simd.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace klevels {
namespace {

using AnyIn = nb::ndarray<nb::ro, nb::device::cpu>;
using AnyOut = nb::ndarray<nb::device::cpu>;
template <class T>
using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<nb::numpy, T>;

template <class T>
Out<T> to_numpy(std::vector<T>&& values, std::initializer_list<std::size_t> shape) {
    auto* owned = new std::vector<T>(std::move(values));
    nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return Out<T>(owned->data(), shape, owner);
}

template <class Array>
Operand operand_of(const Array& array) {
    Operand operand{const_cast<char*>(static_cast<const char*>(array.data())), {}};
    for (std::size_t axis = 0; axis < array.ndim(); ++axis)
        operand.strides.push_back(array.stride(axis) * static_cast<std::ptrdiff_t>(array.itemsize()));
    return operand;
}

std::vector<std::size_t> shape_of(const AnyIn& array) {
    std::vector<std::size_t> shape;
    for (std::size_t axis = 0; axis < array.ndim(); ++axis) shape.push_back(array.shape(axis));
    return shape;
}

Number number_named(const std::string& name) {
    if (name == "int32") return Number::int32;
    if (name == "uint32") return Number::uint32;
    if (name == "int64") return Number::int64;
    if (name == "float32") return Number::float32;
    if (name == "float64") return Number::float64;
    throw std::invalid_argument("no kernel for " + name);
}

Out<std::int64_t> tally_face(const AnyIn& image, const std::optional<AnyIn>& mask, std::size_t n_threads) {
    std::vector<Operand> operands{operand_of(image)};
    if (mask) operands.push_back(operand_of(*mask));
    const Walk walk(shape_of(image), std::move(operands));
    std::vector<std::int64_t> counts;
    {
        nb::gil_scoped_release release;
        counts = tally(walk, image.itemsize(), mask.has_value(), n_threads);
    }
    const std::size_t n = counts.size();
    return to_numpy(std::move(counts), {n});
}

using BinArrays = std::tuple<unsigned, Out<std::uint64_t>, Out<std::int64_t>, Out<std::uint64_t>, std::int64_t, std::int64_t>;

BinArrays to_arrays(const Bins& bins) {
    const std::size_t n = bins.bins.size();
    std::vector<std::uint64_t> keys, rests;
    std::vector<std::int64_t> counts;
    keys.reserve(n);
    rests.reserve(4 * n);
    counts.reserve(n);
    for (const Bin& bin : bins.bins) {
        keys.push_back(bin.key);
        counts.push_back(bin.count);
        for (const std::uint64_t part : {bin.rest.low, bin.rest.high, bin.rest2.low, bin.rest2.high}) rests.push_back(part);
    }
    return {bins.shift, to_numpy(std::move(keys), {n}), to_numpy(std::move(counts), {n}),
            to_numpy(std::move(rests), {n, 4}), bins.n_nan, bins.n_infinite};
}

BinArrays count_bins_face(const AnyIn& image, const std::string& number, bool swap, const std::optional<AnyIn>& mask,
                          std::size_t limit, std::size_t n_threads) {
    std::vector<Operand> operands{operand_of(image)};
    if (mask) operands.push_back(operand_of(*mask));
    const Walk walk(shape_of(image), std::move(operands));
    const Number kind = number_named(number);
    Bins bins;
    {
        nb::gil_scoped_release release;
        bins = count_bins(walk, kind, swap, mask.has_value(), limit, n_threads);
    }
    return to_arrays(bins);
}

using Rests = nb::ndarray<const std::uint64_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;

Bins from_arrays(unsigned shift, const In<std::uint64_t>& keys, const In<std::int64_t>& counts, const Rests& rests) {
    Bins bins{shift, {}, 0, 0};
    bins.bins.reserve(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::uint64_t* r = rests.data() + 4 * i;
        bins.bins.push_back({keys.data()[i], counts.data()[i], {r[0], r[1]}, {r[2], r[3]}});
    }
    return bins;
}

BinArrays merge_bins_face(unsigned shift_a, const In<std::uint64_t>& keys_a, const In<std::int64_t>& counts_a,
                          const Rests& rests_a, unsigned shift_b, const In<std::uint64_t>& keys_b,
                          const In<std::int64_t>& counts_b, const Rests& rests_b, std::size_t limit) {
    return to_arrays(merge_bins(from_arrays(shift_a, keys_a, counts_a, rests_a),
                                from_arrays(shift_b, keys_b, counts_b, rests_b), limit));
}

Labeling labeling_of(const AnyIn& image, const AnyOut& labels, const std::string& number, bool swap, bool masked,
                     std::uint16_t first, std::uint16_t ignore) {
    const std::size_t size = image.itemsize();
    const bool is_signed = !number.starts_with("u");
    return {size > 2 ? number_named(number) : Number::int32, size, is_signed, swap, masked, labels.itemsize(), first, ignore};
}

Walk label_walk(const AnyIn& image, AnyOut& labels, const std::optional<AnyIn>& mask) {
    std::vector<Operand> operands{operand_of(image), operand_of(labels)};
    if (mask) operands.push_back(operand_of(*mask));
    return Walk(shape_of(image), std::move(operands));
}

void label_by_thresholds_face(const AnyIn& image, AnyOut labels, const std::string& number, bool swap,
                              const std::optional<AnyIn>& mask, const AnyIn& thresholds, std::uint16_t first,
                              std::uint16_t ignore, std::size_t n_threads) {
    if (thresholds.itemsize() != image.itemsize()) throw std::invalid_argument("thresholds of another size");
    const Labeling labeling = labeling_of(image, labels, number, swap, mask.has_value(), first, ignore);
    const Walk walk = label_walk(image, labels, mask);
    nb::gil_scoped_release release;
    label_by_thresholds(walk, labeling, thresholds.data(), thresholds.size(), n_threads);
}

void label_by_table_face(const AnyIn& image, AnyOut labels, const std::optional<AnyIn>& mask, const In<std::uint16_t>& table,
                         std::uint16_t ignore, std::size_t n_threads) {
    if (table.size() != std::size_t{1} << (8 * image.itemsize())) throw std::invalid_argument("a table of another size");
    const Labeling labeling = labeling_of(image, labels, "uint", false, mask.has_value(), 0, ignore);
    const Walk walk = label_walk(image, labels, mask);
    nb::gil_scoped_release release;
    label_by_table(walk, labeling, table.data(), n_threads);
}

Out<std::int32_t> optimal_cuts_face(const In<std::int64_t>& counts, const In<double>& offset_high,
                                    const In<double>& offset_low, const In<double>& rest_high, const In<double>& rest_low,
                                    std::size_t k, std::size_t n_threads) {
    const std::size_t n = counts.size();
    const Line line{n, counts.data(), offset_high.data(), offset_low.data(), rest_high.data(), rest_low.data()};
    std::vector<std::int32_t> back;
    {
        nb::gil_scoped_release release;
        back = optimal_cuts(line, k, n_threads);
    }
    return to_numpy(std::move(back), {k - 1, n});
}

using MomentTuple = std::tuple<std::int64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>;

std::vector<MomentTuple> segment_moments_face(const In<std::int64_t>& counts, const In<std::uint64_t>& x,
                                              const In<std::int64_t>& edges) {
    std::vector<MomentTuple> result;
    for (const Moments& m : segment_moments(counts.data(), x.data(), edges.data(), edges.size() - 1))
        result.emplace_back(m.count, m.sum.high, m.sum.low, m.sum2.high, m.sum2.low);
    return result;
}

}  // namespace
}  // namespace klevels

NB_MODULE(_kernels, m) {
    using namespace klevels;
    m.def("tally", &tally_face, "image"_a, "mask"_a.none(), "n_threads"_a);
    m.def("count_bins", &count_bins_face, "image"_a, "number"_a, "swap"_a, "mask"_a.none(), "limit"_a, "n_threads"_a);
    m.def("merge_bins", &merge_bins_face);
    m.def("label_by_thresholds", &label_by_thresholds_face, "image"_a, "labels"_a, "number"_a, "swap"_a, "mask"_a.none(),
          "thresholds"_a, "first"_a, "ignore"_a, "n_threads"_a);
    m.def("label_by_table", &label_by_table_face, "image"_a, "labels"_a, "mask"_a.none(), "table"_a, "ignore"_a, "n_threads"_a);
    m.def("optimal_cuts", &optimal_cuts_face, "counts"_a, "offset_high"_a, "offset_low"_a, "rest_high"_a, "rest_low"_a, "k"_a,
          "n_threads"_a);
    m.def("segment_moments", &segment_moments_face, "counts"_a, "x"_a, "edges"_a);
    m.def("instruction_set", [] { return std::string(loops().name); });
}
