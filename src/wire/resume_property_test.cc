// Two ends of a lane over a connection that is cut at any byte, and on which whole frames are lost or doubled: whatever
// happens, both sides deliver exactly what the other sent, in order, once. Everything is drawn from a seed that a
// failure names.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "wire/control.h"
#include "wire/frame.h"
#include "wire/outbox.h"
#include "wire/receive_window.h"
#include "wire/writer.h"

namespace xpool::wire {
namespace {

using Bytes = std::vector<std::byte>;
using Random = std::mt19937_64;

constexpr uint32_t kMaxPayload = 300;
constexpr uint64_t kWindow = 2000;
constexpr size_t kFrames = 200;
const AckPolicy kPolicy = {.every_bytes = kWindow - kMaxPayload - kFrameHeaderBytes, .every_frames = 7};

Limits LaneLimits() {
  Limits limits;
  limits.credit_bytes = uint64_t{1} << 40;
  limits.resend_bytes = kWindow;
  return limits;
}

uint64_t Below(Random* random, uint64_t end) { return (*random)() % end; }

// One end: what it sends and receives on the lane. |outgoing| is what the connection carries towards the other end.
struct End {
  Outbox sent{LaneLimits()};
  ReceiveWindow received{kPolicy};
  FrameParser parser{kMaxPayload};
  Bytes outgoing;
  std::vector<Bytes> frames;  // all of them, as they went out
  std::vector<Bytes> sent_payloads;
  std::vector<Bytes> delivered;

  bool CanSend() const {
    return sent_payloads.size() < kFrames && sent.kept_bytes() + kFrameHeaderBytes + kMaxPayload <= kWindow;
  }

  // Sends a random frame; with |lost| the connection swallows it.
  void Send(Random* random, bool lost) {
    Bytes payload(Below(random, kMaxPayload + 1));
    for (std::byte& byte : payload) byte = std::byte((*random)());
    Writer writer;
    const Writer::Mark frame =
        BeginFrame(&writer, {.call = 1, .kind = FrameKind::kCall, .sequence = sent.next_sequence()});
    writer.Raw(payload);
    ASSERT_TRUE(EndFrame(&writer, frame, kMaxPayload).ok());
    frames.push_back(writer.Flatten());
    sent.Append(frames.back());
    const Bytes bytes = TakeSendable();
    if (!lost) Put(bytes);
    sent_payloads.push_back(std::move(payload));
  }

  Bytes TakeSendable() {
    Bytes bytes;
    std::array<iovec, 8> pieces;
    while (const size_t count = sent.Sendable(pieces)) {
      const size_t before = bytes.size();
      for (size_t i = 0; i < count; ++i) {
        const auto* const data = static_cast<const std::byte*>(pieces[i].iov_base);
        bytes.insert(bytes.end(), data, data + pieces[i].iov_len);
      }
      sent.Sent(bytes.size() - before);
    }
    return bytes;
  }

  void Put(const Bytes& bytes) { outgoing.insert(outgoing.end(), bytes.begin(), bytes.end()); }

  void SendAgain(Random* random) {
    if (!frames.empty()) Put(frames[Below(random, frames.size())]);
  }

  // Takes in |input|; false when the connection must be given up.
  bool Receive(std::span<const std::byte> input) {
    while (true) {
      const absl::StatusOr<std::optional<Frame>> frame = parser.Next(&input);
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (!frame.ok() || !frame->has_value()) return frame.ok();
      if (!Take(**frame)) return false;
    }
  }

