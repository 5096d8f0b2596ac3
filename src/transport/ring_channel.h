// A channel through shared memory, for two processes of one machine: two rings of bytes (ring_memory.h), one for each
// direction, in one sealed memfd that one side makes and passes to the other over a connected Unix socket.
//
// Moving bytes costs no system call while both sides are awake. Who has to wait spins briefly (not on a machine with
// few cores, where the peer needs the core), sleeps in a futex for up to kFutexNs, and then in poll() on a socket,
// where it also sees the end of the peer: a dead peer is noticed after kFutexNs at most, and an idle channel wakes
// nobody. The connected socket is for receivers to sleep on, a second one for senders, so that two threads of one side
// do not take each other's wake-ups. Every wait on a socket or word that the peer can touch is bounded or harmless
// (MSG_DONTWAIT).
//
// Waiting to send ends when a quarter of the ring is free, as a socket's does; Send takes what fits, however little.
// Threading and lifecycle as in channel.h.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "transport/channel.h"
#include "transport/ring.h"
#include "transport/ring_memory.h"

namespace xpool::transport {

struct RingOptions {
  uint64_t ring_bytes = kMiB;  // for each direction; only who offers says it
  int spin_rounds = -1;        // how often to look before sleeping; -1: by the number of cores this process may use
};

class RingChannel : public Channel {
 public:
  // Makes the memory and offers it to the peer at the other end of |socket|, a connected Unix socket on which nothing
  // was sent yet in this direction (the other direction may be in use until the peer accepts). Does not wait.
  static absl::StatusOr<std::unique_ptr<RingChannel>> Offer(UniqueFd socket, const RingOptions& options);

  // Takes what the peer offers. DEADLINE_EXCEEDED; OUT_OF_RANGE when it closes instead; INVALID_ARGUMENT or
  // FAILED_PRECONDITION when it is no ring that can be used safely.
  static absl::StatusOr<std::unique_ptr<RingChannel>> Accept(UniqueFd socket, const RingOptions& options,
                                                             const Deadline& deadline);

  absl::StatusOr<size_t> Send(std::span<const iovec> pieces) override;
  absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) override;
  PollTarget PollFor(Interest interest) override;
  absl::Status Wait(Interest interest, const Deadline& deadline) override;
  void Close() override;
  std::string Describe() const override { return "the peer of a shared-memory ring"; }

 private:
  static constexpr int64_t kFutexNs = 2 * kNsPerMs;

  RingChannel(RingMemory memory, int out_ring, UniqueFd data_socket, UniqueFd room_socket, UniqueFd epoll,
              const RingOptions& options);
  static absl::StatusOr<std::unique_ptr<RingChannel>> Make(RingMemory memory, int out_ring, UniqueFd data_socket,
                                                           UniqueFd room_socket, const RingOptions& options);

  bool Possible(Interest interest) const;
  bool Spin(Interest interest) const;
  // True when the wait is over. REQUIRES: exactly one of the two.
  bool SleepInFutex(Interest interest, const Deadline& deadline);
  absl::Status SleepInPoll(Interest interest, const Deadline& deadline);
  void SetBells(Interest interest, uint32_t state);
  void Drain(Interest interest);
  void DrainSocket(int socket);
  void LookForPeer(int socket);

  const RingMemory memory_;
  RingControl* const out_;
  RingControl* const in_;
  RingProducer producer_;
  RingConsumer consumer_;
  const UniqueFd data_socket_;  // the peer's producer sends a byte here for our sleeping receiver, and ours for its
  const UniqueFd room_socket_;  // the same for sleeping senders
  const UniqueFd epoll_;        // both of them, for who polls for both directions
  const int spin_rounds_;
  uint32_t empty_receives_ = 0;  // the receiving thread's
  uint32_t full_sends_ = 0;      // the sending thread's
  std::atomic<bool> closed_{false};
  std::atomic<bool> peer_gone_{false};
};

}  // namespace xpool::transport
