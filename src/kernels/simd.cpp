// Picks, once, the best loops that this processor and its operating system run.
#include "simd.hpp"

#include "instructions.hpp"

namespace klevels {

KLEVELS_LOOPS(Loops, loops)

}  // namespace klevels
