// Which instruction set this processor and its operating system run; asked once.
#include "instructions.hpp"

#include <cstdlib>
#include <cstring>

#if defined(KLEVELS_X86_64) && defined(_MSC_VER)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace klevels {

#if defined(KLEVELS_X86_64)
namespace {

#if defined(_MSC_VER)
bool has(int register_index, int bit, int leaf) {
    int info[4];
    __cpuidex(info, leaf, 0);
    return (info[register_index] >> bit) & 1;
}
bool saved_by_system(unsigned long long state) {
    return has(2, 27, 1) && (_xgetbv(0) & state) == state;
}
bool runs_avx2() { return saved_by_system(0x6) && has(1, 5, 7); }
bool runs_avx512() {
    return saved_by_system(0xe6) && has(1, 16, 7) && has(1, 17, 7) && has(1, 30, 7) && has(1, 31, 7);
}
#else
bool runs_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool runs_avx512() {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

}  // namespace
#endif

namespace {

Instructions pick() {
    // KLEVELS_SIMD=baseline|avx2 asks for less than the best, for tests and for reproducing a report.
    const char* wish = std::getenv("KLEVELS_SIMD");
    const auto wished = [wish](const char* name) { return wish == nullptr || std::strcmp(wish, name) == 0; };
#if defined(KLEVELS_X86_64)
    if (wished("avx512") && runs_avx512()) return Instructions::avx512;
    if ((wished("avx2") || wished("avx512")) && runs_avx2()) return Instructions::avx2;
#endif
    (void)wished;
    return Instructions::baseline;
}

}  // namespace

Instructions instructions() {
    static const Instructions picked = pick();
    return picked;
}

}  // namespace klevels
