// Writing into the peer's memory over UCX's TCP and shared-memory transports.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "transport/testing/ucx_pair.h"

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

UcxOptions BulkOver(const std::string& transports) {
  UcxOptions options;
  options.transports = transports;
  options.bulk = true;
  return options;
}

std::vector<std::byte> RandomBytes(size_t size, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::byte> bytes(size);
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

// Right owns memory that left writes to. Right is in a call all the time, in which what UCX emulates moves on.
class UcxBulkTest : public testing::TestWithParam<const char*> {
 protected:
  static constexpr size_t kRegionBytes = 4 * kMiB;

  void SetUp() override {
    pair_ = MakeUcxEnds(BulkOver(GetParam()));
    region_ = owner().Register(memory_).value();
    target_ = writer().Open(region_->key()).value();
    owning_ = std::thread([this] {
      std::byte byte;
      while (!done_) {
        const absl::StatusOr<size_t> received = pair_.right->Receive({&byte, 1});
        if (!received.ok()) return;
        if (*received > 0) {
          ++told_;
          told_.notify_all();
        }
        (void)pair_.right->Wait(kToReceive, Deadline::After(Clock::Monotonic(), 10 * kNsPerMs));
      }
    });
  }
  void TearDown() override {
    target_.reset();
    pair_.left->Close();
    owning_.join();
  }
  BulkLane& writer() { return *pair_.left->bulk(); }
  BulkLane& owner() { return *pair_.right->bulk(); }
  // Writes, waits until it has arrived, and tells right, which is when right may look at it.
  absl::Status PutAndTell(uint64_t offset, std::span<const std::byte> bytes) {
    const absl::StatusOr<uint64_t> put = writer().Put(*target_, offset, bytes);
    return put.ok() ? WaitAndTell(*put) : put.status();
  }
  absl::Status WaitAndTell(uint64_t put) {
    const absl::Status done = writer().WaitForPut(put, Patience());
    if (!done.ok()) return done;
    const size_t told_before = told_;
    const iovec piece{const_cast<char*>("!"), 1};
    const absl::Status sent = SendAll(*pair_.left, {&piece, 1}, Patience());
    if (sent.ok()) told_.wait(told_before);
    return sent;
  }

  UcxPair pair_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kRegionBytes);
  std::unique_ptr<BulkRegion> region_;
  std::unique_ptr<BulkTarget> target_;
  std::atomic<bool> done_{false};
  std::atomic<size_t> told_{0};
  std::thread owning_;
};

INSTANTIATE_TEST_SUITE_P(Over, UcxBulkTest, testing::Values("tcp", "sysv", "sysv,cma"), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), ',', '_');
  return name;
});

TEST_P(UcxBulkTest, BytesAreInThePeersMemoryWhenThePutIsDone) {
  EXPECT_EQ(target_->size_bytes(), kRegionBytes);
  const std::vector<std::byte> bytes = RandomBytes(kRegionBytes, 1);
  ASSERT_TRUE(PutAndTell(0, bytes).ok());
  EXPECT_EQ(memory_, bytes);
}

TEST_P(UcxBulkTest, SmallPutTouchesNothingAround) {
  ASSERT_TRUE(PutAndTell(1000, RandomBytes(3, 2)).ok());
  const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
  EXPECT_TRUE(std::all_of(memory_.begin(), memory_.begin() + 1000, is_zero));
  EXPECT_TRUE(std::all_of(memory_.begin() + 1003, memory_.end(), is_zero));
  EXPECT_FALSE(std::all_of(memory_.begin() + 1000, memory_.begin() + 1003, is_zero));
}

