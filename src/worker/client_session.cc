#include "worker/client_session.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::worker {
namespace {

// How often a reader that waits looks whether its client and its slice are still there.
constexpr int64_t kLookEachNs = kNsPerSec;
constexpr int64_t kWelcomeNs = 5 * kNsPerSec;
constexpr int64_t kPulseNs = 4 * kNsPerSec;  // a third of what either side takes for silence, with room

absl::Status TooMuchUnread() {
  return absl::ResourceExhaustedError("the client asks for more answers than it reads; its session was ended");
}

wire_cl::ServerLimits ServerLimitsOf(const wire::Limits& limits) {
  return {.max_inline_bytes = limits.max_inline_bytes, .max_handles = limits.max_handles};
}

}  // namespace

ClientSession::ClientSession(const cl::DispatchTable& api, const SessionOptions& options)
    : options_(options),
      calls_(wire::LaneKind::kCalls, options.limits, options.clock),
      bulk_(options.limits, options.clock),
      sender_(&bulk_),
      peers_(options.peers, [this](const wire_cl::Invite& invite) { return server_.Hold(invite); }),
      server_(
          api, ServerLimitsOf(options.limits), options.slice, [this] { return CheckSending(); }, &calls_, &bulk_,
          &sender_, &peers_),
      call_host_(&calls_),
      bulk_host_(&bulk_.lane()) {}

absl::Status ClientSession::Offer(LaneConnection connection) {
  const wire::Hello& hello = connection.hello;
  if (hello.session_id != options_.session_id || !wire::SameSecret(hello.resume_token, options_.token)) {
    return absl::PermissionDeniedError(
        "there is no such session, or it is somebody else's; start the program again with: xpool run");
  }
  if (ended_) return absl::NotFoundError("the session has ended; start the program again");
  if (wire::Minimum(hello.limits, options_.limits) != options_.limits)
    return absl::InvalidArgumentError("the limits in Hello are smaller than those that the session began with");
  if (hello.lane == wire::LaneKind::kCalls) {
    call_host_.Offer(std::move(connection));
  } else {
    bulk_host_.Offer(std::move(connection));
    StartBulk();
  }
  return absl::OkStatus();
}

void ClientSession::StartBulk() {
  MutexLock lock(&mutex_);
  if (bulk_thread_.joinable()) return;
  bulk_thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), "xpool-bulk-in");
    const absl::Status status = RunLane(Reading::kBulk, options_.resume_window_ns);
    bulk_.Fail(status.ok() ? absl::CancelledError("the session is over") : status);
    {
      MutexLock locked(&mutex_);
      bulk_status_ = status;
    }
    End(status);
  });
}

// A sign of life, whatever the reader is busy with: a driver may compile for long in a call. Its echo measures the
// round trip, and is the client's sign of life.
void ClientSession::StartPulse() {
  std::thread([this] {
    pthread_setname_np(pthread_self(), "xpool-pulse");
    MutexLock lock(&mutex_);
    while (!ended_) {
      calls_.SendPing();
      ended_changed_.WaitFor(&mutex_, kPulseNs);
    }
  }).detach();
}

absl::Status ClientSession::Run(int64_t first_ns) {
  StartPulse();
  absl::Status status = RunLane(Reading::kCalls, first_ns);
  End(status);
  MutexLock lock(&mutex_);
  // Who found out first knows why; the lane was told to end.
  if (absl::IsCancelled(status) && !bulk_status_.ok()) status = bulk_status_;
  if (!stopped_.ok()) status = stopped_;
  return status;
}

void ClientSession::Stop(const absl::Status& why) {
  {
    MutexLock lock(&mutex_);
    stopped_ = why;
  }
  End(why);
}

void ClientSession::End(const absl::Status& why) {
  if (ended_.exchange(true)) return;
  calls_.SayGoodbye(why);
  call_host_.End();
  bulk_host_.End();
}

