#include "transport/emulated_link.h"

#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

namespace xpool::transport {
namespace {

constexpr size_t kPieceBytes = 16 * kKiB;
constexpr int kPiecesPerStep = 64;  // so that one direction does not keep the other waiting

uint64_t CutByte(const EmulatedLinkOptions& options, std::mt19937_64* random) {
  if (options.cut_within_bytes == 0) return options.cut_after_bytes;
  return std::uniform_int_distribution<uint64_t>(1, options.cut_within_bytes)(*random);
}

}  // namespace

EmulatedLink::EmulatedLink(std::unique_ptr<Channel> a, std::unique_ptr<Channel> b, const EmulatedLinkOptions& options,
                           const Clock* clock)
    : options_(options),
      clock_(clock),
      a_(std::move(a)),
      b_(std::move(b)),
      random_(options.seed),
      start_ns_(clock->NowNs()),
      cut_byte_(CutByte(options, &random_)) {
  directions_[0].from = directions_[1].to = a_.get();
  directions_[0].to = directions_[1].from = b_.get();
}

int64_t EmulatedLink::Step() {
  const int64_t now_ns = clock_->NowNs();
  if (over_) return Deadline::kForeverNs;
  if (!cut_ && now_ns - start_ns_ >= options_.cut_after_ns) CutNow(now_ns);
  for (Direction& direction : directions_) {
    if (over_ || InOutage(now_ns)) break;
    TakeIn(&direction, now_ns);
    Deliver(&direction, now_ns);
  }
  return NextDue(now_ns);
}

bool EmulatedLink::InOutage(int64_t now_ns) { return cut_ && now_ns < outage_until_ns_; }

void EmulatedLink::TakeIn(Direction* direction, int64_t now_ns) {
  for (int i = 0; i < kPiecesPerStep && !direction->ended && !direction->dead; ++i) {
    if (direction->queued_bytes >= options_.queue_bytes) return;
    std::array<std::byte, kPieceBytes> bytes;
    const absl::StatusOr<size_t> received = direction->from->Receive(bytes);
    if (received.ok() && *received == 0) return;
    if (!received.ok()) {
      direction->ended = true;
      return;
    }
    Piece piece;
    piece.bytes.assign(bytes.begin(), bytes.begin() + *received);
    piece.due_ns = DueAt(direction, *received, now_ns);
    direction->queued_bytes += *received;
    direction->pieces.push_back(std::move(piece));
  }
}

// The wire sends one piece after the other; a piece is there when its last bit has travelled.
int64_t EmulatedLink::DueAt(Direction* direction, size_t bytes, int64_t now_ns) {
  int64_t sent_ns = std::max(now_ns, direction->free_at_ns);
  if (options_.bytes_per_second > 0)
    sent_ns +=
        static_cast<int64_t>(static_cast<double>(bytes) * kNsPerSec / static_cast<double>(options_.bytes_per_second));
  direction->free_at_ns = sent_ns;
  int64_t due_ns = sent_ns + options_.latency_ns;
  if (options_.jitter_ns > 0) due_ns += std::uniform_int_distribution<int64_t>(0, options_.jitter_ns)(random_);
  return direction->last_due_ns = std::max(due_ns, direction->last_due_ns);
}

void EmulatedLink::Deliver(Direction* direction, int64_t now_ns) {
  direction->blocked = false;
  if (direction->dead) return;
  while (!direction->pieces.empty() && direction->pieces.front().due_ns <= now_ns) {
    Piece& piece = direction->pieces.front();
    const uint64_t until_cut = cut_ ? EmulatedLinkOptions::kNever : cut_byte_ - delivered_bytes_;
    const size_t size = std::min<uint64_t>(piece.bytes.size() - piece.sent, until_cut);
    const iovec next{piece.bytes.data() + piece.sent, size};
    const absl::StatusOr<size_t> sent = direction->to->Send({&next, 1});
    if (!sent.ok()) {  // the other direction still drains, and then learns of the end by itself
      direction->dead = true;
      direction->pieces.clear();
      return;
    }
    direction->blocked = *sent < size;
    piece.sent += *sent;
    direction->queued_bytes -= *sent;
    delivered_bytes_ += *sent;
    if (piece.sent == piece.bytes.size()) direction->pieces.pop_front();
    if (!cut_ && delivered_bytes_ >= cut_byte_) return CutNow(now_ns);
    if (direction->blocked) return;
  }
  if (direction->ended && direction->pieces.empty()) EndBoth();
}

void EmulatedLink::CutNow(int64_t now_ns) {
  cut_ = true;
  if (options_.outage_ns < 0) return EndBoth();
  outage_until_ns_ = now_ns + options_.outage_ns;
}

void EmulatedLink::EndBoth() {
  over_ = true;
  a_->Close();
  b_->Close();
}

int64_t EmulatedLink::NextDue(int64_t now_ns) const {
  if (over_) return Deadline::kForeverNs;
  if (cut_ && now_ns < outage_until_ns_) return outage_until_ns_;
  int64_t next_ns = Deadline::kForeverNs;
  if (!cut_ && options_.cut_after_ns != Deadline::kForeverNs) next_ns = start_ns_ + options_.cut_after_ns;
  for (const Direction& direction : directions_) {
    if (direction.blocked || direction.pieces.empty()) continue;
    next_ns = std::min(next_ns, direction.pieces.front().due_ns);
  }
  return next_ns;
}

std::array<PollTarget, 2> EmulatedLink::Targets() {
  std::array<PollTarget, 2> targets;
  if (over_ || InOutage(clock_->NowNs())) return targets;
  for (size_t i = 0; i < targets.size(); ++i) {
    const Direction& out = directions_[i];       // from this channel
    const Direction& back = directions_[1 - i];  // to it
    const bool receive = !out.ended && !out.dead && out.queued_bytes < options_.queue_bytes;
    if (receive || back.blocked) targets[i] = out.from->PollFor({receive, back.blocked});
  }
  return targets;
}

EmulatedLinkThread::EmulatedLinkThread(std::unique_ptr<EmulatedLink> link)
    : link_(std::move(link)), stop_(eventfd(0, EFD_CLOEXEC)), thread_([this] { Run(); }) {}

EmulatedLinkThread::~EmulatedLinkThread() {
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof(one));
  thread_.join();
}

void EmulatedLinkThread::Run() {
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);  // short latencies are what it is for
  while (true) {
    const int64_t next_ns = link_->Step();
    const std::array<PollTarget, 2> targets = link_->Targets();
    std::array<pollfd, 3> polled{
        {{stop_.get(), POLLIN, 0}, {targets[0].fd, targets[0].events, 0}, {targets[1].fd, targets[1].events, 0}}};
    const bool ready = targets[0].ready || targets[1].ready;
    const Deadline deadline =
        ready ? Deadline::Passed()
              : (next_ns == Deadline::kForeverNs ? Deadline::Never() : Deadline::At(Clock::Monotonic(), next_ns));
    if (!PollUntil(polled, deadline).ok() || (polled[0].revents & POLLIN)) return;
  }
}

}  // namespace xpool::transport
