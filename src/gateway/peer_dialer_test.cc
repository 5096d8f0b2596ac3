#include "gateway/peer_dialer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/mutex.h"
#include "transport/tcp_channel.h"

namespace xpool::gateway {
namespace {

using testing::HasSubstr;
using transport::Deadline;
using worker::Dial;
using worker::Dialed;

constexpr int64_t kPatienceNs = 20 * kNsPerSec;  // only a failing test waits so long

class PeerDialerTest : public testing::Test {
 protected:
  struct Outcome {
    Dialed dialed;
    UniqueFd socket;
  };

  void SetUp() override {
    auto listener = transport::TcpListener::Listen("127.0.0.1:0", {.first_bytes = wire::kPreambleBytes});
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }

  std::unique_ptr<PeerDialer> Dialer(const PeerPolicy& policy) {
    auto dialer = PeerDialer::Create(policy, [this](uint64_t, const Dial&, const Dialed& dialed, UniqueFd socket) {
      MutexLock lock(&mutex_);
      outcomes_.push_back({dialed, std::move(socket)});
      changed_.SignalAll();
    });
    EXPECT_TRUE(dialer.ok()) << dialer.status();
    return *std::move(dialer);
  }

  // How |dial| ends.
  Outcome Try(PeerDialer& dialer, const Dial& dial) {
    dialer.Dial(1, dial);
    MutexLock lock(&mutex_);
    while (outcomes_.empty() && changed_.WaitFor(&mutex_, kPatienceNs)) {
    }
    if (outcomes_.empty()) return {{.code = absl::StatusCode::kDeadlineExceeded}, {}};
    Outcome outcome = std::move(outcomes_.front());
    outcomes_.clear();
    return outcome;
  }

  std::string port() const { return listener_->address().substr(listener_->address().rfind(':')); }
  static Dial To(const std::string& address, wire::Security security = wire::Security::kPlain) {
    return {.request = 7, .address = address, .preamble = {wire::Purpose::kPeer, security, 9}};
  }

  std::unique_ptr<transport::TcpListener> listener_;
  Mutex mutex_;
  CondVar changed_;
  std::vector<Outcome> outcomes_;
};

TEST_F(PeerDialerTest, PeerIsConnectedAndToldWhatFor) {
  const auto dialer = Dialer({.peers = {listener_->address()}, .plain = true});
  const Outcome outcome = Try(*dialer, To(listener_->address()));
  EXPECT_EQ(outcome.dialed, (Dialed{7, absl::StatusCode::kOk, ""}));
  ASSERT_TRUE(outcome.socket.valid());
  const auto accepted = listener_->Accept(Deadline::After(Clock::Monotonic(), kPatienceNs));
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  std::array<std::byte, wire::kPreambleBytes> bytes;
  ASSERT_TRUE(transport::ReceiveAll(**accepted, bytes, Deadline::After(Clock::Monotonic(), kPatienceNs)).ok());
  EXPECT_EQ(*wire::DecodePreamble(bytes), (wire::Preamble{wire::Purpose::kPeer, wire::Security::kPlain, 9}));
}

TEST_F(PeerDialerTest, AddressOfAPeerThatIsKnownByNameIsGoodToo) {
  const auto dialer = Dialer({.peers = {"localhost" + port()}, .plain = true});
  EXPECT_EQ(Try(*dialer, To("127.0.0.1" + port())).dialed.code, absl::StatusCode::kOk);
}

TEST_F(PeerDialerTest, NobodyElseIsConnectedTo) {
  for (const std::vector<std::string>& peers : {std::vector<std::string>{}, std::vector<std::string>{"127.0.0.2"}}) {
    const auto dialer = Dialer({.peers = peers, .plain = true});
    const Outcome outcome = Try(*dialer, To(listener_->address()));
    EXPECT_EQ(outcome.dialed.code, absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(outcome.dialed.why, HasSubstr("--peer"));
    EXPECT_FALSE(outcome.socket.valid());
  }
}

TEST_F(PeerDialerTest, NamesThatTheAgentWasNotToldAreNotLookedUp) {
  const auto dialer = Dialer({.peers = {listener_->address()}, .plain = true});
  EXPECT_EQ(Try(*dialer, To("localhost" + port())).dialed.code, absl::StatusCode::kPermissionDenied);
}

TEST_F(PeerDialerTest, ConnectionsAreAsSecureAsTheOwnDoors) {
  const auto secure = Dialer({.peers = {listener_->address()}, .tls = true});
  EXPECT_EQ(Try(*secure, To(listener_->address())).dialed.code, absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Try(*secure, To(listener_->address(), wire::Security::kTls)).dialed.code, absl::StatusCode::kOk);
  const auto plain = Dialer({.peers = {listener_->address()}, .plain = true});
  EXPECT_EQ(Try(*plain, To(listener_->address(), wire::Security::kTls)).dialed.code,
            absl::StatusCode::kPermissionDenied);
}

TEST_F(PeerDialerTest, OnlyPeersAreAPurpose) {
  const auto dialer = Dialer({.peers = {listener_->address()}, .plain = true});
  Dial attach = To(listener_->address());
  attach.preamble = {};
  EXPECT_EQ(Try(*dialer, attach).dialed.code, absl::StatusCode::kInvalidArgument);
}

TEST_F(PeerDialerTest, PeerThatDoesNotListenIsSaidToBeUnavailable) {
  const std::string address = listener_->address();
  listener_.reset();
  const auto dialer = Dialer({.peers = {address}, .plain = true});
  EXPECT_EQ(Try(*dialer, To(address)).dialed.code, absl::StatusCode::kUnavailable);
}

TEST_F(PeerDialerTest, PeerThatIsNoAddressIsRefusedAtOnce) {
  EXPECT_TRUE(absl::IsInvalidArgument(PeerDialer::Create({.peers = {"gpu2:http"}}, nullptr).status()));
}

}  // namespace
}  // namespace xpool::gateway
