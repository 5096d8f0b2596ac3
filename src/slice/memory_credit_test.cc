#include "slice/memory_credit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace xpool {
namespace {

constexpr uint64_t kQuota = 160 * kMiB;  // so a chunk is 10 MiB

// The agent's ledger for one session. Answers within send(), as the reader thread of a real session would.
class FakeAgent {
 public:
  explicit FakeAgent(int64_t patience_ns = 2 * kNsPerSec)
      : credit({.clock = Clock::Monotonic(),
                .send = [this](std::span<const std::byte> bytes) { return Take(bytes); },
                .is_reader = [this] { return replies_by_reading; },
                .read_some = [this](int64_t) { Answer(); },
                .patience_ns = patience_ns}) {}

  void Attach(uint64_t granted) { credit.Attach(&page, granted, kQuota); }

  absl::Status Take(std::span<const std::byte> bytes) {
    if (!takes) return absl::UnavailableError("full");
    if (const auto request = ParseMessage<MemoryRequest>(bytes); request.ok()) requests.push_back(request->bytes);
    if (const auto back = ParseMessage<MemoryReturn>(bytes); back.ok()) {
      granted -= back->bytes;
      returned += back->bytes;
    }
    ++taken;
    return absl::OkStatus();
  }

  void Answer() {
    if (answered == requests.size()) return;
    const uint64_t asked = requests[answered++];
    MemoryReply reply = NewMessage<MemoryReply>();
    reply.granted_bytes = asked <= kQuota - granted ? asked : 0;
    granted += reply.granted_bytes;
    reply.used_bytes = granted;
    reply.limit_bytes = kQuota;
    EXPECT_TRUE(credit.HandleReply(reply).ok());
  }

  ControlPage page{};
  bool replies_by_reading = true;
  bool takes = true;
  std::atomic<int> taken{0};
  uint64_t granted = 0;
  uint64_t returned = 0;
  std::vector<uint64_t> requests;
  size_t answered = 0;
  MemoryCredit credit;
};

TEST(MemoryCreditTest, CreditIsSpentWithoutAsking) {
  FakeAgent agent;
  agent.Attach(agent.granted = kMiB);
  ASSERT_TRUE(agent.credit.Reserve(kMiB).ok());
  EXPECT_TRUE(agent.requests.empty());
  EXPECT_EQ(agent.credit.used_bytes(), kMiB);
  EXPECT_EQ(agent.page.memory_used_bytes, kMiB);
}

TEST(MemoryCreditTest, SmallReservationFetchesAChunk) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(1000).ok());
  ASSERT_TRUE(agent.credit.Reserve(1000).ok());
  EXPECT_THAT(agent.requests, testing::ElementsAre(kQuota / 16));
}

TEST(MemoryCreditTest, LargeReservationFetchesWhatItNeeds) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(100 * kMiB).ok());
  EXPECT_THAT(agent.requests, testing::ElementsAre(100 * kMiB));
}

TEST(MemoryCreditTest, LastBytesOfTheQuotaAreFetchedExactly) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(kQuota - kMiB).ok());
  ASSERT_TRUE(agent.credit.Reserve(kMiB).ok()) << "a chunk does not fit any more, the need does";
  EXPECT_EQ(agent.credit.used_bytes(), kQuota);
}

TEST(MemoryCreditTest, ReservePastTheQuotaFailsAndChargesNothing) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(kQuota - 1).ok());
  const absl::Status status = agent.credit.Reserve(2);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("of 160Mi"));
  EXPECT_EQ(agent.credit.used_bytes(), kQuota - 1);
  EXPECT_TRUE(agent.credit.Reserve(1).ok());
}

TEST(MemoryCreditTest, MoreThanTheQuotaIsRefusedWithoutAsking) {
  FakeAgent agent;
  agent.Attach(0);
  EXPECT_TRUE(absl::IsResourceExhausted(agent.credit.Reserve(UINT64_MAX)));
  EXPECT_TRUE(absl::IsResourceExhausted(agent.credit.Reserve(kQuota + 1)));
  EXPECT_TRUE(agent.requests.empty());
}

