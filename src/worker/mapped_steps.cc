#include "worker/mapped_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::worker {
namespace {

absl::Status DriverFailed(const char* what, cl_int status) {
  return absl::InternalError(absl::StrCat(what, " failed: OpenCL error ", status));
}

}  // namespace

MappedSteps::~MappedSteps() {
  const cl::DispatchTable& api = buffer_.api();
  for (const Step& step : steps_) {
    api.clEnqueueUnmapMemObject(buffer_.queue(), buffer_.mem(), step.data, 0, nullptr, nullptr);
    api.clReleaseEvent(step.mapped);
  }
  if (unmapped_ != nullptr) api.clReleaseEvent(unmapped_);
  api.clFlush(buffer_.queue());
}

absl::StatusOr<std::span<std::byte>> MappedSteps::Next() {
  RETURN_IF_ERROR(failed_);
  absl::StatusOr<std::span<std::byte>> next = MapNext();
  failed_ = next.status();
  return next;
}

absl::StatusOr<std::span<std::byte>> MappedSteps::MapNext() {
  if (using_) RETURN_IF_ERROR(UnmapUsed());
  RETURN_IF_ERROR(MapAhead());
  if (steps_.empty()) {
    RETURN_IF_ERROR(AwaitUnmapped());
    return std::span<std::byte>();
  }
  const Step& step = steps_.front();
  RETURN_IF_ERROR(Await(step.mapped));
  using_ = true;
  return std::span(step.data, step.bytes);
}

absl::Status MappedSteps::MapAhead() {
  while (left_bytes_ > 0 && steps_.size() < kMostMapped) {
    const uint64_t bytes = std::min(left_bytes_, kStepBytes);
    cl_int status = CL_SUCCESS;
    cl_event mapped = nullptr;
    void* const data = buffer_.api().clEnqueueMapBuffer(buffer_.queue(), buffer_.mem(), CL_FALSE, flags_, offset_,
                                                        bytes, 0, nullptr, &mapped, &status);
    if (data == nullptr) return DriverFailed("mapping a buffer", status);
    steps_.push_back({static_cast<std::byte*>(data), bytes, mapped});
    offset_ += bytes;
    left_bytes_ -= bytes;
  }
  return absl::OkStatus();
}

absl::Status MappedSteps::UnmapUsed() {
  RETURN_IF_ERROR(AwaitUnmapped());
  const Step step = steps_.front();
  const cl_int status =
      buffer_.api().clEnqueueUnmapMemObject(buffer_.queue(), buffer_.mem(), step.data, 0, nullptr, &unmapped_);
  if (status != CL_SUCCESS) return DriverFailed("unmapping a buffer", status);
  buffer_.api().clReleaseEvent(step.mapped);
  steps_.pop_front();
  using_ = false;
  return absl::OkStatus();
}

absl::Status MappedSteps::Await(cl_event event) const {
  const cl_int status = buffer_.api().clWaitForEvents(1, &event);
  return status == CL_SUCCESS ? absl::OkStatus() : DriverFailed("a command of a direct copy", status);
}

absl::Status MappedSteps::AwaitUnmapped() {
  if (unmapped_ == nullptr) return absl::OkStatus();
  const absl::Status status = Await(unmapped_);
  buffer_.api().clReleaseEvent(std::exchange(unmapped_, nullptr));
  return status;
}

}  // namespace xpool::worker
