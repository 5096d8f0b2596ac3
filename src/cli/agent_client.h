// The CLI's side of the agent's control API (proto/xpool.proto) over its Unix socket. Every call has a deadline, so a
// missing or stopped agent never hangs a command. Errors say what to do:
//   UNAVAILABLE        nobody listens on the socket
//   PERMISSION_DENIED  the socket is somebody else's
//   DEADLINE_EXCEEDED  somebody listens but does not answer
// anything else is the agent's own answer. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/paths.h"
#include "xpool.pb.h"

namespace xpool::cli {

inline constexpr int64_t kCallDeadlineNs = 5 * kNsPerSec;

class AgentClient {
 public:
  explicit AgentClient(const AgentPaths& paths, int64_t deadline_ns = kCallDeadlineNs);
  ~AgentClient();

  absl::StatusOr<v1::Status> GetStatus();
  absl::StatusOr<v1::ListXpusResponse> ListXpus();
  absl::StatusOr<v1::Slice> CreateSlice(const v1::SliceSpec& spec);
  absl::StatusOr<v1::Slice> GetSlice(const std::string& slice);
  absl::StatusOr<v1::ListSlicesResponse> ListSlices();
  absl::StatusOr<v1::Slice> ResizeSlice(const v1::ResizeSliceRequest& request);
  absl::Status DeleteSlice(const std::string& slice, bool force);
  absl::StatusOr<v1::ListSessionsResponse> ListSessions();

  // Calls |consume| for each event until the stream ends or it returns false. With |follow| only the agent's end or
  // |consume| ends it.
  absl::Status ListEvents(uint32_t last, bool follow, const std::function<bool(const v1::Event&)>& consume);
  absl::Status Trace(int64_t duration_ns, const std::string& xpu_id,
                     const std::function<void(const v1::LeaseRecord&)>& consume);

 private:
  struct Impl;

  // OK when somebody listens on the control socket; the error that tells what is wrong otherwise.
  absl::Status Probe() const;

  template <typename Request, typename Response, typename Method>
  absl::StatusOr<Response> Call(Method method, const Request& request);

  const AgentPaths paths_;
  const int64_t deadline_ns_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xpool::cli
