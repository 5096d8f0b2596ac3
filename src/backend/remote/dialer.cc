#include "backend/remote/dialer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "lane/handshake.h"
#include "transport/ring_channel.h"
#include "transport/tcp_channel.h"
#include "transport/unix_channel.h"

namespace xpool::remote {
namespace {

class TcpDialer : public Dialer {
 public:
  TcpDialer(std::string target, transport::PlainTcp plain) : target_(std::move(target)), plain_(plain) {}

  absl::StatusOr<std::unique_ptr<transport::Channel>> Dial(wire::Purpose purpose, uint64_t session_id,
                                                           const std::string&,
                                                           const transport::Deadline& deadline) override {
    ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> channel, transport::ConnectTcp(target_, plain_, deadline));
    RETURN_IF_ERROR(lane::SendPreamble(*channel, {purpose, wire::Security::kPlain, session_id}, deadline));
    return channel;
  }
  std::string Describe() const override { return target_; }
  std::string peer_address() const override { return target_; }

 private:
  const std::string target_;
  const transport::PlainTcp plain_;
};

class UnixDialer : public Dialer {
 public:
  UnixDialer(std::string path, bool ring) : path_(std::move(path)), ring_(ring) {}

  absl::StatusOr<std::unique_ptr<transport::Channel>> Dial(wire::Purpose purpose, uint64_t session_id,
                                                           const std::string&,
                                                           const transport::Deadline& deadline) override {
    const int64_t timeout_ns = std::min<int64_t>(deadline.RemainingNs(), 60 * kNsPerSec);
    ASSIGN_OR_RETURN(UniqueFd socket, ConnectStream(path_, timeout_ns));
    const bool ring = ring_ && purpose == wire::Purpose::kLane;
    if (!ring) {
      ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> channel,
                       transport::AdoptStreamSocket(std::move(socket), Describe()));
      RETURN_IF_ERROR(lane::SendPreamble(*channel, {purpose, wire::Security::kPlain, session_id}, deadline));
      return channel;
    }
    // The ring's offer is a message of its own on the socket, behind the preamble.
    const auto preamble = wire::EncodePreamble({purpose, wire::Security::kRing, session_id});
    RETURN_IF_ERROR(SendMessage(socket.get(), preamble));
    ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> channel, transport::RingChannel::Offer(std::move(socket), {}));
    return channel;
  }
  std::string Describe() const override { return path_; }

 private:
  const std::string path_;
  const bool ring_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakePlainDialer(const std::string& address, bool plain_anywhere) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, "unix:")) return std::make_unique<UnixDialer>(std::string(rest), /*ring=*/false);
  if (absl::ConsumePrefix(&rest, "ring:")) return std::make_unique<UnixDialer>(std::string(rest), /*ring=*/true);
  if (absl::ConsumePrefix(&rest, "tcp:")) {
    RETURN_IF_ERROR(transport::ParseHostPort(std::string(rest)).status());
    const auto plain = plain_anywhere ? transport::PlainTcp::kAnywhere : transport::PlainTcp::kLoopbackOnly;
    return std::make_unique<TcpDialer>(std::string(rest), plain);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", address, "\" is none of unix:PATH, ring:PATH, tcp:HOST:PORT, tls:HOST:PORT"));
}

}  // namespace xpool::remote
