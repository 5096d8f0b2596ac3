// Between the control API's messages and the agent's own types.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "agent/trace_log.h"
#include "xpool.pb.h"

namespace xpool::agent {

grpc::Status ToGrpc(const absl::Status& status);
v1::Slice ToProto(const SliceView& view);
v1::Session ToProto(const SessionView& view);
v1::Xpu ToProto(const XpuView& view);
v1::Event ToProto(const Event& event);
v1::LeaseRecord ToProto(const LeaseRecord& record, const std::string& xpu_id);

// INVALID_ARGUMENT for a priority that the protocol does not know and for a pid below 0.
absl::StatusOr<SliceRequest> FromProto(const v1::SliceSpec& spec);
absl::StatusOr<SliceChange> FromProto(const v1::ResizeSliceRequest& request);

}  // namespace xpool::agent
