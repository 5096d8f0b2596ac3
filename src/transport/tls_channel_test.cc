#include "transport/tls_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "transport/socket_channel.h"
#include "transport/testing/channel_suite.h"
#include "transport/testing/test_certificates.h"
#include "transport/testing/tls_pair.h"
#include "transport/unix_channel.h"

namespace xpool::transport {
namespace {

INSTANTIATE_TEST_SUITE_P(All, ChannelSuite, testing::Values(ChannelKind{"Tls", MakeTlsPair}), NameOfKind);

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

const TestAuthority& Ours() {
  static const TestAuthority* const authority = new TestAuthority("our authority");
  return *authority;
}

const TestAuthority& Theirs() {
  static const TestAuthority* const authority = new TestAuthority("another authority");
  return *authority;
}

bool Unauthenticated(const absl::Status& status) { return status.code() == absl::StatusCode::kUnauthenticated; }

TEST(TlsChannelTest, PeersOfOneAuthorityKnowEachOtherByName) {
  const TlsEnds ends = ShakeHands(Ours().Issue({.name = "client"}), Ours().Issue({.name = "server"}));
  ASSERT_TRUE(ends.client.ok() && ends.server.ok()) << ends.client.status() << ends.server.status();
  EXPECT_EQ((*ends.client)->peer_name(), "server");
  EXPECT_EQ((*ends.server)->peer_name(), "client");
}

TEST(TlsChannelTest, ServerMayBeNamedByItsAddress) {
  const TlsEnds ends = ShakeHands(Ours().Issue({}), Ours().Issue({.name = "server", .ip = "10.1.2.3"}), "10.1.2.3");
  EXPECT_TRUE(ends.client.ok()) << ends.client.status();
}

TEST(TlsChannelTest, ServerOfAnotherNameIsRefused) {
  for (const char* name : {"other", "10.1.2.4"}) {
    const TlsEnds ends = ShakeHands(Ours().Issue({}), Ours().Issue({.name = "server", .ip = "10.1.2.3"}), name);
    EXPECT_TRUE(Unauthenticated(ends.client.status())) << ends.client.status();
    EXPECT_FALSE(ends.server.ok());
  }
  const TlsEnds nameless = ShakeHands(Ours().Issue({}), Ours().Issue({.name = "server"}), "");
  EXPECT_EQ(nameless.client.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TlsChannelTest, ServerOfAnotherAuthorityIsRefusedAndToldSo) {
  TlsIdentity server = Theirs().Issue({.name = "server"});
  const TlsEnds ends = ShakeHands(Ours().Issue({}), server);
  EXPECT_TRUE(Unauthenticated(ends.client.status())) << ends.client.status();
  EXPECT_TRUE(Unauthenticated(ends.server.status())) << ends.server.status();
}

TEST(TlsChannelTest, ClientOfAnotherAuthorityIsRefusedAndToldSo) {
  TlsIdentity client = Theirs().Issue({});
  client.ca = Ours().pem();
  TlsEnds ends = ShakeHands(client, Ours().Issue({.name = "server"}));
  EXPECT_TRUE(Unauthenticated(ends.server.status())) << ends.server.status();
  const absl::Status learnt = ends.ClientLearns();
  EXPECT_TRUE(Unauthenticated(learnt)) << learnt;
}

TEST(TlsChannelTest, ExpiredAndNotYetValidCertificatesAreRefused) {
  const TestCertificate expired{.name = "server", .starts_s = -7200, .ends_s = -3600};
  const TestCertificate early{.name = "server", .starts_s = 3600, .ends_s = 7200};
  for (const TestCertificate& certificate : {expired, early}) {
    const TlsEnds ends = ShakeHands(Ours().Issue({}), Ours().Issue(certificate));
    EXPECT_TRUE(Unauthenticated(ends.client.status())) << ends.client.status();
    const TlsEnds reverse = ShakeHands(Ours().Issue(certificate), Ours().Issue({.name = "server"}));
    EXPECT_TRUE(Unauthenticated(reverse.server.status())) << reverse.server.status();
  }
}

TEST(TlsChannelTest, RevokedPeersAreRefusedAndToldSoAndOthersAreNot) {
  const TlsIdentity thief = Ours().Issue({.name = "thief"});
  TlsIdentity server = Ours().Issue({.name = "server"});
  server.crl = Ours().RevocationList({thief});
  TlsEnds ends = ShakeHands(thief, server);
  EXPECT_TRUE(Unauthenticated(ends.server.status())) << ends.server.status();
  EXPECT_NE(ends.server.status().message().find("revoked"), absl::string_view::npos) << ends.server.status();
  const absl::Status learnt = ends.ClientLearns();
  EXPECT_TRUE(Unauthenticated(learnt)) << learnt;
  EXPECT_TRUE(ShakeHands(Ours().Issue({.name = "client"}), server).server.ok());
}

TEST(TlsChannelTest, ClientRefusesARevokedServer) {
  const TlsIdentity server = Ours().Issue({.name = "server"});
  TlsIdentity client = Ours().Issue({.name = "client"});
  client.crl = Ours().RevocationList({server});
  const TlsEnds ends = ShakeHands(client, server);
  EXPECT_TRUE(Unauthenticated(ends.client.status())) << ends.client.status();
}

TEST(TlsChannelTest, RevocationListPastItsEndRefusesEverybody) {
  TlsIdentity server = Ours().Issue({.name = "server"});
  server.crl = Ours().RevocationList({}, -60);
  EXPECT_TRUE(Unauthenticated(ShakeHands(Ours().Issue({}), server).server.status()));
}

TEST(TlsChannelTest, PeersCertificateIsTheOneItShowed) {
  const TlsIdentity client = Ours().Issue({.name = "client"});
  const TlsEnds ends = ShakeHands(client, Ours().Issue({.name = "server"}));
  ASSERT_TRUE(ends.server.ok()) << ends.server.status();
  const std::string& der = (*ends.server)->peer_certificate();
  const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
  const CertificatePtr certificate(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
  ASSERT_NE(certificate, nullptr);
  EXPECT_EQ(ToPem(certificate.get()), client.certificate);
}

TEST(TlsContextTest, RevocationListsMustCoverEveryAuthorityOrThereBeNone) {
  TlsIdentity identity = Ours().Issue({});
  identity.ca += Theirs().pem();
  EXPECT_TRUE(TlsContext::Create(identity).ok());
  identity.crl = Ours().RevocationList({});
  const absl::Status status = TlsContext::Create(identity).status();
  EXPECT_NE(status.message().find("every authority"), absl::string_view::npos) << status;
  identity.crl += Theirs().RevocationList({});
  EXPECT_TRUE(TlsContext::Create(identity).ok());
}

TEST(TlsContextTest, UnusablePartsAreNamed) {
  const TlsIdentity good = Ours().Issue({});
  const auto error_of = [](const TlsIdentity& identity) {
    const absl::Status status = TlsContext::Create(identity).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_TRUE(TlsContext::Create(good).ok());
  EXPECT_NE(error_of({"", good.certificate, good.key, ""}).find("authority"), std::string::npos);
  EXPECT_NE(error_of({"garbage", good.certificate, good.key, ""}).find("authority"), std::string::npos);
  EXPECT_NE(error_of({good.ca, "", good.key, ""}).find("own certificate"), std::string::npos);
  EXPECT_NE(error_of({good.ca, good.certificate, "", ""}).find("private key"), std::string::npos);
  EXPECT_NE(error_of({good.ca, good.certificate, Ours().Issue({}).key, ""}).find("private key"), std::string::npos);
  for (const std::string& list :
       {std::string("garbage"), good.certificate, Ours().RevocationList({}) + "-----BEGIN X509 CRL-----\n"})
    EXPECT_NE(error_of({good.ca, good.certificate, good.key, list}).find("revocation list"), std::string::npos);
  std::string torn = good.certificate;
  torn[torn.size() / 2] = '!';
  EXPECT_NE(error_of({good.ca, torn, good.key, ""}).find("own certificate"), std::string::npos);
}

// What a client learns that shows no certificate, which TlsContext does not allow: with OpenSSL alone.
std::string ReasonWithoutCertificate(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  ERR_clear_error();
  char byte;
  if (SSL_connect(ssl) == 1) SSL_read(ssl, &byte, 1);
  const std::string reason = TakeTlsReason("no error at all");
  SSL_free(ssl);
  SSL_CTX_free(context);
  return reason;
}

// A server, and a plain stream to it on which the test says what it likes.
class AgainstServer : public testing::Test {
 protected:
  void Serve(const Deadline& deadline) {
    ChannelPair below = MakeTcpPair();
    stream_ = std::move(below.left);
    context_ = TlsContext::Create(Ours().Issue({.name = "server"})).value();
    serving_ = std::thread([this, deadline, server = std::move(below.right)]() mutable {
      status_ = TlsChannel::Handshake(std::move(server), *context_, TlsRole::kServer, "", deadline).status();
    });
  }
  absl::Status Result() {
    serving_.join();
    return status_;
  }
  void Say(const std::string& text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    (void)SendAll(*stream_, {&piece, 1}, Patience());  // the server may have had enough before the end
  }

  std::unique_ptr<Channel> stream_;
  std::unique_ptr<TlsContext> context_;
  std::thread serving_;
  absl::Status status_;
};

TEST_F(AgainstServer, ClientWithoutCertificateIsRefused) {
  Serve(Patience());
  EXPECT_EQ(ReasonWithoutCertificate(dynamic_cast<SocketChannel&>(*stream_).fd()), "tlsv13 alert certificate required");
  EXPECT_TRUE(Unauthenticated(Result())) << status_;
}

TEST_F(AgainstServer, GarbageInsteadOfAHandshakeIsAnError) {
  for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(5000, '\0'),
                                     std::string("\x16\x03\x01\xff\xff garbage"), std::string(70'000, '\x16')}) {
    Serve(Patience());
    Say(garbage);
    stream_->Close();
    const absl::Status status = Result();
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsUnavailable(status)) << status;
  }
}

TEST_F(AgainstServer, PeerThatStallsEndsAtTheDeadline) {
  Serve(Deadline::After(Clock::Monotonic(), 30 * kNsPerMs));
  Say(std::string("\x16\x03\x01\x02", 4));  // the beginning of a hello, and no more
  const absl::Status status = Result();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST_F(AgainstServer, PeerThatGoesDuringTheHandshakeIsALoss) {
  Serve(Patience());
  Say("\x16\x03");
  stream_->Close();
  EXPECT_TRUE(absl::IsUnavailable(Result())) << status_;
}

// A stream that a third party can cut, change or hold: the TLS ends' streams are joined by hand.
class OnTheWay : public testing::Test {
 protected:
  void SetUp() override {
    ChannelPair near = MakeUnixPair(), far = MakeUnixPair();
    near_ = std::move(near.right);
    far_ = std::move(far.left);
    std::thread client([&] {
      client_ =
          ShakeHandsOver(std::move(near.left), Ours().Issue({.name = "client"}), TlsRole::kClient, "server").value();
    });
    std::thread server([&] {
      server_ = ShakeHandsOver(std::move(far.right), Ours().Issue({.name = "server"}), TlsRole::kServer, "").value();
      done_ = true;
    });
    while (!done_) {
      PassOn(*near_, *far_);
      PassOn(*far_, *near_);
    }
    client.join();
    server.join();
  }
  // Moves what is there, with the first byte of a record's content changed if asked.
  static void PassOn(Channel& from, Channel& to, bool change = false) {
    std::byte bytes[4096];
    const absl::StatusOr<size_t> size = from.Receive(bytes);
    if (!size.ok() || *size == 0) return;
    if (change && *size > 8) bytes[8] ^= std::byte{1};
    const iovec piece{bytes, *size};
    EXPECT_TRUE(SendAll(to, {&piece, 1}, Patience()).ok());
  }
  absl::Status ServerReceives() {
    std::byte byte;
    return ReceiveAll(*server_, {&byte, 1}, Patience());
  }
  void ClientSays(const std::string& text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    EXPECT_TRUE(SendAll(*client_, {&piece, 1}, Patience()).ok());
  }

  std::unique_ptr<Channel> near_, far_;
  std::unique_ptr<TlsChannel> client_, server_;
  std::atomic<bool> done_{false};
};

TEST_F(OnTheWay, ContentsDoNotTravelInClear) {
  ClientSays("a very secret sentence");
  std::string seen(4096, '\0');
  const size_t size = near_->Receive(std::as_writable_bytes(std::span(seen))).value();
  EXPECT_GT(size, 22u);
  EXPECT_EQ(seen.find("secret"), std::string::npos);
}

TEST_F(OnTheWay, ChangedBytesAreNoticed) {
  ClientSays("pay 1 to me");
  PassOn(*near_, *far_, true);
  const absl::Status status = ServerReceives();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_TRUE(absl::IsDataLoss(ServerReceives()));
}

TEST_F(OnTheWay, CutStreamIsALossAndNotAClose) {
  far_->Close();
  const absl::Status status = ServerReceives();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(OnTheWay, FarewellIsAClose) {
  client_->Close();
  PassOn(*near_, *far_);
  far_->Close();
  EXPECT_TRUE(IsPeerClosed(ServerReceives()));
}

TEST_F(OnTheWay, SmallPiecesShareARecordAndLeaveTogether) {
  std::vector<char> bytes(1000, 'x');
  std::vector<iovec> pieces;
  for (char& byte : bytes) pieces.push_back({&byte, 1});
  ASSERT_EQ(client_->Send(pieces).value(), bytes.size());
  std::byte record[4096];
  const size_t size = near_->Receive(record).value();
  EXPECT_GT(size, bytes.size());
  EXPECT_LT(size, bytes.size() + 64);  // one record's header, type and tag
}

}  // namespace
}  // namespace xpool::transport
