// how much there is of each label, along each axis and the radius
#include "measures.hpp"

namespace klevels {

void bind_tallies(nanobind::module_&) {}

}  // namespace klevels
