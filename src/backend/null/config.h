// The null driver's settings, from the environment, read once:
//   XPOOL_NULL_KERNEL_US=<n>   how long a kernel takes (0: no time)
//   XPOOL_NULL_SYNC=1          commands complete inside the enqueue call; no worker thread
//   XPOOL_NULL_MEMORY=<bytes>  the device's global memory (1 GiB)
#pragma once

#include <cstdint>

namespace xpool::null_cl {

struct Config {
  int64_t kernel_us = 0;
  bool sync = false;
  uint64_t memory_bytes = uint64_t{1} << 30;
};

const Config& GetConfig();

}  // namespace xpool::null_cl
