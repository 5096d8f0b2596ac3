// Direct copies of a session (wire/peer.h): bytes of a buffer that its worker sends to the worker of another session of
// the same client, or gets from there. Each copy has a connection and a thread of its own, a few at once; the session's
// calls go on meanwhile.
//
// Threading: everything is for any thread and waits for nobody. Lifecycle: the destructor waits for copies that are
// under way; a worker never gets there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "transport/channel.h"
#include "transport/tls_channel.h"
#include "transport/tls_ephemeral.h"
#include "wire/attach.h"
#include "wire/peer.h"
#include "wire_opencl/notices.h"
#include "worker/held_buffer.h"
#include "worker/invite_table.h"

namespace xpool::worker {

struct PeerOptions {
  // By which the session's lanes are known; nothing when they are not under TLS, and then no copy is.
  std::optional<transport::EphemeralIdentity> identity;
  // A connection to another session's worker, on which the preamble has been sent.
  std::function<absl::StatusOr<UniqueFd>(const std::string& address, const wire::Preamble& preamble,
                                         const transport::Deadline& deadline)>
      dial = [](const std::string&, const wire::Preamble&, const transport::Deadline&) {
        return absl::UnavailableError("this worker has no agent to connect for it");
      };
  int64_t opening_ns = 10 * kNsPerSec;  // until both have agreed on a copy
  int64_t stall_ns = 30 * kNsPerSec;    // for the next bytes: the other worker may wait for a lease
  const Clock* clock = Clock::Monotonic();
};

class PeerCopies {
 public:
  static constexpr int kMostEachWay = 4;  // at once

  // What |invite| names, when its bytes come: the client may have released it by then.
  using Hold = std::function<absl::StatusOr<HeldBuffer>(const wire_cl::Invite& invite)>;

  PeerCopies(PeerOptions options, Hold hold);
  ~PeerCopies();

  // Expects a copy. RESOURCE_EXHAUSTED when there are too many, FAILED_PRECONDITION when the security is not that of
  // this session.
  absl::StatusOr<wire::PeerToken> Invite(const wire_cl::Invite& invite);
  // The copy is not expected any more; one that is under way is cut off. |done| is called when nothing of it will be
  // written any more: inside of this, or on the copy's thread.
  void Withdraw(const wire::PeerToken& token, absl::AnyInvocable<void()> done);
  // A connection of a copy that may be expected. Closed when it is not.
  void Receive(UniqueFd socket, wire::Security security);

  // Sends the range of |buffer| that |push| says, and calls |done| on a thread of its own, or inside of this when it
  // cannot begin.
  void Push(HeldBuffer buffer, const wire_cl::Push& push, absl::AnyInvocable<void(const absl::Status&)> done);

  uint64_t sent_bytes() const { return sent_bytes_.load(std::memory_order_relaxed); }
  uint64_t received_bytes() const { return received_bytes_.load(std::memory_order_relaxed); }

 private:
  using ChannelPtr = std::unique_ptr<transport::Channel>;

  // A copy that is coming in.
  struct Incoming {
    wire::PeerToken token;
    transport::Channel* channel;
    absl::AnyInvocable<void()> ended;  // if it has been withdrawn
  };

  // Runs |work| on a thread of its own; false when |*running| have begun already.
  bool Begin(int* running, const char* name, absl::AnyInvocable<void()> work);
  // |*certificate|: the other worker's, which is one of |expected|; both empty without TLS.
  absl::StatusOr<ChannelPtr> Secure(UniqueFd socket, const std::string& expected, transport::TlsRole role,
                                    std::string* certificate, const transport::Deadline& deadline) const;

  absl::Status Send(const HeldBuffer& buffer, const wire_cl::Push& push);
  absl::Status SendBytes(transport::Channel& channel, const HeldBuffer& buffer, const wire_cl::Push& push);
  absl::Status Serve(UniqueFd socket);
  absl::StatusOr<wire_cl::Invite> Admit(const wire::PeerOpening& opening, const std::string& certificate,
                                        transport::Channel* channel);
  void Leave(transport::Channel* channel);
  absl::Status ReceiveBytes(transport::Channel& channel, const wire_cl::Invite& invite);
  transport::Deadline Stall() const { return transport::Deadline::After(options_.clock, options_.stall_ns); }

  const PeerOptions options_;
  const Hold hold_;
  InviteTable invites_;
  std::atomic<uint64_t> sent_bytes_{0}, received_bytes_{0};
  Mutex mutex_;
  CondVar ended_;
  int sending_ ABSL_GUARDED_BY(mutex_) = 0;
  int receiving_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Incoming> incoming_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::worker
