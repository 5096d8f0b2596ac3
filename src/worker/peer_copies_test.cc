// Two sessions' copies against a driver whose buffers are vectors, over a socket pair in place of the agents.
#include "worker/peer_copies.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <numeric>
#include <optional>
#include <vector>

#include "transport/tls_ephemeral.h"
#include "transport/unix_channel.h"

namespace xpool::worker {
namespace {

using Bytes = std::vector<std::byte>;
using transport::Deadline;

constexpr int64_t kPatienceNs = 60 * kNsPerSec;  // only a failing test waits so long
constexpr size_t kSize = 9'000'000;              // more than two steps
constexpr wire::WireHandle kAny = wire::WireHandle::Make(5, 1, 1);

Deadline Patience() { return Deadline::After(Clock::Monotonic(), kPatienceNs); }

std::atomic<int> mapped{0};  // regions that are mapped now

cl::DispatchTable Driver() {
  cl::DispatchTable api{};
  api.clRetainCommandQueue = [](cl_command_queue) { return CL_SUCCESS; };
  api.clReleaseCommandQueue = [](cl_command_queue) { return CL_SUCCESS; };
  api.clRetainMemObject = [](cl_mem) { return CL_SUCCESS; };
  api.clReleaseMemObject = [](cl_mem) { return CL_SUCCESS; };
  api.clReleaseEvent = [](cl_event) { return CL_SUCCESS; };
  api.clFlush = [](cl_command_queue) { return CL_SUCCESS; };
  api.clWaitForEvents = [](cl_uint, const cl_event*) { return CL_SUCCESS; };
  api.clEnqueueMapBuffer = [](cl_command_queue, cl_mem mem, cl_bool, cl_map_flags, size_t offset, size_t size, cl_uint,
                              const cl_event*, cl_event* event, cl_int* status) -> void* {
    auto& bytes = *reinterpret_cast<Bytes*>(mem);
    *event = reinterpret_cast<cl_event>(mem);
    *status = offset + size <= bytes.size() ? CL_SUCCESS : CL_INVALID_VALUE;
    if (*status != CL_SUCCESS) return nullptr;
    ++mapped;
    return bytes.data() + offset;
  };
  api.clEnqueueUnmapMemObject = [](cl_command_queue, cl_mem mem, void*, cl_uint, const cl_event*, cl_event* event) {
    if (event != nullptr) *event = reinterpret_cast<cl_event>(mem);
    --mapped;
    return CL_SUCCESS;
  };
  return api;
}

const cl::DispatchTable& Api() {
  static const auto* const api = new cl::DispatchTable(Driver());
  return *api;
}

struct Node {
  Bytes bytes = Bytes(kSize);
  std::unique_ptr<PeerCopies> copies;

  HeldBuffer Buffer() { return HeldBuffer(Api(), nullptr, reinterpret_cast<cl_mem>(&bytes)); }
};

class PeerCopiesTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    mapped = 0;
    for (size_t i = 0; i < kSize; ++i) from_.bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
    Make(&from_, {});
    Make(&to_, {});
  }
  void TearDown() override {
    from_.copies.reset();
    to_.copies.reset();
    EXPECT_EQ(mapped.load(), 0);
  }

  bool tls() const { return GetParam(); }
  wire::Security security() const { return tls() ? wire::Security::kTls : wire::Security::kPlain; }

  void Make(Node* node, PeerOptions options) {
    if (tls()) options.identity = *transport::MakeEphemeralIdentity(UnixNowNs() / kNsPerSec);
    options.dial = [this](const std::string&, const wire::Preamble& preamble, const Deadline&) {
      return Dial(preamble);
    };
    node->copies = std::make_unique<PeerCopies>(
        options, [node](const wire_cl::Invite&) -> absl::StatusOr<HeldBuffer> { return node->Buffer(); });
    certificate_[node] = options.identity.has_value() ? options.identity->certificate : "";
  }