  bool Take(const Frame& frame) {
    if (frame.header.kind == FrameKind::kControl) {
      const absl::StatusOr<Ack> ack = ReadControl<Ack>(frame);
      EXPECT_TRUE(ack.ok() && sent.Acknowledge(ack->received).ok());
      return true;
    }
    const auto arrival = received.Accept(frame.header.sequence, kFrameHeaderBytes + frame.payload.size());
    if (!arrival.ok()) return false;
    if (*arrival == ReceiveWindow::Arrival::kNew) delivered.emplace_back(frame.payload.begin(), frame.payload.end());
    if (const std::optional<uint64_t> ack = received.TakeAck(); ack.has_value()) {
      Writer writer;
      WriteControl(&writer, Ack{*ack});
      Put(writer.Flatten());
    }
    return true;
  }
};

class Lane {
 public:
  explicit Lane(uint64_t seed) : random_(seed) {}

  // A random thing happens.
  void Step() {
    const size_t from = Below(&random_, 2);
    const uint64_t what = Below(&random_, 1000);
    if (what < 5) return Reconnect();
    if (what < 10 && ends_[from].CanSend()) return ends_[from].Send(&random_, /*lost=*/true);
    if (what < 20) return ends_[from].SendAgain(&random_);
    if (what < 400 && ends_[from].CanSend()) return ends_[from].Send(&random_, /*lost=*/false);
    Carry(from, Below(&random_, 400));
  }

  // Nothing goes wrong any more: everything that is still to be sent gets through. False if it does not.
  bool Drain() {
    Reconnect();
    for (int round = 0; round < 10'000 && !Done(); ++round) {
      for (const size_t from : {0, 1}) {
        if (ends_[from].CanSend()) ends_[from].Send(&random_, /*lost=*/false);
        Carry(from, ends_[from].outgoing.size());
      }
    }
    return Done();
  }

  void CheckDelivered() const {
    EXPECT_EQ(ends_[0].delivered, ends_[1].sent_payloads);
    EXPECT_EQ(ends_[1].delivered, ends_[0].sent_payloads);
  }

  // True at any moment: nothing was delivered that was not sent, or twice, or out of order.
  void CheckPrefix() const {
    for (const size_t to : {0, 1}) {
      const std::vector<Bytes>& sent = ends_[1 - to].sent_payloads;
      const std::vector<Bytes>& delivered = ends_[to].delivered;
      ASSERT_LE(delivered.size(), sent.size());
      ASSERT_TRUE(delivered.empty() || delivered.back() == sent[delivered.size() - 1]);
      ASSERT_LE(ends_[to].sent.kept_bytes(), kWindow);
    }
  }

  int reconnects() const { return reconnects_; }

 private:
  bool Done() const { return ends_[0].delivered.size() == kFrames && ends_[1].delivered.size() == kFrames; }

  // Some bytes arrive, which may end in the middle of anything.
  void Carry(size_t from, size_t bytes) {
    Bytes& outgoing = ends_[from].outgoing;
    const Bytes arrived(outgoing.begin(), outgoing.begin() + std::min(bytes, outgoing.size()));
    outgoing.erase(outgoing.begin(), outgoing.begin() + arrived.size());
    if (!ends_[1 - from].Receive(arrived)) Reconnect();
  }

  // The connection ends with all that it carries, and a new one is resumed on.
  void Reconnect() {
    ++reconnects_;
    for (const size_t i : {0, 1}) {
      End& end = ends_[i];
      end.outgoing.clear();
      end.parser.Reset();
      ASSERT_TRUE(end.sent.Resume(ends_[1 - i].received.received()).ok());
      end.Put(end.TakeSendable());
    }
  }

  Random random_;
  End ends_[2];
  int reconnects_ = 0;
};

TEST(ResumePropertyTest, BothSidesDeliverEverythingOnceAndInOrder) {
  int reconnects = 0;
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Lane lane(seed);
    for (int step = 0; step < 1000; ++step) {
      lane.Step();
      lane.CheckPrefix();
      if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(lane.Drain());
    lane.CheckDelivered();
    if (HasFailure()) return;
    reconnects += lane.reconnects();
  }
  EXPECT_GT(reconnects, 200);  // else nothing much was tried
}

}  // namespace
}  // namespace xpool::wire
