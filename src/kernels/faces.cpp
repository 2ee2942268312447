// where a label meets others: surface area and Euler number
#include "measures.hpp"

namespace klevels {

void bind_faces(nanobind::module_&) {}

}  // namespace klevels
