#include "transport/ring_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "base/unix_socket.h"
#include "transport/ring_memory.h"

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

struct OfferBytes {
  uint32_t magic = kRingMagic;
  uint32_t version = kRingVersion;
  uint64_t ring_bytes = kLeastRingBytes;
};

struct SocketPair {
  explicit SocketPair(int type) {
    int fds[2];
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) abort();
    here.Reset(fds[0]);
    there.Reset(fds[1]);
  }
  UniqueFd here, there;
};

// Sends an offer as a peer of any kind would, and says what Accept makes of it.
absl::Status AcceptOf(const OfferBytes& offer, int memory, int room) {
  SocketPair pair(SOCK_SEQPACKET);
  const int fds[] = {memory, room};
  const absl::Status sent = SendMessage(pair.there.get(), std::as_bytes(std::span(&offer, 1)), fds);
  if (!sent.ok()) return sent;
  return RingChannel::Accept(std::move(pair.here), {}, Patience()).status();
}

UniqueFd MemoryOf(size_t bytes, int seals) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const OfferBytes header;
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) abort();
  if (pwrite(fd.get(), &header, sizeof(header), 0) != sizeof(header)) abort();
  if (fcntl(fd.get(), F_ADD_SEALS, seals) != 0) abort();
  return fd;
}

constexpr size_t kWhole = kRingPageBytes + 2 * kLeastRingBytes;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

TEST(RingOfferTest, WholeOfferIsTaken) {
  const SocketPair room(SOCK_STREAM);
  const UniqueFd memory = MemoryOf(kWhole, kSeals);
  const absl::Status status = AcceptOf({}, memory.get(), room.there.get());
  EXPECT_TRUE(status.ok()) << status;
}

TEST(RingOfferTest, MemoryThatCouldRaiseASignalIsRefused) {
  const SocketPair room(SOCK_STREAM);
  const auto refused = [&](size_t bytes, int seals) {
    const UniqueFd memory = MemoryOf(bytes, seals);
    return !AcceptOf({}, memory.get(), room.there.get()).ok();
  };
  EXPECT_TRUE(refused(kWhole, 0));
  EXPECT_TRUE(refused(kWhole, F_SEAL_SHRINK));
  EXPECT_TRUE(refused(kWhole - 1, kSeals));
  EXPECT_TRUE(refused(kWhole + 1, kSeals));
  EXPECT_TRUE(refused(kWhole, kSeals | F_SEAL_WRITE));
  char path[] = "/tmp/xpool_ring_test_XXXXXX";
  const UniqueFd file(mkstemp(path));
  unlink(path);
  ASSERT_EQ(ftruncate(file.get(), kWhole), 0);
  EXPECT_FALSE(AcceptOf({}, file.get(), room.there.get()).ok());
}

TEST(RingOfferTest, ForeignOffersAreRefused) {
  const SocketPair room(SOCK_STREAM);
  const UniqueFd memory = MemoryOf(kWhole, kSeals);
  EXPECT_EQ(AcceptOf({.magic = 1}, memory.get(), room.there.get()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(AcceptOf({.version = 9}, memory.get(), room.there.get()).code(), absl::StatusCode::kFailedPrecondition);
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, kLeastRingBytes + 1, 2 * kMostRingBytes, UINT64_MAX})
    EXPECT_FALSE(AcceptOf({.ring_bytes = bytes}, memory.get(), room.there.get()).ok()) << bytes;
  EXPECT_FALSE(AcceptOf({}, memory.get(), memory.get()).ok());  // no socket
  const SocketPair datagrams(SOCK_DGRAM);
  EXPECT_FALSE(AcceptOf({}, memory.get(), datagrams.there.get()).ok());
}