  // A connection to |to_|.
  absl::StatusOr<UniqueFd> Dial(const wire::Preamble& preamble) {
    EXPECT_EQ(preamble, (wire::Preamble{wire::Purpose::kPeer, security(), 9}));
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd here(ends[0]), there(ends[1]);
    if (by_hand_) {
      by_hand_(std::move(there));
    } else {
      to_.copies->Receive(std::move(there), preamble.security);
    }
    return here;
  }

  // From the sender named |from|, if not from |from_|.
  absl::StatusOr<wire::PeerToken> Invite(uint64_t offset, uint64_t bytes, Node* from = nullptr) {
    return to_.copies->Invite({kAny, kAny, offset, bytes, certificate_[from == nullptr ? &from_ : from]});
  }

  absl::Status Push(const wire::PeerToken& token, uint64_t offset, uint64_t bytes) {
    Mutex mutex;
    CondVar changed;
    std::optional<absl::Status> done;
    from_.copies->Push(from_.Buffer(), {kAny, kAny, offset, bytes, "node:1", 9, token, certificate_[&to_]},
                       [&](const absl::Status& status) {
                         MutexLock lock(&mutex);
                         done = status;
                         changed.SignalAll();
                       });
    MutexLock lock(&mutex);
    while (!done.has_value() && changed.WaitFor(&mutex, kPatienceNs)) {
    }
    return done.value_or(absl::DeadlineExceededError("it never ended"));
  }

  Node from_, to_;
  std::map<Node*, std::string> certificate_;
  std::function<void(UniqueFd)> by_hand_;  // has the receiver's end of a connection
};

INSTANTIATE_TEST_SUITE_P(Security, PeerCopiesTest, testing::Bool(),
                         [](const auto& tls) { return tls.param ? "Tls" : "Plain"; });

TEST_P(PeerCopiesTest, RangeArrivesAndNothingElseChanges) {
  const auto token = Invite(1000, kSize - 3000);
  ASSERT_TRUE(token.ok()) << token.status();
  const absl::Status pushed = Push(*token, 1000, kSize - 3000);
  ASSERT_TRUE(pushed.ok()) << pushed;
  Bytes expected(kSize);
  std::copy(from_.bytes.begin() + 1000, from_.bytes.end() - 2000, expected.begin() + 1000);
  EXPECT_TRUE(to_.bytes == expected);
  EXPECT_EQ(from_.copies->sent_bytes(), kSize - 3000);
  EXPECT_EQ(to_.copies->received_bytes(), kSize - 3000);
}

TEST_P(PeerCopiesTest, UsedTokenIsRefused) {
  const auto token = Invite(0, 100), another = Invite(0, 100);
  ASSERT_TRUE(token.ok() && another.ok());
  ASSERT_TRUE(Push(*token, 0, 100).ok());
  to_.bytes.assign(kSize, std::byte{0});
  EXPECT_TRUE(absl::IsPermissionDenied(Push(*token, 0, 100)));
  EXPECT_TRUE(to_.bytes == Bytes(kSize));
}

TEST_P(PeerCopiesTest, WrongTokenIsRefused) {
  auto token = Invite(0, kSize);
  ASSERT_TRUE(token.ok());
  (*token)[31] ^= std::byte{1};
  EXPECT_TRUE(absl::IsPermissionDenied(Push(*token, 0, kSize)));
  EXPECT_TRUE(to_.bytes == Bytes(kSize));
}

TEST_P(PeerCopiesTest, NobodyIsHeardWhoIsNotExpected) {
  EXPECT_FALSE(Push({}, 0, 100).ok());
  EXPECT_TRUE(to_.bytes == Bytes(kSize));
}

TEST_P(PeerCopiesTest, SenderThatTheTokenIsNotForIsRefused) {
  if (!tls()) GTEST_SKIP() << "nobody is known without TLS";
  Node third;
  Make(&third, {});
  const auto token = Invite(0, 100, &third);
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(Push(*token, 0, 100).ok());
  // Nor when the handshake succeeds because something else is expected from it.
  ASSERT_TRUE(Invite(0, 100).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Push(*token, 0, 100)));
  EXPECT_TRUE(to_.bytes == Bytes(kSize));
}

