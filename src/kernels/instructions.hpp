// Which instruction set this processor runs, among those that the loops are compiled for.
#pragma once

namespace klevels {

enum class Instructions { baseline, avx2, avx512 };

Instructions instructions();

// Picks the copy of some loops for this processor. Declares them, too: use it at namespace scope.
//     KLEVELS_LOOPS(MedianLoops, median_loops)
// defines `const MedianLoops& median_loops()`, given `extern const MedianLoops median_loops_baseline` and so on.
#if defined(KLEVELS_X86_64)
#define KLEVELS_LOOPS(Type, name)                                           \
    extern const Type name##_baseline, name##_avx2, name##_avx512;          \
    const Type& name() {                                                    \
        switch (instructions()) {                                           \
            case Instructions::avx512: return name##_avx512;                \
            case Instructions::avx2: return name##_avx2;                    \
            default: return name##_baseline;                                \
        }                                                                   \
    }
#else
#define KLEVELS_LOOPS(Type, name)        \
    extern const Type name##_baseline;   \
    const Type& name() { return name##_baseline; }
#endif

}  // namespace klevels
