// Binds what measures labels; each file binds its own.
#include "measures.hpp"

NB_MODULE(_measures, m) {
    klevels::bind_tallies(m);
    klevels::bind_faces(m);
    klevels::bind_regions(m);
    klevels::bind_contour(m);
    klevels::bind_decimate(m);
    klevels::bind_triangles(m);
}
