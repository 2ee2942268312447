#include "filters.hpp"

namespace klevels {

void bind_potts(nanobind::module_&) {}

}  // namespace klevels
