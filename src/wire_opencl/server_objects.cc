#include "wire_opencl/server_objects.h"

namespace xpool::wire_cl {

ServerObjects::ServerObjects(uint32_t max_handles) {
  tables_.reserve(TypeOf(ValueKind::kEvent));
  for (wire::HandleType type = 1; type <= TypeOf(ValueKind::kEvent); ++type) tables_.emplace_back(type, max_handles);
}

absl::StatusOr<void*> ServerObjects::Find(ValueKind kind, wire::WireHandle handle) {
  absl::StatusOr<void**> object = tables_[IndexOf(kind)].Find(handle);
  if (!object.ok()) return object.status();
  return **object;
}

absl::Status ServerObjects::CanAdd(ValueKind kind, wire::WireHandle handle) const {
  return tables_[IndexOf(kind)].CanInsert(handle);
}

absl::Status ServerObjects::Add(ValueKind kind, wire::WireHandle handle, void* object) {
  absl::Status status = tables_[IndexOf(kind)].Insert(handle, object);
  if (status.ok() && object != nullptr && IsNamed(kind)) names_[object] = handle;
  return status;
}

absl::StatusOr<void*> ServerObjects::Remove(ValueKind kind, wire::WireHandle handle) {
  absl::StatusOr<void*> object = tables_[IndexOf(kind)].Erase(handle);
  if (object.ok() && *object != nullptr && IsNamed(kind)) names_.erase(*object);
  return object;
}

wire::WireHandle ServerObjects::NameOf(const void* object) const {
  const auto found = names_.find(object);
  return found == names_.end() ? wire::WireHandle{} : found->second;
}

uint32_t ServerObjects::live() const {
  uint32_t live = 0;
  for (const auto& table : tables_) live += table.live();
  return live;
}

}  // namespace xpool::wire_cl
