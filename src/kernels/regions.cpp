// voxels of one label that hang together
#include "measures.hpp"

namespace klevels {

void bind_regions(nanobind::module_&) {}

}  // namespace klevels
