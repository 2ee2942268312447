#include "filters.hpp"

namespace klevels {

void bind_patches(nanobind::module_&) {}

}  // namespace klevels
