#include "transport/ring.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"
#include "transport/channel.h"

namespace xpool::transport {
namespace {

// What is copied before the other side is told: long enough to pay for a wake-up, short enough to stay in the cache.
constexpr size_t kPublishBytes = 64 * kKiB;

absl::Status ImpossiblePosition(const char* whose, uint64_t claimed, uint64_t own, size_t size) {
  return absl::DataLossError(absl::StrCat("the ring's ", whose, " claims position ", claimed, " while this side is at ",
                                          own, " of a ring of ", size,
                                          " bytes; the peer is broken or hostile, drop it"));
}

}  // namespace

// The positions are sequentially consistent here and in ring_channel.cc: "published, then saw nobody asleep" and "fell
// asleep, then saw nothing published" must not both happen.
absl::StatusOr<size_t> RingProducer::Room() const {
  const uint64_t read = control_->read.load();
  const uint64_t used = written_ - read;
  if (used > bytes_.size()) return ImpossiblePosition("consumer", read, written_, bytes_.size());
  return bytes_.size() - static_cast<size_t>(used);
}

absl::StatusOr<size_t> RingProducer::Write(std::span<const iovec> pieces, absl::FunctionRef<void()> published) {
  ASSIGN_OR_RETURN(const size_t room, Room());
  PieceCursor left(pieces);
  size_t taken = 0, unpublished = 0;
  while (!left.done() && taken < room) {
    const std::span<const std::byte> piece = left.current();
    const size_t step = std::min({piece.size(), room - taken, kPublishBytes - unpublished});
    CopyIn(piece.first(step));
    left.Advance(step);
    taken += step;
    unpublished += step;
    if (unpublished < kPublishBytes && taken < room && !left.done()) continue;
    control_->written.store(written_);
    published();
    unpublished = 0;
  }
  return taken;
}

void RingProducer::CopyIn(std::span<const std::byte> from) {
  const size_t start = static_cast<size_t>(written_) & (bytes_.size() - 1);
  const size_t head = std::min(from.size(), bytes_.size() - start);
  memcpy(bytes_.data() + start, from.data(), head);
  if (head < from.size()) memcpy(bytes_.data(), from.data() + head, from.size() - head);
  written_ += from.size();
}

absl::StatusOr<size_t> RingConsumer::Available() const {
  const uint64_t written = control_->written.load();
  const uint64_t available = written - read_;
  if (available > bytes_.size()) return ImpossiblePosition("producer", written, read_, bytes_.size());
  return static_cast<size_t>(available);
}

absl::StatusOr<size_t> RingConsumer::Read(std::span<std::byte> out, absl::FunctionRef<void()> freed) {
  ASSIGN_OR_RETURN(const size_t available, Available());
  const size_t total = std::min(available, out.size());
  for (size_t taken = 0; taken < total;) {
    const size_t step = std::min(total - taken, kPublishBytes);
    CopyOut(out.subspan(taken, step));
    taken += step;
    control_->read.store(read_);
    freed();
  }
  return total;
}

void RingConsumer::CopyOut(std::span<std::byte> to) {
  const size_t start = static_cast<size_t>(read_) & (bytes_.size() - 1);
  const size_t head = std::min(to.size(), bytes_.size() - start);
  memcpy(to.data(), bytes_.data() + start, head);
  if (head < to.size()) memcpy(to.data() + head, bytes_.data(), to.size() - head);
  read_ += to.size();
}

}  // namespace xpool::transport
