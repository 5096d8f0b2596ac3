// Makes lanes of the connections that the agent hands over: what security the preamble asks for, then the Hello, each
// on a thread of its own, as a client may take its time. Thread-safe.
#pragma once

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "transport/channel.h"
#include "transport/tls_context.h"
#include "wire/attach.h"
#include "worker/client_session.h"

namespace xpool::worker {

class LaneDoor {
 public:
  // A client has two lanes, and may be connecting both while old connections of it still stall here.
  static constexpr int kMostOpening = 8;

  // |session| must outlive this. |tls|: for lanes under TLS, and then for all; nullptr otherwise.
  LaneDoor(ClientSession* session, std::unique_ptr<transport::TlsContext> tls)
      : session_(session), tls_(std::move(tls)) {}

  // Takes |socket|, on which |preamble| has been read. Closed when there are too many already.
  void Open(UniqueFd socket, const wire::Preamble& preamble);

 private:
  absl::StatusOr<std::unique_ptr<transport::Channel>> Secure(UniqueFd socket, const wire::Preamble& preamble,
                                                             const transport::Deadline& deadline) const;
  void Admit(UniqueFd socket, const wire::Preamble& preamble);

  ClientSession* const session_;
  const std::unique_ptr<transport::TlsContext> tls_;
  Mutex mutex_;
  int opening_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool::worker
