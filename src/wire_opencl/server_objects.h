// The real objects of one session, by the handles that its client minted, for every kind of OpenCL object; and the way
// back, for queries whose answers are handles. Belongs to the thread that decodes the session's calls.
//
// A creation that failed leaves its handle here with no object behind it (stillborn): calls on it that the client had
// sent before it heard of the failure get OpenCL's error for a bad handle, and the session goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/handle.h"
#include "wire_opencl/call_values.h"

namespace xpool::wire_cl {

class ServerObjects {
 public:
  explicit ServerObjects(uint32_t max_handles = wire::kDefaultMaxHandles);

  // The object, nullptr if stillborn. Errors as of HandleTable.
  absl::StatusOr<void*> Find(ValueKind kind, wire::WireHandle handle);
  absl::Status CanAdd(ValueKind kind, wire::WireHandle handle) const;
  // |object| may be nullptr. Errors as of CanAdd().
  absl::Status Add(ValueKind kind, wire::WireHandle handle, void* object);
  // Takes it out; the handle is dead from here.
  absl::StatusOr<void*> Remove(ValueKind kind, wire::WireHandle handle);

  // The handle of a platform, device, context, queue, memory object or program that a query named; NULL if the client
  // has none for it.
  wire::WireHandle NameOf(const void* object) const;

  // Takes everything out, what depends on others first; |release|(kind, object) is called with each that is not
  // stillborn.
  template <typename Release>
  void Clear(Release release) {
    for (size_t i = tables_.size(); i-- > 0;) {
      tables_[i].Clear([&](void* object) {
        if (object != nullptr) release(static_cast<ValueKind>(i + 1), object);
      });
    }
    names_.clear();
  }

  uint32_t live() const;

 private:
  // Queries answer with no others, and events and kernels come and go too often to be listed for nothing.
  static bool IsNamed(ValueKind kind) { return kind <= ValueKind::kMem || kind == ValueKind::kProgram; }
  static size_t IndexOf(ValueKind kind) { return static_cast<size_t>(kind) - 1; }

  std::vector<wire::HandleTable<void*>> tables_;  // by kind, from kPlatform
  absl::flat_hash_map<const void*, wire::WireHandle> names_;
};

}  // namespace xpool::wire_cl
