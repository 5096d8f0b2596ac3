// A peer that does to a lane whatever it likes: frames and control messages with any numbers, in any order, again, cut
// short, over one connection after the other, while this side posts, pings and reads. Nothing of it may crash, make the
// lane keep more than what was posted, deliver a frame twice or out of order, or end but with a status.
// The first byte picks the lane, every two bytes after it something that the peer or this side does.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "check.h"
#include "lane/bulk_port.h"
#include "lane/lane.h"

namespace {

using namespace xpool;
using namespace xpool::fuzz;

wire::Limits SmallLimits() {
  wire::Limits limits;
  limits.max_frame_bytes = limits.max_chunk_bytes = 16 * 1024;
  limits.max_inline_bytes = 1024;
  limits.credit_bytes = limits.resend_bytes = 40 * 1024;
  return limits;
}

// Between the lane and the fuzzer: brings what the peer has written, and takes as much as it is told to.
class PeerChannel : public transport::Channel {
 public:
  absl::StatusOr<size_t> Send(std::span<const iovec> pieces) override {
    if (closed_) return absl::CancelledError("closed");
    size_t taken = 0;
    for (const iovec& piece : pieces) taken += piece.iov_len;
    taken = std::min(taken, room_);
    room_ -= taken;
    return taken;
  }
  absl::StatusOr<size_t> Receive(std::span<std::byte> buffer) override {
    if (closed_) return absl::CancelledError("closed");
    const size_t size = std::min(buffer.size(), written_.size() - read_);
    std::memcpy(buffer.data(), written_.data() + read_, size);
    read_ += size;
    return size;
  }
  transport::PollTarget PollFor(transport::Interest) override { return {-1, 0, true}; }
  void Close() override { closed_ = true; }
  std::string Describe() const override { return "fuzzer"; }

  void Write(std::span<const std::byte> bytes) { written_.insert(written_.end(), bytes.begin(), bytes.end()); }
  void Take(size_t bytes) { room_ += bytes; }
  bool has_unread() const { return read_ < written_.size(); }

 private:
  std::vector<std::byte> written_;
  size_t read_ = 0, room_ = 0;
  bool closed_ = false;
};

// A lane, or the bulk port around one, and the fuzzer at its other end.
class Game {
 public:
  explicit Game(bool bulk)
      : bulk_(bulk), calls_(wire::LaneKind::kCalls, SmallLimits(), &clock_), port_(SmallLimits(), &clock_) {
    clock_.Set(kNsPerSec);
    Connect(0);
  }
  ~Game() { port_.Fail(absl::CancelledError("over")); }

  // False when the session is over.
  bool Play(uint8_t what, uint8_t with) {
    clock_.Advance(with);
    switch (what % 12) {
      case 0:
        return Connect(with < 128 ? with % 8 : ~uint64_t{with});
      case 1:
        return Frame(next_++, with);
      case 2:
        return Frame(next_ + with - 128, with);
      case 3:
        return Control(wire::Ack{with < 250 ? with % 16 : ~uint64_t{0} - with});
      case 4:
        return Control(wire::Credit{with < 250 ? with * 1024u : ~uint64_t{0} - with});
      case 5:
        for (int i = 0; i < with; ++i) Write(wire::Ping{with});
        return Read();
      case 6:
        return Control(wire::Pong{with < 250 ? with : ~uint64_t{0} / 2 + with});
      case 7:
        return Control(wire::Goodbye{with, "bye"});
      case 8:
        return Bytes(with);
      case 9:
        channel_->Take(with * 64u);
        lane().Flush();
        return true;
      case 10:
        return Post(with);
      default:
        return Transfer(with);
    }
  }

 private:
  lane::Lane& lane() { return bulk_ ? port_.lane() : calls_; }

