#include "transport/testing/tls_pair.h"

#include <memory>
#include <thread>
#include <utility>

#include "transport/testing/test_certificates.h"
#include "transport/tls_channel.h"

namespace xpool::transport {

ChannelPair MakeTlsPair() {
  static const TestAuthority* const authority = new TestAuthority("test authority");
  static const TlsContext* const server = TlsContext::Create(authority->Issue({.name = "server"})).value().release();
  static const TlsContext* const client = TlsContext::Create(authority->Issue({.name = "client"})).value().release();
  const Deadline deadline = Deadline::After(Clock::Monotonic(), 30 * kNsPerSec);
  ChannelPair below = MakeTcpPair(), pair;
  std::thread serving([&] {
    pair.right = TlsChannel::Handshake(std::move(below.right), *server, TlsRole::kServer, "", deadline).value();
  });
  pair.left = TlsChannel::Handshake(std::move(below.left), *client, TlsRole::kClient, "server", deadline).value();
  serving.join();
  return pair;
}

}  // namespace xpool::transport
