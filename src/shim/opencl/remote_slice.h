// Slices of other nodes, by the remote driver (backend/remote/driver.h). What the shim does for a slice of this
// machine, leases and the charge of memory, is done at the worker, by a shim of its own; here are the quota that makes
// an allocation fail at once, and the thread for what driver callbacks may not do. Thread-safe.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "backend/remote/driver.h"
#include "slice/slice_session.h"

namespace xpool::cl {

// Whether this process's slices are on other nodes: kSliceFileVariable is set.
bool RemoteSlicesAreConfigured();

struct RemoteSlices {
  remote::Driver* driver = nullptr;
  std::vector<SliceSession*> slices;  // by the driver's index
};

// Loads the driver and connects to all slices. For each process anew: children of fork() have connections of their own.
absl::StatusOr<RemoteSlices> AttachRemoteSlices();

}  // namespace xpool::cl
