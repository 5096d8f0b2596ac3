// Sleeping and waking on one word of a ring's control page. The word belongs to both sides, so a wake-up is a hint and
// every sleep has an end. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

#include "transport/ring_memory.h"

namespace xpool::transport {

// Wakes who sleeps on |bell|, if anybody: in a futex, or by a byte to |socket|. One atomic load when nobody does.
void RingBell(std::atomic<uint32_t>* bell, int socket);

// Sleeps while |bell| is kInFutex, |timeout_ns| at most; also returns for nothing. False when the time is up.
bool SleepOnBell(std::atomic<uint32_t>* bell, int64_t timeout_ns);

}  // namespace xpool::transport