TEST(MemoryCreditTest, UnusedCreditGoesBackByItself) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(100 * kMiB).ok());
  agent.credit.Release(100 * kMiB);
  EXPECT_EQ(agent.returned, 90 * kMiB);
  EXPECT_EQ(agent.credit.held_bytes(), agent.granted);
}

TEST(MemoryCreditTest, TrimGivesAllUnusedCreditBack) {
  FakeAgent agent;
  agent.Attach(0);
  ASSERT_TRUE(agent.credit.Reserve(kMiB).ok());
  agent.credit.ReturnUnused(0);
  EXPECT_EQ(agent.granted, kMiB);
  EXPECT_EQ(agent.credit.held_bytes(), kMiB);
}

TEST(MemoryCreditTest, ReturnThatCannotBeSentIsKept) {
  FakeAgent agent;
  agent.Attach(agent.granted = 5 * kMiB);
  agent.takes = false;
  agent.credit.ReturnUnused(0);
  agent.takes = true;
  EXPECT_EQ(agent.credit.held_bytes(), 5 * kMiB);
  EXPECT_TRUE(agent.credit.Reserve(5 * kMiB).ok());
  EXPECT_TRUE(agent.requests.empty());
}

TEST(MemoryCreditTest, AgentThatIsAwayIsWaitedForOnlySoLong) {
  FakeAgent agent(20 * kNsPerMs);
  agent.replies_by_reading = false;
  agent.Attach(0);
  agent.credit.LinkLost();
  EXPECT_TRUE(absl::IsUnavailable(agent.credit.Reserve(1000)));
  EXPECT_EQ(agent.credit.used_bytes(), 0u);
}

TEST(MemoryCreditTest, LateReplyIsCreditForTheNextOne) {
  FakeAgent agent(20 * kNsPerMs);
  agent.replies_by_reading = false;
  agent.Attach(0);
  EXPECT_TRUE(absl::IsUnavailable(agent.credit.Reserve(1000)));
  agent.Answer();
  EXPECT_TRUE(agent.credit.Reserve(1000).ok());
  EXPECT_EQ(agent.requests.size(), 1u);
}

TEST(MemoryCreditTest, RequestIsRepeatedAtTheNextAgent) {
  FakeAgent agent;
  agent.replies_by_reading = false;
  agent.Attach(0);
  absl::Status status;
  std::thread user([&] { status = agent.credit.Reserve(1000); });
  while (agent.taken < 1) std::this_thread::yield();
  agent.credit.LinkLost();
  agent.Attach(0);
  while (agent.taken < 2) std::this_thread::yield();
  agent.Answer();
  user.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(agent.credit.used_bytes(), 1000u);
}

TEST(MemoryCreditTest, ReattachKeepsWhatIsHeld) {
  FakeAgent agent;
  agent.Attach(10 * kMiB);
  ASSERT_TRUE(agent.credit.Reserve(8 * kMiB).ok());
  agent.credit.LinkLost();
  EXPECT_TRUE(agent.credit.Reserve(kMiB).ok()) << "credit lasts while the agent is away";
  agent.Attach(0);
  EXPECT_EQ(agent.credit.held_bytes(), 10 * kMiB);
  EXPECT_TRUE(agent.credit.Reserve(kMiB).ok());
  EXPECT_TRUE(agent.requests.empty());
}

TEST(MemoryCreditTest, LostSliceFailsEveryReservation) {
  FakeAgent agent;
  agent.Attach(10 * kMiB);
  agent.credit.Fail(absl::NotFoundError("the slice is gone"));
  EXPECT_TRUE(absl::IsNotFound(agent.credit.Reserve(1)));
}

