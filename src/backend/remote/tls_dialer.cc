#include "backend/remote/tls_dialer.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "base/status.h"
#include "lane/handshake.h"
#include "pki/identity.h"
#include "transport/tcp_address.h"
#include "transport/tcp_channel.h"
#include "transport/tls_channel.h"
#include "transport/tls_context.h"
#include "transport/tls_ephemeral.h"

namespace xpool::remote {

using transport::Channel;
using transport::Deadline;
using transport::TlsContext;

namespace {

class TlsDialer final : public Dialer {
 public:
  TlsDialer(std::string target, std::string host, std::string identity_path)
      : target_(std::move(target)), host_(std::move(host)), identity_path_(std::move(identity_path)) {}

  absl::StatusOr<std::unique_ptr<Channel>> Dial(wire::Purpose purpose, uint64_t session_id,
                                                const std::string& worker_certificate,
                                                const Deadline& deadline) override {
    if (purpose != wire::Purpose::kLane) return DialAgent(purpose, session_id, deadline);
    absl::StatusOr<std::unique_ptr<Channel>> lane = DialWorker(session_id, worker_certificate, deadline);
    // Somebody else answers for the worker: its agent, which says what has become of it.
    return absl::IsUnauthenticated(lane.status()) ? DialAgent(purpose, session_id, deadline) : std::move(lane);
  }
  std::string Describe() const override { return target_; }
  std::string peer_address() const override { return target_; }

 private:
  absl::StatusOr<std::unique_ptr<Channel>> DialAgent(wire::Purpose purpose, uint64_t session_id,
                                                     const Deadline& deadline) {
    ASSIGN_OR_RETURN(const pki::Identity identity,
                     pki::LoadIdentity(identity_path_, pki::Role::kUser, UnixNowNs() / kNsPerSec));
    ASSIGN_OR_RETURN(const std::shared_ptr<const TlsContext> context, TlsContext::Create(identity.tls));
    if (purpose == wire::Purpose::kAttach) {
      MutexLock lock(&mutex_);
      attached_as_ = context;
    }
    return Connect(*context, host_, purpose, session_id, deadline);
  }

  absl::StatusOr<std::unique_ptr<Channel>> DialWorker(uint64_t session_id, const std::string& worker_certificate,
                                                      const Deadline& deadline) {
    // The worker believes the certificate with which the session was begun, whatever was issued since.
    std::shared_ptr<const TlsContext> own;
    {
      MutexLock lock(&mutex_);
      own = attached_as_;
    }
    if (own == nullptr || worker_certificate.empty())
      return absl::InvalidArgumentError("the agent has not said by which certificate its worker is known");
    ASSIGN_OR_RETURN(const std::unique_ptr<TlsContext> context, own->Believing(worker_certificate));
    return Connect(*context, transport::kEphemeralName, wire::Purpose::kLane, session_id, deadline);
  }

  absl::StatusOr<std::unique_ptr<Channel>> Connect(const TlsContext& context, const std::string& server_name,
                                                   wire::Purpose purpose, uint64_t session_id,
                                                   const Deadline& deadline) {
    ASSIGN_OR_RETURN(std::unique_ptr<Channel> channel,
                     transport::ConnectTcp(target_, transport::PlainTcp::kAnywhere, deadline));
    RETURN_IF_ERROR(lane::SendPreamble(*channel, {purpose, wire::Security::kTls, session_id}, deadline));
    return transport::TlsChannel::Handshake(std::move(channel), context, transport::TlsRole::kClient, server_name,
                                            deadline);
  }

  const std::string target_, host_, identity_path_;
  Mutex mutex_;
  std::shared_ptr<const TlsContext> attached_as_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dialer>> MakeTlsDialer(const std::string& address, const std::string& identity_path) {
  absl::string_view rest = address;
  if (!absl::ConsumePrefix(&rest, "tls:"))
    return absl::InvalidArgumentError(absl::StrCat("address \"", address, "\" is no tls:HOST:PORT"));
  ASSIGN_OR_RETURN(const transport::HostPort host_port, transport::ParseHostPort(std::string(rest)));
  return std::make_unique<TlsDialer>(std::string(rest), host_port.host, identity_path);
}

absl::StatusOr<std::unique_ptr<Dialer>> MakeDialer(const std::string& address, const std::string& identity_path,
                                                   bool plain_anywhere) {
  if (absl::string_view(address).substr(0, 4) == "tls:") return MakeTlsDialer(address, identity_path);
  return MakePlainDialer(address, plain_anywhere);
}

}  // namespace xpool::remote
