// The part of this process's address space that shared virtual memory has. A worker allocates, and the same pages are
// reserved here, so that an address means the same in both; what lies in them is the program's between mapping and
// unmapping (api_svm.cc). One per process, since addresses are the process's. Thread-safe.
//
// Small allocations share pages, so pages are counted: they are given back with the last allocation that has them, and
// not before what holds that allocation (a transfer that is under way) has let go of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "wire_opencl/svm_ranges.h"

namespace xpool::remote {

class SvmSpace {
 public:
  // A region that the program has mapped.
  struct Mapping {
    const void* pointer = nullptr;
    size_t bytes = 0;
    bool writes = false;
    std::function<bool()> filled;  // whether what was there has come; empty: nothing was to come
  };

  class Allocation {
   public:
    ~Allocation();
    std::byte* const data;
    const uint64_t bytes;
    const void* const owner;

    void AddMapping(Mapping mapping);
    // The last one that was added at |pointer|.
    std::optional<Mapping> TakeMapping(const void* pointer);

   private:
    friend SvmSpace;
    Allocation(SvmSpace* space, uint64_t address, uint64_t bytes, const void* owner);

    SvmSpace* const space_;
    Mutex mutex_;
    std::vector<Mapping> mappings_ ABSL_GUARDED_BY(mutex_);
  };
  using Held = std::shared_ptr<Allocation>;

  static SvmSpace& OfProcess();

  // Reserves what a worker has allocated for |owner|, a context. ALREADY_EXISTS when something else is there.
  absl::Status Add(const void* owner, uint64_t address, uint64_t bytes);
  // The allocation of |owner| in which all |bytes| bytes at |pointer| lie; nullptr if there is none.
  Held Find(const void* owner, const void* pointer, uint64_t bytes);
  // The program frees it. False if it is none of |owner|'s.
  bool Remove(const void* owner, const void* pointer);
  void RemoveAll(const void* owner);

 private:
  // Pages between its key and |end|, which |users| allocations have in common.
  struct Pages {
    uint64_t end = 0;
    uint32_t users = 0;
  };
  using PageMap = std::map<uint64_t, Pages>;

  absl::Status Reserve(uint64_t begin, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unreserve(uint64_t begin, uint64_t end) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SplitAt(uint64_t address) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  PageMap pages_ ABSL_GUARDED_BY(mutex_);  // disjoint
  wire_cl::SvmRanges<Allocation> live_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::remote
