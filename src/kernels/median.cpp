#include "filters.hpp"

namespace klevels {

void bind_median(nanobind::module_&) {}

}  // namespace klevels