TEST_P(PeerCopiesTest, SessionsOfDifferentSecurityRefuseEachOther) {
  certificate_[&from_] = certificate_[&to_] = tls() ? "" : "PEM";
  EXPECT_TRUE(absl::IsFailedPrecondition(Invite(0, 100).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(Push({}, 0, 100)));
}

TEST_P(PeerCopiesTest, BufferThatIsGoneByThenIsRefused) {
  const std::string certificate = certificate_[&from_];
  PeerOptions options;
  if (tls()) options.identity = *transport::MakeEphemeralIdentity(UnixNowNs() / kNsPerSec);
  certificate_[&to_] = options.identity.has_value() ? options.identity->certificate : "";
  to_.copies = std::make_unique<PeerCopies>(options, [](const wire_cl::Invite&) -> absl::StatusOr<HeldBuffer> {
    return absl::FailedPreconditionError("released");
  });
  const auto token = to_.copies->Invite({kAny, kAny, 0, 100, certificate});
  ASSERT_TRUE(token.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Push(*token, 0, 100)));
}

TEST_P(PeerCopiesTest, RangeThatTheDriverRefusesIsAnError) {
  const auto token = Invite(kSize - 10, 20);
  ASSERT_TRUE(token.ok());
  EXPECT_FALSE(Push(*token, kSize - 10, 20).ok());
}

TEST_P(PeerCopiesTest, SoManyAreSentAtOnce) {
  Mutex mutex;
  CondVar changed;
  int ended = 0;
  std::vector<UniqueFd> held;
  by_hand_ = [&](UniqueFd there) {
    MutexLock lock(&mutex);
    held.push_back(std::move(there));  // says nothing
    changed.SignalAll();
  };
  for (int i = 0; i < PeerCopies::kMostEachWay; ++i) {
    from_.copies->Push(from_.Buffer(), {kAny, kAny, 0, 100, "node:1", 9, {}, certificate_[&to_]},
                       [&](const absl::Status&) {
                         MutexLock lock(&mutex);
                         ++ended;
                         changed.SignalAll();
                       });
  }
  EXPECT_TRUE(absl::IsResourceExhausted(Push({}, 0, 100)));
  MutexLock lock(&mutex);
  while (held.size() < PeerCopies::kMostEachWay) changed.Wait(&mutex);
  held.clear();
  while (ended < PeerCopies::kMostEachWay) changed.Wait(&mutex);
}

// What happens in the middle of a copy does not depend on what is around the bytes.
class PeerCopiesPlainTest : public PeerCopiesTest {};
INSTANTIATE_TEST_SUITE_P(Security, PeerCopiesPlainTest, testing::Values(false));

TEST_P(PeerCopiesPlainTest, ReceiverThatDiesEndsTheCopy) {
  by_hand_ = [](UniqueFd there) {
    std::thread([own = std::move(there)]() mutable {
      const auto channel = *transport::AdoptStreamSocket(std::move(own), "sender");
      Bytes taken(wire::kPeerOpeningBytes);
      ASSERT_TRUE(transport::ReceiveAll(*channel, taken, Patience()).ok());
      auto ready = wire::EncodePeerStatus(absl::StatusCode::kOk);
      const iovec piece{ready.data(), ready.size()};
      ASSERT_TRUE(transport::SendAll(*channel, {&piece, 1}, Patience()).ok());
      taken.resize(1'000'000);
      ASSERT_TRUE(transport::ReceiveAll(*channel, taken, Patience()).ok());
    }).detach();
  };
  EXPECT_FALSE(Push({}, 0, kSize).ok());
}

