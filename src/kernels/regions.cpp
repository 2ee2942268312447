// Voxels of one label that hang together. All sums are integers.
#include "regions.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <utility>

#include "measures.hpp"

namespace klevels {
namespace {

using Volume = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Chosen = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<Number, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Face = nb::ndarray<Number, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<nb::numpy, std::int64_t, nb::ndim<2>>;

constexpr std::size_t most_bundled = 8;  // labels: each takes a bit a voxel

nb::tuple find_regions(const Volume& labels, const Chosen& chosen, int connectivity,
                       const std::optional<Volume>& gray_values, double lowest, double highest,
                       const std::optional<Ids>& ids, const std::vector<std::optional<Face>>& faces,
                       std::size_t n_threads) {
    RegionsAsked asked{labels.shape(0), labels.shape(1), labels.shape(2), labels.data(),
                       labels.dtype() == nb::dtype<std::uint8_t>(), chosen.data(), connectivity, {},
                       ids ? ids->data() : nullptr, {}, n_threads};
    if (gray_values) asked.grays = {gray_values->data(), gray_values->dtype(), lowest, highest - lowest};
    for (std::size_t side = 0; side < 6; ++side) asked.faces[side] = faces[side] ? faces[side]->data() : nullptr;
    auto found = std::make_unique<RegionsFound>();
    {
        const nb::gil_scoped_release released;
        std::vector<Number> wanted;
        for (std::size_t label = 0; label < chosen.size(); ++label)
            if (asked.chosen[label]) wanted.push_back(static_cast<Number>(label));
        const bool bundled = connectivity == 26 && wanted.size() <= most_bundled;
        *found = bundled ? find_by_bundles(asked, wanted) : find_by_runs(asked);
    }
    auto* data = reinterpret_cast<std::int64_t*>(found->components.data());
    const std::size_t n = found->components.size();
    const std::int64_t n_nan = found->n_nan;
    nb::capsule owner(found.release(), [](void* p) noexcept { delete static_cast<RegionsFound*>(p); });
    return nb::make_tuple(Rows(data, {n, std::size_t{n_columns}}, owner), n_nan);
}

using Pairs = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Roots = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// The smallest number that each is joined with; `roots` holds 0, 1, 2, … before.
void join_pairs(const Pairs& pairs, const Roots& roots) {
    const nb::gil_scoped_release released;
    std::int64_t* parents = roots.data();
    auto find = [&](std::int64_t i) {
        while (parents[i] != i) i = parents[i] = parents[parents[i]];
        return i;
    };
    for (std::size_t i = 0; i < pairs.shape(0); ++i) {
        const std::int64_t one = find(pairs.data()[2 * i]), other = find(pairs.data()[2 * i + 1]);
        parents[std::max(one, other)] = std::min(one, other);
    }
    for (std::size_t i = 0; i < roots.shape(0); ++i) parents[i] = parents[parents[i]];
}

}  // namespace

void bind_regions(nb::module_& m) {
    m.def("find_regions", &find_regions, nb::arg("labels"), nb::arg("chosen"), nb::arg("connectivity"),
          nb::arg("gray").none(), nb::arg("lowest"), nb::arg("highest"), nb::arg("ids").none(), nb::arg("faces"),
          nb::arg("threads"));
    m.def("join_pairs", &join_pairs, nb::arg("pairs"), nb::arg("roots"));
}

}  // namespace klevels
