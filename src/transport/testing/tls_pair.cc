#include "transport/testing/tls_pair.h"

#include <thread>
#include <utility>

#include "transport/testing/test_certificates.h"

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

}  // namespace

ChannelPair MakeTlsPair() {
  static const TestAuthority* const authority = new TestAuthority("test authority");
  static const TlsIdentity* const server = new TlsIdentity(authority->Issue({.name = "server"}));
  static const TlsIdentity* const client = new TlsIdentity(authority->Issue({.name = "client"}));
  TlsEnds ends = ShakeHands(*client, *server);
  return {std::move(ends.client).value(), std::move(ends.server).value(), nullptr};
}

absl::Status TlsEnds::ClientLearns() {
  if (!client.ok()) return client.status();
  std::byte byte;
  return ReceiveAll(**client, {&byte, 1}, Patience());
}

absl::StatusOr<std::unique_ptr<TlsChannel>> ShakeHandsOver(std::unique_ptr<Channel> below, const TlsIdentity& identity,
                                                           TlsRole role, const std::string& server_name) {
  const auto context = TlsContext::Create(identity);
  if (!context.ok()) return context.status();
  return TlsChannel::Handshake(std::move(below), **context, role, server_name, Patience());
}

TlsEnds ShakeHands(const TlsIdentity& client, const TlsIdentity& server, const std::string& server_name) {
  ChannelPair below = MakeTcpPair();
  TlsEnds ends;
  std::thread serving([&] { ends.server = ShakeHandsOver(std::move(below.right), server, TlsRole::kServer, ""); });
  ends.client = ShakeHandsOver(std::move(below.left), client, TlsRole::kClient, server_name);
  serving.join();
  return ends;
}

}  // namespace xpool::transport
