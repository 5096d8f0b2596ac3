// The remote driver as the shim finds it: a platform whose devices are slices of other nodes, one worker behind each,
// and the dispatch table of its functions. Made once, destroyed never. Thread-safe.
#pragma once

#include <CL/cl.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "backend/remote/cl_link.h"
#include "backend/remote/objects.h"
#include "generated/opencl/dispatch_table.h"

namespace xpool::remote {

class RemotePlatform : public Object {
 public:
  // Asks the workers behind |links| for their device. UNAVAILABLE when one has none.
  static absl::StatusOr<RemotePlatform*> Create(std::vector<std::unique_ptr<ClLink>> links);

  cl_platform_id id() { return To<cl_platform_id>(this); }
  const std::vector<Device*>& devices() const { return devices_; }
  ClLink* link(size_t index) { return links_[index].get(); }
  size_t links() const { return links_.size(); }

  // The process ends.
  void Leave();

  static const cl::DispatchTable& Api();

 private:
  RemotePlatform() : Object(ValueKind::kPlatform) {}

  std::vector<std::unique_ptr<ClLink>> links_;
  std::vector<Device*> devices_;
};

}  // namespace xpool::remote
