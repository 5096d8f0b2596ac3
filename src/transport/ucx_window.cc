#include "transport/ucx_window.h"

#include <algorithm>
#include <cstring>

#include "base/status.h"

namespace xpool::transport {
namespace {

absl::Status Broken(const std::string& how) {
  return absl::DataLossError(absl::StrCat("the UCX peer ", how, "; it is broken or hostile, drop it"));
}

}  // namespace

size_t UcxSendWindow::Take(PieceCursor* left) {
  size_t taken = 0;
  for (size_t room = Room(); room > 0 && !left->done();) {
    const size_t start = static_cast<size_t>(taken_) & (ring_.size() - 1);
    const size_t step = std::min({left->current().size(), room, ring_.size() - start});
    memcpy(ring_.data() + start, left->current().data(), step);
    left->Advance(step);
    taken_ += step;
    taken += step;
    room -= step;
  }
  return taken;
}

std::optional<UcxSendWindow::Message> UcxSendWindow::Next() {
  if (submitted_ == taken_ || next_ - first_ == kMostUcxMessages) return std::nullopt;
  const uint64_t start = submitted_ & (ring_.size() - 1);
  const uint64_t size = std::min({taken_ - submitted_, ring_.size() / kUcxMessagesPerWindow, ring_.size() - start});
  const size_t slot = next_++ % kMostUcxMessages;
  const Message message{submitted_, std::span(ring_).subspan(start, size), slot};
  messages_[slot] = {submitted_, false};
  submitted_ += size;
  return message;
}

void UcxSendWindow::Sent(size_t slot) {
  messages_[slot].sent = true;
  Release();
}

absl::Status UcxSendWindow::Consumed(uint64_t messages) {
  if (messages > next_) return Broken(absl::StrCat("has consumed ", messages, " messages of ", next_));
  consumed_ = std::max(consumed_, messages);
  Release();
  return absl::OkStatus();
}

void UcxSendWindow::Release() {
  while (first_ < consumed_ && messages_[first_ % kMostUcxMessages].sent) ++first_;
}

bool UcxSendWindow::AllSent() const {
  if (submitted_ != taken_) return false;
  for (uint64_t number = first_; number < next_; ++number) {
    if (!messages_[number % kMostUcxMessages].sent) return false;
  }
  return true;
}

absl::StatusOr<UcxReceiveWindow::Place> UcxReceiveWindow::Expect(uint64_t position, size_t size) {
  // Subtract, don't add: |position| may be near 2^64.
  if (position < read_ || position - read_ >= ring_.size() || size == 0 || size > ring_.size() - (position - read_))
    return Broken(
        absl::StrCat("sends ", size, " bytes at position ", position, " to a window of ", ring_.size(), " at ", read_));
  const size_t start = static_cast<size_t>(position) & (ring_.size() - 1);
  if (size > ring_.size() - start) return Broken("sends across the end of the ring");
  Coming* free = nullptr;
  for (Coming& message : messages_) {
    if (message.start == message.end) free = &message;
    if (position < message.end && message.start < position + size) return Broken("sends over bytes it sent before");
  }
  if (free == nullptr) return Broken("sends more messages than were asked for");
  *free = {position, position + size, false};
  return Place{std::span(ring_).subspan(start, size), static_cast<size_t>(free - messages_.data())};
}

void UcxReceiveWindow::Arrived(size_t slot) { messages_[slot].here = true; }

UcxReceiveWindow::Coming* UcxReceiveWindow::HereAt(uint64_t position) {
  for (Coming& message : messages_) {
    if (message.here && message.start <= position && position < message.end) return &message;
  }
  return nullptr;
}

size_t UcxReceiveWindow::Read(std::span<std::byte> buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    Coming* message = HereAt(read_);
    if (message == nullptr) break;
    const size_t step = static_cast<size_t>(std::min<uint64_t>(message->end - read_, buffer.size() - filled));
    memcpy(buffer.data() + filled, ring_.data() + (read_ & (ring_.size() - 1)), step);
    filled += step;
    read_ += step;
    if (read_ < message->end) break;
    *message = {};
    ++consumed_;
  }
  return filled;
}

bool UcxReceiveWindow::HasBytes() const { return HereAt(read_) != nullptr; }

uint64_t UcxReceiveWindow::arrived() const {
  uint64_t position = read_;
  while (const Coming* message = HereAt(position)) position = message->end;
  return position;
}

}  // namespace xpool::transport
