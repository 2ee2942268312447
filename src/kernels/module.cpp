// The kernels as Python sees them: NumPy arrays in, NumPy arrays out, the interpreter lock released while they run.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <stdexcept>

#include "kernels.hpp"
#include "points.hpp"
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

template <class T>
using Rows = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using MaskRow = std::optional<In<std::uint8_t>>;

void require(bool holds, const char* otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

const std::uint8_t* mask_data(const MaskRow& mask, std::size_t n) {
    if (mask && mask->size() != n) throw std::invalid_argument("a mask of another size");
    return mask ? mask->data() : nullptr;
}

std::tuple<Out<std::uint8_t>, Out<std::int64_t>> count_colors_face(const Rows<std::uint8_t>& rows, const MaskRow& mask,
                                                                   std::size_t n_threads) {
    const std::size_t n = rows.shape(0), n_channels = rows.shape(1);
    require(n_channels >= 1 && n_channels <= 3, "not one to three channels");
    require(n < std::size_t{1} << 32, "too many pixels at a time");
    const std::uint8_t* inside = mask_data(mask, n);
    ColorCounts found;
    {
        nb::gil_scoped_release release;
        found = count_colors(rows.data(), inside, n, n_channels, n_threads);
    }
    const std::size_t n_colors = found.counts.size();
    return {to_numpy(std::move(found.colors), {n_colors, n_channels}), to_numpy(std::move(found.counts), {n_colors})};
}

template <class Label>
void label_by_colors_face(const Rows<std::uint8_t>& rows, const MaskRow& mask, const Rows<std::uint8_t>& colors,
                          const In<std::uint16_t>& labels, Label ignore, std::size_t n_threads,
                          nb::ndarray<Label, nb::ndim<1>, nb::c_contig, nb::device::cpu> out) {
    const std::uint8_t* inside = mask_data(mask, rows.shape(0));
    require(rows.shape(1) >= 1 && rows.shape(1) <= 3, "not one to three channels");
    require(out.size() == rows.shape(0) && colors.shape(0) == labels.size() && colors.shape(1) == rows.shape(1),
            "arrays of other sizes");
    nb::gil_scoped_release release;
    label_by_colors(rows.data(), inside, rows.shape(0), rows.shape(1), colors.data(), labels.data(), labels.size(), ignore,
                    n_threads, out.data());
}

template <class Label>
void paint_face(const In<Label>& labels, const Rows<std::uint8_t>& table, std::size_t n_threads,
                nb::ndarray<std::uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu> out) {
    if (table.shape(0) != std::size_t{1} << (8 * sizeof(Label)) || out.shape(0) != labels.size() || out.shape(1) != table.shape(1))
        throw std::invalid_argument("arrays of other sizes");
    nb::gil_scoped_release release;
    paint(labels.data(), labels.size(), reinterpret_cast<const char*>(table.data()), table.shape(1), n_threads,
          reinterpret_cast<char*>(out.data()));
}

using ColorBinArrays = std::tuple<unsigned, Out<std::int32_t>, Out<std::int64_t>, Out<std::int64_t>, Out<std::uint64_t>>;

// Where every channel is below zero or not, 2^n_channels bins are left that no coarser grid would join.
void check_limit(std::size_t n_channels, std::size_t limit) {
    require(n_channels >= 1 && n_channels <= 16, "not one to sixteen channels");
    require(limit >= std::size_t{1} << n_channels && limit < std::size_t{1} << 31, "no such limit of bins");
}

ColorBins empty_bins(std::size_t n_channels, std::size_t limit) {
    check_limit(n_channels, limit);
    return ColorBins(n_channels, limit);
}

ColorBinArrays bins_of(ColorBins& bins) {
    bins.sort();
    const std::size_t n = bins.size(), n_channels = bins.n_channels();
    std::vector<std::int32_t> corners;
    std::vector<std::int64_t> counts, rests;
    std::vector<std::uint64_t> squares;
    for (std::size_t i = 0; i < n; ++i) {
        corners.insert(corners.end(), bins.bin(i), bins.bin(i) + n_channels);
        counts.push_back(bins.count(i));
        rests.insert(rests.end(), bins.rests(i), bins.rests(i) + n_channels);
        squares.push_back(bins.squares(i).low);
        squares.push_back(bins.squares(i).high);
    }
    return {bins.shift(), to_numpy(std::move(corners), {n, n_channels}), to_numpy(std::move(counts), {n}),
            to_numpy(std::move(rests), {n, n_channels}), to_numpy(std::move(squares), {n, std::size_t{2}})};
}

void add_rows(ColorBins& bins, const Rows<std::int32_t>& rows) {
    require(rows.shape(1) == bins.n_channels(), "rows of other channels");
    nb::gil_scoped_release release;
    bins.add(rows.data(), rows.shape(0));
}

void add_bins(ColorBins& bins, const ColorBins& other) {
    require(other.n_channels() == bins.n_channels(), "bins of other channels");
    require(&other != &bins, "bins added to themselves");
    nb::gil_scoped_release release;
    bins.add(other);
}

ColorBins bins_from(std::size_t limit, unsigned shift, const Rows<std::int32_t>& bins, const In<std::int64_t>& counts,
                    const Rows<std::int64_t>& rests, const Rows<std::uint64_t>& squares) {
    const std::size_t n = counts.size();
    check_limit(bins.shape(1), limit);
    require(shift < 32 && n <= limit, "no such bins");
    require(bins.shape(0) == n && rests.shape(0) == n && rests.shape(1) == bins.shape(1) && squares.shape(0) == n &&
                squares.shape(1) == 2,
            "arrays of other sizes");
    return ColorBins(bins.shape(1), limit, shift, bins.data(), counts.data(), rests.data(), squares.data(), n);
}

// Squares, and sums of them, must stay finite.
void require_moderate(const Rows<double>& rows) {
    const double* end = rows.data() + rows.size();
    require(std::all_of(rows.data(), end, [](double x) { return x >= -1e140 && x <= 1e140; }), "a coordinate is too large");
}

Out<double> find_centers_face(const Rows<double>& rows, const In<double>& weights, std::size_t k, std::uint64_t seed,
                              std::size_t population, std::size_t generations, double tolerance, std::size_t patience,
                              std::size_t n_threads) {
    const std::size_t n_channels = rows.shape(1);
    require(rows.size() > 0 && weights.size() == rows.shape(0), "arrays of other sizes");
    require_moderate(rows);
    require(n_threads >= 1, "no thread");
    require(k >= 1 && k <= rows.shape(0) && population >= 1, "no such k or population");
    std::vector<double> centers;
    {
        nb::gil_scoped_release release;
        const Points points(rows.data(), weights.data(), rows.shape(0), n_channels);
        centers = find_centers(points, k, seed, {population, generations, tolerance, patience}, n_threads);
    }
    return to_numpy(std::move(centers), {k, n_channels});
}

std::tuple<Out<double>, Out<std::uint32_t>, double, std::size_t> refine_centers_face(
    const Rows<double>& rows, const In<double>& weights, const Rows<double>& centers, std::size_t n_threads,
    std::size_t most_passes, double tolerance) {
    const std::size_t n = rows.shape(0), n_channels = rows.shape(1), k = centers.shape(0);
    require(rows.size() > 0 && weights.size() == n && k >= 1 && centers.shape(1) == n_channels, "arrays of other sizes");
    require_moderate(rows);
    require_moderate(centers);
    require(n_threads >= 1, "no thread");
    const std::vector<double> start(centers.data(), centers.data() + k * n_channels);
    Found found;
    {
        nb::gil_scoped_release release;
        found = refine_centers(Points(rows.data(), weights.data(), n, n_channels), start, tolerance, most_passes, n_threads);
    }
    return {to_numpy(std::move(found.centers), {k, n_channels}), to_numpy(std::move(found.labels), {n}), found.inertia,
            found.n_passes};
}

std::tuple<Out<std::uint32_t>, Out<double>> label_rows_face(const Rows<double>& rows, const Rows<double>& centers,
                                                            std::size_t n_threads) {
    const std::size_t n = rows.shape(0);
    require(rows.shape(1) >= 1 && centers.shape(0) >= 1 && centers.shape(1) == rows.shape(1), "arrays of other sizes");
    const std::vector<double> all(centers.data(), centers.data() + centers.size());
    std::vector<std::uint32_t> labels(n);
    std::vector<double> distances(n);
    {
        nb::gil_scoped_release release;
        label_rows(rows.data(), n, rows.shape(1), all, n_threads, labels.data(), distances.data());
    }
    return {to_numpy(std::move(labels), {n}), to_numpy(std::move(distances), {n})};
}

Sample sample_named(const std::string& name) {
    if (name == "uint8") return Sample::uint8;
    if (name == "uint16") return Sample::uint16;
    if (name == "float32") return Sample::float32;
    if (name == "float64") return Sample::float64;
    throw std::invalid_argument("no kernel for " + name);
}

Raster raster_of(const AnyIn& image, const std::string& sample, bool swap, const std::optional<AnyIn>& mask,
                 const Rows<double>& colors) {
    const std::vector<std::size_t> shape = shape_of(image);
    if (shape.size() != 3 || shape[2] < 1 || shape[2] > 4 || colors.shape(0) < 1 || colors.shape(0) > 65535 ||
        colors.shape(1) != shape[2] || (mask && shape_of(*mask) != std::vector{shape[0], shape[1]}))
        throw std::invalid_argument("arrays of other shapes");
    const Operand operand = operand_of(image);
    Raster raster{operand.data, shape[0], shape[1], shape[2], {}, sample_named(sample), swap, nullptr, {}};
    std::copy_n(operand.strides.begin(), 3, raster.strides);
    if (mask) {
        const Operand inside = operand_of(*mask);
        raster.mask = inside.data;
        std::copy_n(inside.strides.begin(), 2, raster.mask_strides);
    }
    return raster;
}

using LabelOut = nb::ndarray<nb::ndim<2>, nb::c_contig, nb::device::cpu>;

LabelRaster label_raster(const Raster& raster, LabelOut& labels, std::uint16_t ignore) {
    if (labels.shape(0) != raster.height || labels.shape(1) != raster.width)
        throw std::invalid_argument("labels of another shape");
    return {labels.data(), labels.itemsize(), ignore};
}

std::int64_t dither_by_diffusion_face(const AnyIn& image, const std::string& sample, bool swap,
                                      const std::optional<AnyIn>& mask, const Rows<double>& colors, LabelOut labels,
                                      std::uint16_t ignore) {
    const Raster raster = raster_of(image, sample, swap, mask, colors);
    const LabelRaster out = label_raster(raster, labels, ignore);
    nb::gil_scoped_release release;
    return dither_by_diffusion(raster, colors.data(), colors.shape(0), out);
}

std::int64_t dither_by_ranks_face(const AnyIn& image, const std::string& sample, bool swap, const std::optional<AnyIn>& mask,
                                  const Rows<double>& colors, const Rows<std::uint16_t>& ranks, LabelOut labels,
                                  std::uint16_t ignore, std::size_t n_threads) {
    const Raster raster = raster_of(image, sample, swap, mask, colors);
    const LabelRaster out = label_raster(raster, labels, ignore);
    if (ranks.shape(0) != ranks.shape(1) || ranks.shape(0) < 1) throw std::invalid_argument("ranks of another shape");
    nb::gil_scoped_release release;
    return dither_by_ranks(raster, colors.data(), colors.shape(0), ranks.data(), ranks.shape(0), out, n_threads);
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
    m.def("count_colors", &count_colors_face, "rows"_a, "mask"_a.none(), "n_threads"_a);
    m.def("label_by_colors", &label_by_colors_face<std::uint8_t>, "rows"_a, "mask"_a.none(), "colors"_a, "labels"_a,
          "ignore"_a, "n_threads"_a, "out"_a);
    m.def("label_by_colors", &label_by_colors_face<std::uint16_t>, "rows"_a, "mask"_a.none(), "colors"_a, "labels"_a,
          "ignore"_a, "n_threads"_a, "out"_a);
    m.def("paint", &paint_face<std::uint8_t>, "labels"_a, "table"_a, "n_threads"_a, "out"_a);
    m.def("paint", &paint_face<std::uint16_t>, "labels"_a, "table"_a, "n_threads"_a, "out"_a);
    nb::class_<ColorBins>(m, "ColorBins")
        .def(nb::new_(&empty_bins), "n_channels"_a, "limit"_a)
        .def_static("of", &bins_from, "limit"_a, "shift"_a, "bins"_a, "counts"_a, "rests"_a, "squares"_a)
        .def("add_rows", &add_rows, "rows"_a)
        .def("add_bins", &add_bins, "other"_a)
        .def("arrays", &bins_of);
    m.def("find_centers", &find_centers_face, "rows"_a, "weights"_a, "k"_a, "seed"_a, "population"_a, "generations"_a,
          "tolerance"_a, "patience"_a, "n_threads"_a);
    m.def("refine_centers", &refine_centers_face, "rows"_a, "weights"_a, "centers"_a, "n_threads"_a,
          "most_passes"_a = 10000, "tolerance"_a = 0.0);
    m.def("label_rows", &label_rows_face, "rows"_a, "centers"_a, "n_threads"_a);
    m.def("dither_by_diffusion", &dither_by_diffusion_face, "image"_a, "sample"_a, "swap"_a, "mask"_a.none(), "colors"_a,
          "labels"_a, "ignore"_a);
    m.def("dither_by_ranks", &dither_by_ranks_face, "image"_a, "sample"_a, "swap"_a, "mask"_a.none(), "colors"_a, "ranks"_a,
          "labels"_a, "ignore"_a, "n_threads"_a);
    m.def("instruction_set", [] { return std::string(loops().name); });
}
