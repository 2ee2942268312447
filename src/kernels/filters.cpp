// Binds what looks at neighborhoods; each file binds its own.
#include "filters.hpp"

NB_MODULE(_filters, m) {
    klevels::bind_median(m);
    klevels::bind_patches(m);
    klevels::bind_diffusion(m);
    klevels::bind_potts(m);
}
