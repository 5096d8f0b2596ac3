// For tests: a slice of 64 MiB on the first installed driver's first device, served by a thread of the test process
// that plays the agent. Its lease is granted from the start and never taken. One per process, as a session is.
#pragma once

#include <cstdint>

namespace xpool::cl {

inline constexpr uint64_t kTestSliceBytes = 64u << 20;

// Sets the environment up so that the next attach finds the slice. False when no OpenCL driver is installed.
bool StartTestSlice();

// What the agent has handed out to the session and not got back.
uint64_t TestSliceGrantedBytes();

}  // namespace xpool::cl
