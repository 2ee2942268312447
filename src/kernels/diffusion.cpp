#include "filters.hpp"

namespace klevels {

void bind_diffusion(nanobind::module_&) {}

}  // namespace klevels
