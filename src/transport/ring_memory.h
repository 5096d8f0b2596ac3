// The shared memory of a ring channel: one page of control words and two rings of bytes, one for each direction, in a
// memfd that is sealed against shrinking and growing before it is sent to the peer.
//
// The layout is an ABI between processes of the same kRingVersion:
//   byte 0     RingHeader
//   byte 1024  RingControl of ring 0 (from the side that made the memory to the other)
//   byte 2048  RingControl of ring 1 (back)
//   byte 4096  ring 0's bytes, then ring 1's; |ring_bytes| each, a power of two
// Either side can write anything anywhere in it at any time: what is read from it is a claim (ring.h checks it).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/fd.h"

namespace xpool::transport {

inline constexpr uint32_t kRingMagic = 0x676e5278;  // "xRng"
inline constexpr uint32_t kRingVersion = 1;
inline constexpr size_t kRingPageBytes = 4096;
inline constexpr uint64_t kLeastRingBytes = 4 * kKiB;
inline constexpr uint64_t kMostRingBytes = 64 * kMiB;

struct RingHeader {
  uint32_t magic;
  uint32_t version;
  uint64_t ring_bytes;
};

// How a side sleeps until a bell rings. Whoever rings sets kAwake first, so it pays for one wake-up only.
enum BellState : uint32_t {
  kAwake = 0,
  kInFutex = 1,  // on the bell itself
  kInPoll = 2,   // on a socket: send a byte there
};

// One direction. Positions count all bytes since the start, so they never wrap; position modulo size is the place.
// Each word has a cache line of its own, and one writer but for the bells.
struct RingControl {
  alignas(64) std::atomic<uint64_t> written;    // by the producer
  alignas(64) std::atomic<uint64_t> read;       // by the consumer
  alignas(64) std::atomic<uint32_t> data_bell;  // BellState of a consumer that waits for bytes
  alignas(64) std::atomic<uint32_t> room_bell;  // BellState of a producer that waits for room
};
static_assert(sizeof(RingHeader) == 16 && sizeof(RingControl) == 256);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

// The mapping. Unmapped when this goes.
class RingMemory {
 public:
  RingMemory(RingMemory&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)), ring_bytes_(other.ring_bytes_) {}
  RingMemory& operator=(RingMemory&&) = delete;
  ~RingMemory();

  uint64_t ring_bytes() const { return ring_bytes_; }
  RingControl* control(int ring) const;
  std::span<std::byte> bytes(int ring) const;

 private:
  friend absl::StatusOr<RingMemory> MapRingMemory(int fd, uint64_t ring_bytes);
  RingMemory(std::byte* base, uint64_t ring_bytes) : base_(base), ring_bytes_(ring_bytes) {}

  std::byte* base_;
  uint64_t ring_bytes_;
};

// A new, sealed, empty memfd for two rings of |ring_bytes|. INVALID_ARGUMENT for a size that is no power of two or out
// of bounds.
absl::StatusOr<UniqueFd> CreateRingMemory(uint64_t ring_bytes);

// Maps |fd| after checking all that could turn an access into a signal: kind, size and seals. |ring_bytes| is what the
// peer said. INVALID_ARGUMENT, or FAILED_PRECONDITION for another version.
absl::StatusOr<RingMemory> MapRingMemory(int fd, uint64_t ring_bytes);

}  // namespace xpool::transport
