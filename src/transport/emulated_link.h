// An EMULATOR of a network between two channels, for tests and benchmarks only: the kernel at hand may have no netem,
// and a test wants the same loss each time. It stands between two connected channels as a proxy and adds latency,
// jitter, a bandwidth, and the loss of the connection at a byte or a time.
//
//   program <-channel-> a [EmulatedLink] b <-channel-> worker
//
// Given the same seed and, with a ManualClock, the same calls of Step(), the same bytes pass at the same times. The
// byte at which the connection is cut does not depend on timing at all.
//
// EmulatedLink is single-threaded and moves bytes only in Step(). EmulatedLinkThread runs one until it is destroyed.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "transport/channel.h"

namespace xpool::transport {

struct EmulatedLinkOptions {
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  int64_t latency_ns = 0;           // one way, for each direction
  int64_t jitter_ns = 0;            // up to this much more, drawn for each piece; order is kept
  uint64_t bytes_per_second = 0;    // for each direction; 0: as fast as it goes
  uint64_t queue_bytes = 4 * kMiB;  // on the way in each direction before the sender is held back
  // The connection is lost after this many bytes were delivered, counting both directions, or so long after the start.
  uint64_t cut_after_bytes = kNever;
  uint64_t cut_within_bytes = 0;  // > 0: instead at a byte in [1, cut_within_bytes] drawn from the seed
  int64_t cut_after_ns = Deadline::kForeverNs;
  // < 0: both channels are closed by the cut. Otherwise nothing passes for so long, and then what was held back.
  int64_t outage_ns = -1;
  uint64_t seed = 1;
};

class EmulatedLink {
 public:
  EmulatedLink(std::unique_ptr<Channel> a, std::unique_ptr<Channel> b, const EmulatedLinkOptions& options,
               const Clock* clock = Clock::Monotonic());

  // Moves what is due now. Returns when something is due next by the clock, kForeverNs when only the channels can tell.
  int64_t Step();

  // Both channels were closed: by the cut, or since one of them ended and all it sent has been delivered.
  bool over() const { return over_; }
  uint64_t delivered_bytes() const { return delivered_bytes_; }
  // The byte at which the connection will be or was cut; kNever.
  uint64_t cut_byte() const { return cut_byte_; }

  // What to poll until a Step() is worth it, apart from the time: one target for each channel.
  std::array<PollTarget, 2> Targets();

 private:
  struct Piece {
    std::vector<std::byte> bytes;
    size_t sent = 0;
    int64_t due_ns = 0;
  };
  struct Direction {
    Channel* from;
    Channel* to;
    std::deque<Piece> pieces;
    uint64_t queued_bytes = 0;
    int64_t free_at_ns = 0;  // when the wire has sent the last piece
    int64_t last_due_ns = 0;
    bool ended = false;    // |from| has no more
    bool dead = false;     // |to| is over
    bool blocked = false;  // |to| takes nothing now
  };

  bool InOutage(int64_t now_ns);
  void TakeIn(Direction* direction, int64_t now_ns);
  void Deliver(Direction* direction, int64_t now_ns);
  int64_t DueAt(Direction* direction, size_t bytes, int64_t now_ns);
  void CutNow(int64_t now_ns);
  void EndBoth();
  int64_t NextDue(int64_t now_ns) const;

  const EmulatedLinkOptions options_;
  const Clock* const clock_;
  const std::unique_ptr<Channel> a_, b_;
  std::array<Direction, 2> directions_;
  std::mt19937_64 random_;
  const int64_t start_ns_;
  uint64_t cut_byte_;
  uint64_t delivered_bytes_ = 0;
  bool cut_ = false;
  int64_t outage_until_ns_ = 0;
  bool over_ = false;
};

// Runs a link that uses the machine's clock on a thread of its own, precise to some tens of microseconds. Destroying it
// ends the link and drops both channels.
class EmulatedLinkThread {
 public:
  explicit EmulatedLinkThread(std::unique_ptr<EmulatedLink> link);
  EmulatedLinkThread(const EmulatedLinkThread&) = delete;
  EmulatedLinkThread& operator=(const EmulatedLinkThread&) = delete;
  ~EmulatedLinkThread();

 private:
  void Run();

  const std::unique_ptr<EmulatedLink> link_;
  const UniqueFd stop_;
  std::thread thread_;
};

}  // namespace xpool::transport
