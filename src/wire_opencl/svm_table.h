// The shared virtual memory of one session, on the worker's side: what the driver has allocated for it, so that no
// other address that a client names is believed.
//
// Memory lives until the client has freed it and nothing here uses it any more: who moves its bytes holds what Find()
// returns. Threading: everything is for the thread that decodes the session's calls, but for letting go of memory,
// which happens on any thread, in callbacks of the driver too; the driver frees it in the next ReleaseFreed().
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "wire_opencl/svm_ranges.h"

namespace xpool::wire_cl {

class SvmTable {
 public:
  // |api| must outlive this, and this whatever Find() returned.
  SvmTable(const cl::DispatchTable& api, uint32_t max_allocations) : api_(api), max_allocations_(max_allocations) {}

  // clSVMAlloc; nullptr as that, or for one allocation too many.
  void* Allocate(cl_context context, cl_svm_mem_flags flags, uint64_t bytes, cl_uint alignment);

  // The memory at |address| if all |bytes| bytes, at least one, lie in an allocation that was made in |context| and not
  // freed; else nullptr.
  std::shared_ptr<std::byte[]> Find(cl_context context, uint64_t address, uint64_t bytes) const;
  // Bytes from |address| to the end of its allocation; 0 if it is in none.
  uint64_t BytesFrom(cl_context context, uint64_t address) const;

  // The client has freed the allocation that begins at |address|. False if there is none.
  bool Free(cl_context context, uint64_t address);
  // The client has released |context|: what it has not freed there, it never will.
  void Forget(cl_context context);
  // Has the driver free what nobody uses any more. Not for callbacks of the driver.
  void ReleaseFreed();

  size_t live() const { return live_.size(); }

 private:
  struct Allocation {
    cl_context context = nullptr;  // retained
    std::byte* data = nullptr;
    uint64_t bytes = 0;
    bool freed = false;  // by the client; else it stays the driver's
  };

  void Retire(Allocation* allocation);
  std::shared_ptr<Allocation> FindIn(cl_context context, uint64_t address, uint64_t bytes) const;

  const cl::DispatchTable& api_;
  const uint32_t max_allocations_;
  Mutex retired_mutex_;
  std::vector<std::unique_ptr<Allocation>> retired_ ABSL_GUARDED_BY(retired_mutex_);
  SvmRanges<Allocation> live_;
};

}  // namespace xpool::wire_cl
