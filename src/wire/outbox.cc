#include "wire/outbox.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"

namespace xpool::wire {
namespace {

constexpr size_t kSegmentBytes = 64 * kKiB;

}  // namespace

uint64_t Outbox::EndOf(uint64_t sequence) const {
  return sequence < first_sequence_ ? begin_ : frame_ends_[sequence - first_sequence_];
}

void Outbox::Append(std::span<const std::byte> bytes, std::span<const std::byte> borrowed) {
  Copy(bytes, borrowed.empty() ? kSegmentBytes : 0);
  if (!borrowed.empty()) {
    segments_.push_back({nullptr, borrowed.data(), borrowed.size(), 0, end_});
    end_ += borrowed.size();
  }
  frame_ends_.push_back(end_);
}

// |at_least|: how large a segment to add if there is no room. One between borrowed pieces is never filled up.
void Outbox::Copy(std::span<const std::byte> bytes, size_t at_least) {
  while (!bytes.empty()) {
    if (segments_.empty() || segments_.back().size >= segments_.back().capacity)
      AddSegment(std::max(bytes.size(), at_least));
    Segment& last = segments_.back();
    const size_t taken = std::min(bytes.size(), last.capacity - last.size);
    std::memcpy(last.owned.get() + last.size, bytes.data(), taken);
    last.size += taken;
    end_ += taken;
    bytes = bytes.subspan(taken);
  }
}

void Outbox::AddSegment(size_t capacity) {
  Segment segment;
  segment.capacity = capacity;
  if (segment.capacity == kSegmentBytes && spare_ != nullptr) {
    segment.owned = std::move(spare_);
  } else {
    segment.owned.reset(new std::byte[segment.capacity]);
  }
  segment.data = segment.owned.get();
  segment.start = end_;
  segments_.push_back(std::move(segment));
}

uint64_t Outbox::started_bytes() const {
  // Frames before the one that is under way end at or before |sent_|.
  const auto next = std::lower_bound(frame_ends_.begin(), frame_ends_.end(), sent_);
  if (next == frame_ends_.end() || *next == sent_) return 0;
  const uint64_t start = next == frame_ends_.begin() ? begin_ : *(next - 1);
  return start == sent_ ? 0 : *next - sent_;
}

// Pays for as many further frames as there is credit for.
void Outbox::Allow() {
  while (next_unpaid_ < next_sequence()) {
    const uint64_t end = EndOf(next_unpaid_);
    if (!purse_.TrySpend(end - allowed_)) return;
    allowed_ = end;
    ++next_unpaid_;
  }
}

size_t Outbox::Sendable(std::span<iovec> out) {
  Allow();
  if (sent_ == allowed_) return 0;
  auto segment = std::upper_bound(segments_.begin(), segments_.end(), sent_,
                                  [](uint64_t place, const Segment& s) { return place < s.start; }) -
                 1;
  size_t count = 0;
  for (uint64_t at = sent_; at < allowed_ && count < out.size(); ++segment) {
    const size_t skipped = at - segment->start;
    const size_t bytes = std::min<uint64_t>(segment->size - skipped, allowed_ - at);
    if (bytes == 0) continue;
    out[count++] = {const_cast<std::byte*>(segment->data) + skipped, bytes};
    at += bytes;
  }
  return count;
}

void Outbox::Sent(uint64_t bytes) {
  sent_ += bytes;
  while (next_unsent_ < next_sequence() && EndOf(next_unsent_) <= sent_) ++next_unsent_;
}

absl::Status Outbox::Acknowledge(uint64_t received) {
  if (received > last_sent()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the peer acknowledges frame ", received, "; the last one sent is ", last_sent()));
  }
  if (received < first_sequence_) return absl::OkStatus();
  begin_ = EndOf(received);
  frame_ends_.erase(frame_ends_.begin(),
                    frame_ends_.begin() + static_cast<std::ptrdiff_t>(received - first_sequence_ + 1));
  first_sequence_ = received + 1;
  // After a resume it may come before the frame was sent again.
  sent_ = std::max(sent_, begin_);
  DropSegments();
  return absl::OkStatus();
}

void Outbox::DropSegments() {
  while (!segments_.empty() && segments_.front().start + segments_.front().size <= begin_) {
    Segment& first = segments_.front();
    if (segments_.size() == 1 && first.capacity == kSegmentBytes) {  // begin again in the same memory
      first.size = 0;
      first.start = end_;
      return;
    }
    if (first.capacity == kSegmentBytes) spare_ = std::move(first.owned);
    segments_.pop_front();
  }
}

absl::Status Outbox::Resume(uint64_t received) {
  if (received + 1 < first_sequence_) {
    return absl::DataLossError(absl::StrCat("the peer resumes after frame ", received, " but acknowledged ",
                                            first_sequence_ - 1, "; what lies between is no longer kept"));
  }
  if (absl::Status status = Acknowledge(received); !status.ok()) return status;
  sent_ = begin_;
  return absl::OkStatus();
}

}  // namespace xpool::wire