absl::Status ClientSession::CheckLiving() const {
  if (ended_) return absl::CancelledError("the session is over");
  if (server_.Overfull()) return TooMuchUnread();
  return options_.slice_status();
}

// For calls that wait for bulk data, on the call lane's thread: nobody reads that lane meanwhile, so only the bulk lane
// can tell of the client.
absl::Status ClientSession::CheckSending() const {
  RETURN_IF_ERROR(CheckLiving());
  const int64_t heard_ns = std::max(calls_.last_heard_ns(), bulk_.lane().last_heard_ns());
  if (options_.clock->NowNs() - heard_ns < options_.silence_ns + options_.resume_window_ns) return absl::OkStatus();
  return absl::UnavailableError("the client has named data that it does not send");
}

absl::StatusOr<size_t> ClientSession::ReceiveCalls() {
  ASSIGN_OR_RETURN(const size_t received,
                   calls_.Receive([this](const wire::Frame& frame) { return server_.Serve(frame); }));
  if (received == 0) return 0;
  server_.EndBatch();
  // Asked here too: a client that never stops sending is never waited for.
  if (server_.Overfull()) return TooMuchUnread();
  return received;
}

// Nothing has come: waits for something, and sees to it that a dead connection does not go unnoticed.
absl::Status ClientSession::AwaitMore(lane::Lane& lane) {
  RETURN_IF_ERROR(CheckLiving());
  const auto channel = lane.channel();
  if (channel == nullptr) return absl::OkStatus();
  if (lane.blocked()) lane.Flush();
  const int64_t wait_ns = lane.blocked() ? kNsPerMs : kLookEachNs;
  const absl::Status waited = channel->Wait(transport::kToReceive, transport::Deadline::After(options_.clock, wait_ns));
  const bool silent = options_.clock->NowNs() - lane.last_heard_ns() > options_.silence_ns;
  if (absl::IsDeadlineExceeded(waited) && silent && &lane == &calls_) channel->Close();
  return absl::OkStatus();
}

absl::Status ClientSession::RunLane(Reading which, int64_t first_ns) {
  const bool calls = which == Reading::kCalls;
  lane::Lane& lane = calls ? calls_ : bulk_.lane();
  LaneHost& host = calls ? call_host_ : bulk_host_;
  int64_t patience_ns = first_ns;
  while (true) {
    RETURN_IF_ERROR(host.TakeOffered(transport::Deadline::After(options_.clock, kWelcomeNs)));
    if (!lane.connected()) {
      // The bulk lane comes back when it is needed: the call lane says whether there is still a client.
      const absl::Status offered = host.AwaitOffer(calls ? std::min(patience_ns, kLookEachNs) : kLookEachNs);
      RETURN_IF_ERROR(CheckLiving());
      if (!absl::IsDeadlineExceeded(offered)) continue;
      if (calls) patience_ns -= kLookEachNs;
      if (patience_ns <= 0)
        return absl::UnavailableError("the client's connection was lost and it did not come back in time");
      continue;
    }
    patience_ns = options_.resume_window_ns;
    const absl::StatusOr<size_t> received = calls ? ReceiveCalls() : bulk_.Receive();
    if (received.ok() && *received > 0) continue;
    if (received.ok()) {
      RETURN_IF_ERROR(AwaitMore(lane));
    } else if (absl::IsAborted(received.status())) {
      return absl::OkStatus();
    } else if (lane::IsConnectionLost(received.status())) {
      lane.Disconnect();
    } else {
      return received.status();
    }
  }
}

lane::Traffic ClientSession::traffic() const {
  lane::Traffic sum = calls_.traffic();
  const lane::Traffic bulk = bulk_.lane().traffic();
  sum.sent_bytes += bulk.sent_bytes + peers_.sent_bytes();
  sum.received_bytes += bulk.received_bytes + peers_.received_bytes();
  sum.sent_frames += bulk.sent_frames;
  sum.received_frames += bulk.received_frames;
  return sum;
}

}  // namespace xpool::worker
