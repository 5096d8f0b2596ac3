// The server's end of a lane's connections: they are made elsewhere (the agent accepts them) and offered here, the
// first one and every later one with which the client resumes; the lane's reader takes them up.
//
// Threading: Offer() and End() for any thread, the rest for the reader.
#pragma once

#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "lane/lane.h"
#include "transport/channel.h"
#include "transport/deadline.h"
#include "wire/hello.h"

namespace xpool::worker {

// A connection whose Hello has been read and found good.
struct LaneConnection {
  std::shared_ptr<transport::Channel> channel;
  wire::Hello hello;
};

class LaneHost {
 public:
  // |lane| must outlive this.
  explicit LaneHost(lane::Lane* lane) : lane_(lane) {}

  // The reader takes it instead of the one it has, which is closed: the client would not come again if it were any
  // good.
  void Offer(LaneConnection connection);
  // The session is over: nobody waits any more.
  void End();

  // Takes up what has been offered, if anything has: answers with Welcome and connects the lane. An error: the session
  // is over (a connection that is lost again at once is none).
  absl::Status TakeOffered(const transport::Deadline& welcome_deadline);
  // Waits for an offer; DEADLINE_EXCEEDED, CANCELLED after End().
  absl::Status AwaitOffer(int64_t timeout_ns);

 private:
  lane::Lane* const lane_;
  Mutex mutex_;
  CondVar changed_;
  std::optional<LaneConnection> offered_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace xpool::worker