TEST_P(UcxBulkTest, PutOutsideOfTheRegionIsRefused) {
  const std::vector<std::byte> bytes(kRegionBytes + 1);
  const auto put = [&](uint64_t offset, size_t size) {
    return writer().Put(*target_, offset, std::span(bytes).first(size)).status().code();
  };
  EXPECT_EQ(put(0, kRegionBytes + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(put(kRegionBytes, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(put(UINT64_MAX, 2), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(put(kRegionBytes, 0), absl::StatusCode::kOk);
}

TEST_P(UcxBulkTest, PutsAreBoundedAndAllArrive) {
  constexpr size_t kPieceBytes = 16 * kKiB;
  const std::vector<std::byte> bytes = RandomBytes(kRegionBytes, 3);
  uint64_t last = 0, refused = 0;
  for (size_t done = 0; done < bytes.size();) {
    const absl::StatusOr<uint64_t> put = writer().Put(*target_, done, std::span(bytes).subspan(done, kPieceBytes));
    ASSERT_TRUE(put.ok()) << put.status();
    if (*put == 0) {
      ++refused;
      ASSERT_TRUE(writer().WaitForPut(last, Patience()).ok());
      continue;
    }
    ASSERT_EQ(*put, last + 1);
    last = *put;
    done += kPieceBytes;
  }
  ASSERT_TRUE(WaitAndTell(last).ok());
  EXPECT_EQ(writer().PutsDone().value(), last);
  EXPECT_EQ(memory_, bytes);
  EXPECT_LE(refused, last);
}

TEST_P(UcxBulkTest, StreamGoesOnBesideThePuts) {
  const std::vector<std::byte> bytes = RandomBytes(kRegionBytes, 4);
  for (size_t round = 1; round <= 20; ++round) {
    const absl::StatusOr<uint64_t> put = writer().Put(*target_, 0, bytes);
    ASSERT_TRUE(put.ok() && *put > 0) << put.status();
    const iovec piece{const_cast<char*>("x"), 1};
    ASSERT_TRUE(SendAll(*pair_.left, {&piece, 1}, Patience()).ok());
    ASSERT_TRUE(writer().WaitForPut(*put, Patience()).ok());
  }
  pair_.left->Close();
  owning_.join();
  EXPECT_EQ(told_, 20u);
  owning_ = std::thread([] {});
}

TEST_P(UcxBulkTest, MemoryMayBeRegisteredAgain) {
  for (uint64_t round = 0; round < 10; ++round) {
    target_.reset();
    region_ = owner().Register(memory_).value();
    target_ = writer().Open(region_->key()).value();
    const std::vector<std::byte> bytes = RandomBytes(100 * kKiB, round);
    const uint64_t offset = round * bytes.size();
    ASSERT_TRUE(PutAndTell(offset, bytes).ok());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), memory_.begin() + static_cast<ptrdiff_t>(offset)));
  }
}

TEST_P(UcxBulkTest, WaitingForAPutEndsWhenThePeerCloses) {
  const std::vector<std::byte> bytes(kRegionBytes);
  done_ = true;
  owning_.join();  // right is in no call any more
  absl::Status end;
  std::thread waiting([&] {
    while (end.ok()) {
      const absl::StatusOr<uint64_t> put = writer().Put(*target_, 0, bytes);
      end = put.ok() ? writer().WaitForPut(*put, Patience()) : put.status();
    }
  });
  pair_.right->Close();
  waiting.join();
  EXPECT_EQ(end.code(), absl::StatusCode::kOutOfRange) << end;
  owning_ = std::thread([] {});
}

TEST_P(UcxBulkTest, BytesThatAreNoKeyAreRefused) {
  EXPECT_EQ(writer().Open({}).status().code(), absl::StatusCode::kInvalidArgument);
  std::vector<std::byte> key = region_->key();
  key.pop_back();
  EXPECT_EQ(writer().Open(key).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(owner().Register({}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(UcxBulkOptionTest, WithoutTheOptionOnBothSidesThereIsNoBulkLane) {
  ChannelPair control = MakeUnixPair();
  UcxOptions without = BulkOver("sysv");
  without.bulk = false;
  UcxPair pair;
  std::thread other(
      [&] { pair.right = UcxChannel::Upgrade(std::move(control.right), BulkOver("sysv"), Patience()).value(); });
  pair.left = UcxChannel::Upgrade(std::move(control.left), without, Patience()).value();
  other.join();
  EXPECT_EQ(pair.left->bulk(), nullptr);
  EXPECT_EQ(pair.right->bulk(), nullptr);
}

}  // namespace
}  // namespace xpool::transport
