#include "agent/control_convert.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"

namespace xpool::agent {
namespace {

v1::Priority ToProto(arbiter::Priority priority) {
  constexpr v1::Priority kPriorities[] = {v1::PRIORITY_HIGH, v1::PRIORITY_NORMAL, v1::PRIORITY_LOW};
  const auto index = static_cast<size_t>(priority);
  return index < std::size(kPriorities) ? kPriorities[index] : v1::PRIORITY_LOW;
}

absl::StatusOr<arbiter::Priority> FromProto(v1::Priority priority) {
  switch (priority) {
    case v1::PRIORITY_UNSPECIFIED:
    case v1::PRIORITY_NORMAL:
      return arbiter::Priority::kNormal;
    case v1::PRIORITY_HIGH:
      return arbiter::Priority::kHigh;
    case v1::PRIORITY_LOW:
      return arbiter::Priority::kLow;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("priority ", static_cast<int>(priority), " is unknown here; high, normal and low exist"));
  }
}

// The user of a process: who owns the slice that is made for it.
absl::StatusOr<uid_t> UserOf(pid_t pid) {
  struct stat info;
  if (stat(absl::StrCat("/proc/", pid).c_str(), &info) == 0) return info.st_uid;
  return absl::NotFoundError(absl::StrCat("there is no process ", pid, " to own the slice"));
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

v1::Slice ToProto(const SliceView& view) {
  const SliceRecord& slice = view.slice;
  v1::Slice out;
  out.set_id(slice.id());
  out.set_name(slice.name);
  out.set_xpu_id(slice.xpu_id);
  out.set_guarantee_bp(static_cast<uint32_t>(slice.guarantee.basis_points()));
  out.set_limit_bp(static_cast<uint32_t>(slice.limit.basis_points()));
  out.set_memory_bytes(slice.memory_bytes);
  out.set_priority(ToProto(slice.priority));
  out.set_owner_uid(slice.owner_uid);
  out.set_owner_pid(slice.owner_pid);
  out.set_created_unix_s(slice.created_unix_s);
  out.set_memory_used_bytes(view.memory_used_bytes);
  out.set_session_count(view.sessions);
  out.set_borrower(view.borrower);
  v1::SliceUsage& usage = *out.mutable_usage();
  usage.set_held_ns(view.usage.held_ns);
  usage.set_contended_ns(view.usage.contended_ns);
  usage.set_waited_ns(view.usage.waited_ns);
  usage.set_leases(view.usage.leases);
  usage.set_debt_ns(view.usage.debt_ns);
  usage.set_commands(view.commands);
  usage.set_lease_waits(view.lease_waits);
  usage.set_occupancy(view.occupancy);
  return out;
}

v1::Session ToProto(const SessionView& view) {
  v1::Session out;
  out.set_id(view.session.id);
  out.set_slice_id(SliceId(view.session.slice));
  out.set_slice_name(view.slice_name);
  out.set_xpu_id(view.xpu_id);
  out.set_pid(view.session.pid);
  out.set_uid(view.session.uid);
  out.set_program(view.session.program);
  out.set_api(view.session.api == 1 ? "OpenCL" : absl::StrCat("api ", view.session.api));
  out.set_lease(view.lease);
  out.set_memory_used_bytes(view.memory_used_bytes);
  out.set_commands(view.commands);
  out.set_attached_unix_s(view.session.attached_unix_s);
  out.set_state(view.state);
  if (!view.remote.has_value()) return out;
  v1::RemoteClient& remote = *out.mutable_remote();
  remote.set_who(view.remote->client);
  remote.set_sent_bytes(view.remote->sent_bytes);
  remote.set_received_bytes(view.remote->received_bytes);
  remote.set_calls(view.remote->calls);
  remote.set_connections(view.remote->connections);
  remote.set_round_trip_ns(view.remote->round_trip_ns);
  return out;
}

v1::Xpu ToProto(const XpuView& view) {
  v1::Xpu out;
  out.set_id(view.xpu.id);
  out.set_name(view.xpu.name);
  out.set_vendor(view.xpu.vendor);
  out.set_driver_version(view.xpu.driver_version);
  out.set_driver_library(view.xpu.driver_library);
  out.set_platform_name(view.xpu.platform_name);
  out.set_platform_index(view.xpu.platform_index);
  out.set_device_index(view.xpu.device_index);
  out.set_type(view.xpu.type);
  out.set_compute_units(view.xpu.compute_units);
  out.set_memory_bytes(view.xpu.memory_bytes);
  out.set_guaranteed_bp(static_cast<uint32_t>(view.sums.guaranteed_bp));
  out.set_reserved_bytes(view.sums.reserved_bytes);
  out.set_slice_count(view.sums.slices);
  return out;
}

v1::Event ToProto(const Event& event) {
  v1::Event out;
  out.set_unix_ns(event.unix_ns);
  out.set_kind(event.kind);
  out.set_slice_id(event.slice_id);
  out.set_session_id(event.session_id);
  out.set_xpu_id(event.xpu_id);
  out.set_message(event.message);
  return out;
}

v1::LeaseRecord ToProto(const LeaseRecord& record, const std::string& xpu_id) {
  v1::LeaseRecord out;
  out.set_at_ns(record.at_ns);
  out.set_xpu_id(xpu_id);
  out.set_slice_id(SliceId(record.slice));
  out.set_what(LeaseChangeName(record.what));
  out.set_until_ns(record.until_ns);
  return out;
}

absl::StatusOr<SliceRequest> FromProto(const v1::SliceSpec& spec) {
  SliceRequest request;
  request.name = spec.name();
  request.xpu_id = spec.xpu_id();
  request.guarantee_bp = spec.guarantee_bp();
  request.limit_bp = spec.limit_bp();
  request.memory_bytes = spec.memory_bytes();
  ASSIGN_OR_RETURN(request.priority, FromProto(spec.priority()));
  if (spec.owner_pid() < 0) {
    return absl::InvalidArgumentError(absl::StrCat("owner pid ", spec.owner_pid(), " is below 0"));
  }
  request.owner_pid = spec.owner_pid();
  request.owner_uid = geteuid();
  if (request.owner_pid > 0) {
    ASSIGN_OR_RETURN(request.owner_uid, UserOf(request.owner_pid));
  }
  return request;
}

absl::StatusOr<SliceChange> FromProto(const v1::ResizeSliceRequest& request) {
  SliceChange change;
  change.guarantee_bp = request.guarantee_bp();
  change.limit_bp = request.limit_bp();
  change.memory_bytes = request.memory_bytes();
  change.change_priority = request.priority() != v1::PRIORITY_UNSPECIFIED;
  ASSIGN_OR_RETURN(change.priority, FromProto(request.priority()));
  return change;
}

}  // namespace xpool::agent