TEST(MemoryCreditTest, LosingTheSliceWakesWhoWaits) {
  FakeAgent agent(3600 * kNsPerSec);
  agent.replies_by_reading = false;
  agent.Attach(0);
  agent.credit.LinkLost();
  absl::Status status;
  std::thread user([&] { status = agent.credit.Reserve(1000); });
  agent.credit.Fail(absl::NotFoundError("the slice is gone"));
  user.join();
  EXPECT_TRUE(absl::IsNotFound(status));
}

TEST(MemoryCreditTest, UnaskedAndOverflowingRepliesAreRefused) {
  FakeAgent agent(kNsPerMs);
  agent.replies_by_reading = false;
  agent.Attach(kMiB);
  MemoryReply reply = NewMessage<MemoryReply>();
  reply.granted_bytes = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(agent.credit.HandleReply(reply)));
  EXPECT_FALSE(agent.credit.Reserve(2 * kMiB).ok());
  reply.granted_bytes = UINT64_MAX;
  EXPECT_TRUE(absl::IsInvalidArgument(agent.credit.HandleReply(reply)));
  EXPECT_EQ(agent.credit.held_bytes(), kMiB);
}

TEST(MemoryCreditTest, ReleasingTwiceMakesNoCredit) {
  FakeAgent agent;
  agent.Attach(kMiB);
  ASSERT_TRUE(agent.credit.Reserve(kMiB).ok());
  agent.credit.Release(kMiB);
  agent.credit.Release(kMiB);
  EXPECT_EQ(agent.credit.used_bytes(), 0u);
  ASSERT_TRUE(agent.credit.Reserve(kMiB).ok());
  EXPECT_TRUE(agent.requests.empty());
  agent.takes = false;
  EXPECT_EQ(agent.credit.held_bytes(), kMiB);
}

// Threads reserve and release at random within the quota while one thread answers: the books must balance at the end.
TEST(MemoryCreditTest, BooksBalanceUnderThreads) {
  FakeAgent agent;
  Mutex mutex;
  std::vector<uint64_t> asked;
  std::atomic<int64_t> at_agent{0};
  MemoryCredit credit({.clock = Clock::Monotonic(), .send = [&](std::span<const std::byte> bytes) {
                         MutexLock lock(&mutex);
                         if (const auto request = ParseMessage<MemoryRequest>(bytes); request.ok())
                           asked.push_back(request->bytes);
                         if (const auto back = ParseMessage<MemoryReturn>(bytes); back.ok())
                           at_agent -= static_cast<int64_t>(back->bytes);
                         return absl::OkStatus();
                       }});
  credit.Attach(&agent.page, 0, kQuota);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      uint64_t bytes = 0;
      {
        MutexLock lock(&mutex);
        if (!asked.empty()) bytes = asked.back(), asked.clear();
      }
      if (bytes == 0) {
        std::this_thread::yield();
        continue;
      }
      MemoryReply reply = NewMessage<MemoryReply>();
      reply.granted_bytes = bytes;
      at_agent += static_cast<int64_t>(bytes);
      EXPECT_TRUE(credit.HandleReply(reply).ok());
    }
  });
  std::vector<std::thread> users;
  for (uint64_t t = 1; t <= 3; ++t) {
    users.emplace_back([&, t] {
      for (uint64_t i = 0; i < 300; ++i) {
        const uint64_t bytes = (t * 7919 + i * 104729) % (20 * kMiB);
        EXPECT_TRUE(credit.Reserve(bytes).ok());
        credit.Release(bytes);
      }
    });
  }
  for (std::thread& user : users) user.join();
  stop = true;
  reader.join();
  EXPECT_EQ(credit.used_bytes(), 0u);
  EXPECT_EQ(agent.page.memory_used_bytes, 0u);
  EXPECT_EQ(static_cast<int64_t>(credit.held_bytes()), at_agent);
}

}  // namespace
}  // namespace xpool