TEST(RingOfferTest, OtherMessagesAndNoMessageAreErrors) {
  const auto accept_after = [](size_t size) {
    SocketPair pair(SOCK_SEQPACKET);
    const std::vector<std::byte> bytes(size);
    EXPECT_TRUE(SendMessage(pair.there.get(), bytes).ok());
    return RingChannel::Accept(std::move(pair.here), {}, Patience()).status().code();
  };
  EXPECT_EQ(accept_after(1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(accept_after(16), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(accept_after(1000), absl::StatusCode::kInvalidArgument);
  SocketPair silent(SOCK_SEQPACKET), closed(SOCK_SEQPACKET);
  EXPECT_EQ(RingChannel::Accept(std::move(silent.here), {}, Deadline::Passed()).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  closed.there.Reset();
  EXPECT_TRUE(IsPeerClosed(RingChannel::Accept(std::move(closed.here), {}, Patience()).status()));
}

TEST(RingOfferTest, SizesOutOfBoundsAreNotOffered) {
  for (const uint64_t bytes : {uint64_t{0}, kLeastRingBytes / 2, kLeastRingBytes + 1, 2 * kMostRingBytes}) {
    SocketPair pair(SOCK_STREAM);
    RingOptions options;
    options.ring_bytes = bytes;
    EXPECT_EQ(RingChannel::Offer(std::move(pair.here), options).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(RingOfferTest, PlainStreamSocketsWillDo) {
  SocketPair pair(SOCK_STREAM);
  auto left = RingChannel::Offer(std::move(pair.here), {});
  auto right = RingChannel::Accept(std::move(pair.there), {}, Patience());
  ASSERT_TRUE(left.ok() && right.ok()) << left.status() << right.status();
  std::byte byte{42};
  const iovec piece{&byte, 1};
  ASSERT_TRUE(SendAll(**left, {&piece, 1}, Patience()).ok());
  EXPECT_TRUE(ReceiveAll(**right, {&byte, 1}, Patience()).ok());
}

// The other side of a ring, which may do with the shared memory what it likes.
class HostilePeer : public testing::Test {
 protected:
  void SetUp() override {
    SocketPair pair(SOCK_SEQPACKET);
    RingOptions options;
    options.ring_bytes = kLeastRingBytes;
    auto victim = RingChannel::Offer(std::move(pair.here), options);
    ASSERT_TRUE(victim.ok()) << victim.status();
    victim_ = std::move(*victim);
    socket_ = std::move(pair.there);
    message_ = ReceiveMessage(socket_.get(), 64).value();
    void* base = mmap(nullptr, kWhole, PROT_READ | PROT_WRITE, MAP_SHARED, message_.fds[0].get(), 0);
    ASSERT_NE(base, MAP_FAILED);
    to_us_ = reinterpret_cast<RingControl*>(static_cast<std::byte*>(base) + 1024);
    to_victim_ = reinterpret_cast<RingControl*>(static_cast<std::byte*>(base) + 2048);
  }
  void TearDown() override { munmap(reinterpret_cast<std::byte*>(to_us_) - 1024, kWhole); }

  absl::Status Receive() {
    std::byte buffer[256];
    return victim_->Receive(buffer).status();
  }
  absl::Status Send() {
    char text[100] = "";
    const iovec piece{text, sizeof(text)};
    return victim_->Send({&piece, 1}).status();
  }

  std::unique_ptr<RingChannel> victim_;
  UniqueFd socket_;
  SocketMessage message_;
  RingControl* to_us_ = nullptr;
  RingControl* to_victim_ = nullptr;
};

TEST_F(HostilePeer, ImpossiblePositionsEndTheWaitAndAreReported) {
  to_victim_->written = kLeastRingBytes + 1;
  EXPECT_TRUE(victim_->Wait(kToReceive, Patience()).ok());
  EXPECT_EQ(Receive().code(), absl::StatusCode::kDataLoss);
  to_us_->read = 1;
  EXPECT_TRUE(victim_->Wait(kToSend, Patience()).ok());
  EXPECT_EQ(Send().code(), absl::StatusCode::kDataLoss);
}

TEST_F(HostilePeer, ScribblingOnBellsOnlyWakesForNothing) {
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    std::mt19937 random(1);
    while (!stop) {
      to_victim_->data_bell = random();
      to_us_->room_bell = random();
    }
  });
  EXPECT_EQ(victim_->Wait(kToReceive, Deadline::After(Clock::Monotonic(), 20 * kNsPerMs)).code(),
            absl::StatusCode::kDeadlineExceeded);
  while (Send().ok() && victim_->Wait(kToSend, Deadline::Passed()).ok()) {
  }
  EXPECT_EQ(victim_->Wait(kToSend, Deadline::After(Clock::Monotonic(), 20 * kNsPerMs)).code(),
            absl::StatusCode::kDeadlineExceeded);
  stop = true;
  scribbler.join();
}

TEST_F(HostilePeer, ScribblingEverywhereNeverHangsNorCrashes) {
  std::atomic<bool> stop{false};
  std::thread scribbler([&] {
    std::mt19937_64 random(2);
    while (!stop) {
      for (RingControl* ring : {to_us_, to_victim_}) {
        ring->written = random() % 3 == 0 ? random() : random() % (2 * kLeastRingBytes);
        ring->read = random() % 3 == 0 ? random() : random() % (2 * kLeastRingBytes);
        ring->data_bell = random();
        ring->room_bell = random();
      }
    }
  });
  for (int i = 0; i < 20'000; ++i) {
    const absl::Status sent = Send(), received = Receive();
    EXPECT_TRUE(sent.ok() || absl::IsDataLoss(sent)) << sent;
    EXPECT_TRUE(received.ok() || absl::IsDataLoss(received)) << received;
  }
  stop = true;
  scribbler.join();
}

TEST_F(HostilePeer, FloodOfDoorbellsOnlyWakesForNothing) {
  const char byte = 0;
  while (send(socket_.get(), &byte, 1, MSG_DONTWAIT) == 1) {
  }
  EXPECT_EQ(victim_->Wait(kToReceive, Deadline::After(Clock::Monotonic(), 50 * kNsPerMs)).code(),
            absl::StatusCode::kDeadlineExceeded);
}

// The peer holds our descriptors' other ends only, so it cannot make ours block.
TEST_F(HostilePeer, FullDoorbellsDoNotHoldTheSenderUp) {
  to_us_->data_bell = kInPoll;
  for (int i = 0; i < 100'000; ++i) {
    to_us_->data_bell = kInPoll;
    to_us_->read = to_us_->written.load();
    ASSERT_TRUE(Send().ok());
  }
}

TEST_F(HostilePeer, EndOfEitherSocketIsTheEnd) {
  while (victim_->Wait(kToSend, Deadline::Passed()).ok()) ASSERT_TRUE(Send().ok());
  message_.fds[1].Reset();
  EXPECT_TRUE(victim_->Wait(kToSend, Patience()).ok());
  socket_.Reset();
  EXPECT_TRUE(victim_->Wait(kToReceive, Patience()).ok());
  EXPECT_TRUE(IsPeerClosed(Receive()));
  EXPECT_TRUE(IsPeerClosed(Send()));
}

TEST_F(HostilePeer, CallerThatNeverWaitsLearnsOfTheEndToo) {
  message_ = {};
  socket_.Reset();
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) status = Receive();
  EXPECT_TRUE(IsPeerClosed(status)) << status;
}

}  // namespace
}  // namespace xpool::transport
