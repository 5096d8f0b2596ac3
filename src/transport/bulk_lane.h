// Writing into the peer's memory beside a stream, without the peer's doing: what a channel over an RDMA adapter has
// besides (ucx_channel.h). The side that owns memory registers it and tells the peer its key over the stream; the peer
// puts bytes there, waits until they have arrived, and says so over the stream, before which the owner looks at none of
// it.
//
//   owner                                            peer
//   region = Register(buffer); send region->key() -> target = Open(key)
//                                                    number = Put(*target, offset, bytes)
//                                                    WaitForPut(number)
//   receive; the bytes are in |buffer|            <- send "written"
//
// Who is given a key can write into all of the region, and nowhere else where the transport checks keys, as an RDMA
// adapter does; ucx_options.h says which do not. A put outside of the region is refused before it leaves.
//
// Threading: Put, PutsDone and WaitForPut are for the channel's sending thread; the rest for any. Puts move on in all
// calls of the channel, at both sides: without an adapter that does it alone, the owner's must be in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "transport/deadline.h"

namespace xpool::transport {

// Memory of this process that the peer may write to, until this goes. REQUIRES: the channel still lives, and the peer
// has no put under way to it (it was told, or the channel is over).
class BulkRegion {
 public:
  virtual ~BulkRegion() = default;
  virtual const std::vector<std::byte>& key() const = 0;  // some hundred bytes, at most kMostBulkKeyBytes
};
inline constexpr size_t kMostBulkKeyBytes = 8192;

// The peer's region. REQUIRES: the channel still lives.
class BulkTarget {
 public:
  virtual ~BulkTarget() = default;
  virtual uint64_t size_bytes() const = 0;
};

class BulkLane {
 public:
  virtual ~BulkLane() = default;

  // REQUIRES: |memory| stays mapped as long as the region.
  virtual absl::StatusOr<std::unique_ptr<BulkRegion>> Register(std::span<std::byte> memory) = 0;
  // |key| is what the peer's region said. INVALID_ARGUMENT when it is no key; UNAVAILABLE.
  virtual absl::StatusOr<std::unique_ptr<BulkTarget>> Open(std::span<const std::byte> key) = 0;

  // Starts to write |bytes|, which stay until the put is done or the channel destroyed, at |offset| of |target|, which
  // stays too. Never waits. The put's number, from 1 on; 0 when too many are under way. INVALID_ARGUMENT outside of the
  // target; or as Channel::Send.
  virtual absl::StatusOr<uint64_t> Put(const BulkTarget& target, uint64_t offset, std::span<const std::byte> bytes) = 0;
  // The number up to which all puts have arrived in the peer's memory. Never waits.
  virtual absl::StatusOr<uint64_t> PutsDone() = 0;
  virtual absl::Status WaitForPut(uint64_t number, const Deadline& deadline) = 0;
};

}  // namespace xpool::transport
