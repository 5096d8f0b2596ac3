// The two ends of a ring of bytes in shared memory, single producer and single consumer. Pure memory: no system call,
// no waiting, which is ring_channel.h's.
//
// Each end keeps its own position to itself and takes the other's for a claim: it is read once, checked, and only the
// copy is used. So whatever the other end writes, this one touches nothing outside of |bytes| and does no more work
// than it was asked for; what it hands out may then be nonsense, as anything that comes from a peer may be.
//
// Threading: each end for one thread at a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "transport/ring_memory.h"

namespace xpool::transport {

class RingProducer {
 public:
  // REQUIRES: |bytes|' size is a power of two; nothing was written yet.
  RingProducer(RingControl* control, std::span<std::byte> bytes) : control_(control), bytes_(bytes) {}

  // Copies as much of |pieces| as fits; how much. Long ones are published part by part, so that the consumer copies out
  // meanwhile: |published| is called after each. DATA_LOSS when the consumer's position cannot be.
  absl::StatusOr<size_t> Write(std::span<const iovec> pieces, absl::FunctionRef<void()> published);

  absl::StatusOr<size_t> Room() const;

 private:
  void CopyIn(std::span<const std::byte> from);

  RingControl* const control_;
  const std::span<std::byte> bytes_;
  uint64_t written_ = 0;
};

class RingConsumer {
 public:
  // REQUIRES: as for RingProducer.
  RingConsumer(RingControl* control, std::span<std::byte> bytes) : control_(control), bytes_(bytes) {}

  // Copies out what is there, at most |out|'s size; how much. |freed| is called after each part of it.
  absl::StatusOr<size_t> Read(std::span<std::byte> out, absl::FunctionRef<void()> freed);

  absl::StatusOr<size_t> Available() const;

 private:
  void CopyOut(std::span<std::byte> to);

  RingControl* const control_;
  const std::span<std::byte> bytes_;
  uint64_t read_ = 0;
};

}  // namespace xpool::transport