TEST_P(PeerCopiesPlainTest, ReceiverWhoHasItAllButDoesNotSaySoHasNothing) {
  by_hand_ = [](UniqueFd there) {
    std::thread([own = std::move(there)]() mutable {
      const auto channel = *transport::AdoptStreamSocket(std::move(own), "sender");
      Bytes taken(wire::kPeerOpeningBytes);
      ASSERT_TRUE(transport::ReceiveAll(*channel, taken, Patience()).ok());
      auto ready = wire::EncodePeerStatus(absl::StatusCode::kOk);
      const iovec piece{ready.data(), ready.size()};
      ASSERT_TRUE(transport::SendAll(*channel, {&piece, 1}, Patience()).ok());
      taken.resize(kSize);
      ASSERT_TRUE(transport::ReceiveAll(*channel, taken, Patience()).ok());
    }).detach();
  };
  EXPECT_FALSE(Push({}, 0, kSize).ok());
}

// The sender's part up to the bytes.
std::unique_ptr<transport::Channel> Open(PeerCopies& to, const wire::PeerToken& token, uint64_t bytes) {
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  auto channel = *transport::AdoptStreamSocket(UniqueFd(ends[0]), "receiver");
  to.Receive(UniqueFd(ends[1]), wire::Security::kPlain);
  auto opening = wire::EncodePeerOpening({token, bytes});
  const iovec piece{opening.data(), opening.size()};
  EXPECT_TRUE(transport::SendAll(*channel, {&piece, 1}, Patience()).ok());
  std::array<std::byte, wire::kPeerStatusBytes> ready;
  EXPECT_TRUE(transport::ReceiveAll(*channel, ready, Patience()).ok());
  EXPECT_TRUE(wire::DecodePeerStatus(ready).ok());
  return channel;
}

TEST_P(PeerCopiesPlainTest, SenderThatDiesLeavesNothingBehind) {
  const auto token = Invite(0, kSize);
  ASSERT_TRUE(token.ok());
  auto channel = Open(*to_.copies, *token, kSize);
  const iovec piece{from_.bytes.data(), 1'000'000};
  ASSERT_TRUE(transport::SendAll(*channel, {&piece, 1}, Patience()).ok());
  channel.reset();
  to_.copies.reset();  // waits for its thread
  EXPECT_EQ(mapped.load(), 0);
}

TEST_P(PeerCopiesPlainTest, WithdrawnCopyIsCutOffAndWritesNothingAfterwards) {
  const auto token = Invite(0, kSize);
  ASSERT_TRUE(token.ok());
  const auto channel = Open(*to_.copies, *token, kSize);
  Mutex mutex;
  CondVar changed;
  bool ended = false;
  to_.copies->Withdraw(*token, [&] {
    MutexLock lock(&mutex);
    EXPECT_EQ(mapped.load(), 0);
    ended = true;
    changed.SignalAll();
  });
  MutexLock lock(&mutex);
  while (!ended && changed.WaitFor(&mutex, kPatienceNs)) {
  }
  EXPECT_TRUE(ended);
}

TEST_P(PeerCopiesPlainTest, WithdrawnTokenIsRefused) {
  const auto token = Invite(0, 100), another = Invite(0, 100);
  ASSERT_TRUE(token.ok() && another.ok());
  bool ended = false;
  to_.copies->Withdraw(*token, [&ended] { ended = true; });
  EXPECT_TRUE(ended);
  EXPECT_TRUE(absl::IsPermissionDenied(Push(*token, 0, 100)));
  EXPECT_TRUE(Push(*another, 0, 100).ok());
}

TEST_P(PeerCopiesPlainTest, SenderThatStallsIsGivenUp) {
  Make(&to_, {.stall_ns = 50 * kNsPerMs});
  const auto token = Invite(0, kSize);
  ASSERT_TRUE(token.ok());
  const auto channel = Open(*to_.copies, *token, kSize);
  std::array<std::byte, wire::kPeerStatusBytes> ended;
  ASSERT_TRUE(transport::ReceiveAll(*channel, ended, Patience()).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(wire::DecodePeerStatus(ended)));
}

}  // namespace
}  // namespace xpool::worker
