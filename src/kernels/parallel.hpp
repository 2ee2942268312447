// Blocks of work handed to threads that live for one call: nothing to configure, nothing left over after a fork.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace klevels {

// Calls work(thread, block) for each block in [0, n_blocks), each block once, on at most n_threads threads.
template <class Work>
void parallel_blocks(std::size_t n_blocks, std::size_t n_threads, Work&& work) {
    n_threads = std::max<std::size_t>(1, std::min(n_threads, n_blocks));
    if (n_threads == 1) {
        for (std::size_t block = 0; block < n_blocks; ++block) work(std::size_t{0}, block);
        return;
    }
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex guard;
    auto run = [&](std::size_t thread) {
        try {
            for (std::size_t block; (block = next.fetch_add(1, std::memory_order_relaxed)) < n_blocks;)
                work(thread, block);
        } catch (...) {
            const std::lock_guard lock(guard);
            failure = std::current_exception();
            next = n_blocks;
        }
    };
    std::vector<std::thread> threads;
    threads.reserve(n_threads - 1);
    try {
        for (std::size_t t = 1; t < n_threads; ++t) threads.emplace_back(run, t);
    } catch (const std::exception&) {
        // The system has no thread left to give: those that started, and this one, do all the blocks.
    }
    run(0);
    for (auto& thread : threads) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace klevels