  bool Connect(uint64_t received) {
    lane().Disconnect();
    channel_ = std::make_shared<PeerChannel>();
    next_ = lane().received() + 1;
    return lane().Connect(channel_, connections_++ == 0 ? 0 : received).ok();
  }

  template <typename Message>
  void Write(const Message& message) {
    wire::Writer writer;
    WriteControl(&writer, message);
    channel_->Write(writer.buffer());
  }
  template <typename Message>
  bool Control(const Message& message) {
    Write(message);
    return Read();
  }

  bool Frame(uint64_t sequence, uint8_t with) {
    wire::FrameHeader header{.call = static_cast<uint16_t>(bulk_ ? 0 : 1),
                             .kind = bulk_ ? wire::FrameKind::kBulk : wire::FrameKind::kCall,
                             .sequence = sequence};
    header.length = with % 4 == 3 ? with * 64u : with;
    const std::vector<std::byte> payload(header.length, std::byte{with});
    channel_->Write(EncodeHeader(header));
    channel_->Write(payload);
    return Read();
  }
  // A transfer's first frame, of a size that its data may not keep.
  bool Transfer(uint8_t with) {
    if (!bulk_) return Frame(next_++, with);
    if (with % 4 == 0) port_.Discard(with / 16);
    if (with % 4 == 1) port_.Expect(with / 16, {target_.data(), size_t{with} % 8 * 16}, [](const absl::Status&) {});
    if (with % 4 == 2) port_.Cancel(with / 16);
    if (with % 4 != 3) return true;
    wire::Writer payload;
    payload.U64(with / 16);
    payload.U64(with % 8 * 16);
    const wire::FrameHeader header{.length = static_cast<uint32_t>(payload.size()),
                                   .kind = wire::FrameKind::kBulk,
                                   .flags = wire::kFlagFirst,
                                   .sequence = next_++};
    channel_->Write(EncodeHeader(header));
    channel_->Write(payload.buffer());
    return Read();
  }
  bool Bytes(uint8_t with) {
    const std::vector<std::byte> bytes(with % 32, std::byte{with});
    channel_->Write(bytes);
    return Read();
  }

  bool Post(uint8_t with) {
    const size_t size = with * 16u;
    if (bulk_) {
      port_.Send(with + 1u, std::span(source_).first(size + 1), [] {});
    } else {
      const std::vector<std::byte> payload(size);
      Check(calls_
                .PostNow(wire::FrameKind::kAnswer, 1, 0,
                         [&](wire::Writer& writer) {
                           writer.U64(1);
                           writer.Raw(payload);
                           return absl::OkStatus();
                         })
                .ok());
    }
    posted_bytes_ += size + 128;
    Check(lane().unacknowledged_bytes() <= posted_bytes_);
    lane().SendPing();
    return true;
  }

  bool Read() {
    while (channel_->has_unread()) {
      const absl::StatusOr<size_t> got = bulk_ ? port_.Receive() : calls_.Receive([this](const wire::Frame& frame) {
        Check(frame.header.sequence == ++delivered_);
        if (frame.header.length % 2 != 0) calls_.KeepCredit();
        return absl::OkStatus();
      });
      if (got.ok()) continue;
      Check(!got.status().message().empty());
      return lane::IsConnectionLost(got.status()) && Connect(0);
    }
    Check(lane().unacknowledged_bytes() <= posted_bytes_);
    return true;
  }

  const bool bulk_;
  ManualClock clock_;
  lane::Lane calls_;
  std::vector<std::byte> target_ = std::vector<std::byte>(128);
  std::vector<std::byte> source_ = std::vector<std::byte>(8192);
  lane::BulkPort port_;
  std::shared_ptr<PeerChannel> channel_;
  uint64_t next_ = 1, delivered_ = 0, posted_bytes_ = 0;
  int connections_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Game game(data[0] % 2 != 0);
  for (size_t at = 1; at + 1 < size && game.Play(data[at], data[at + 1]); at += 2) {
  }
  return 0;
}
