#include "gateway/attach_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/process.h"
#include "base/status.h"
#include "base/unix_socket.h"
#include "lane/handshake.h"
#include "pki/certificate_facts.h"
#include "transport/ring_channel.h"
#include "transport/tls_channel.h"
#include "transport/tls_x509.h"

namespace xpool::gateway {

using transport::Channel;
using transport::Deadline;

namespace {

constexpr int kMostHandlers = 256;
constexpr int kMostHandlersEach = 64;  // of one user, or one address; many programs may be started at once
constexpr int64_t kPreambleNs = 5 * kNsPerSec;
constexpr int64_t kAttachNs = 25 * kNsPerSec;  // loading a driver for one who comes before a worker is ready included
constexpr int64_t kRefusalNs = kNsPerSec;
constexpr int64_t kNoDescriptorsNs = 100 * kNsPerMs;

// "10.0.0.3" of "TCP 10.0.0.3:51234"; the port differs with each connection.
std::string HostOf(const std::string& peer) {
  const std::string address(absl::StripPrefix(peer, "TCP "));
  return address.substr(0, address.rfind(':'));
}

absl::StatusOr<wire::Preamble> ReceivePreamble(int socket, const Deadline& deadline) {
  std::array<std::byte, wire::kPreambleBytes> bytes;
  size_t got = 0;
  while (got < bytes.size()) {
    // Not a byte more: what follows may carry descriptors, and is the worker's to read.
    const ssize_t received = recv(socket, bytes.data() + got, bytes.size() - got, MSG_DONTWAIT);
    if (received == 0) return absl::UnavailableError("closed");
    if (received > 0) got += static_cast<size_t>(received);
    if (received < 0 && errno != EAGAIN && errno != EINTR) return ErrnoStatus("recv");
    if (received > 0) continue;
    pollfd polled{socket, POLLIN, 0};
    ASSIGN_OR_RETURN(const int events, transport::PollUntil({&polled, 1}, deadline));
    if (events == 0) return absl::DeadlineExceededError("it said nothing");
  }
  return wire::DecodePreamble(bytes);
}

}  // namespace

// Somebody who has come through a door, and how the door knows who.
struct AttachServer::Peer {
  std::unique_ptr<Channel> channel;
  std::string who;           // for people
  std::string certificate;   // PEM, under TLS
  std::optional<uid_t> uid;  // of a user of this machine
  sandbox::TenantIdentity tenant;
  pki::TokenHolder holder;
  UniqueFd process;  // a pidfd, of a process of this machine
};

AttachServer::AttachServer(agent::Agent* agent, RemoteSessions* sessions, Requests* requests, Tokens* tokens,
                           pki::IdentitySource* identity)
    : agent_(agent),
      sessions_(sessions),
      requests_(requests),
      tokens_(tokens),
      identity_(identity),
      handlers_(kMostHandlers, kMostHandlersEach) {}

absl::StatusOr<std::unique_ptr<AttachServer>> AttachServer::Start(agent::Agent* agent, RemoteSessions* sessions,
                                                                  Requests* requests, Tokens* tokens,
                                                                  pki::IdentitySource* identity) {
  std::unique_ptr<AttachServer> server(new AttachServer(agent, sessions, requests, tokens, identity));
  auto local = std::make_unique<Door>();
  ASSIGN_OR_RETURN(local->unix, transport::UnixListener::Listen(agent->options().paths.attach_socket(), 0666));
  server->doors_.push_back(std::move(local));
  const agent::Options& options = agent->options();
  for (const std::string& address : options.tls_addresses) RETURN_IF_ERROR(server->AddTcp(Kind::kTls, address));
  for (const std::string& address : options.plain_addresses) RETURN_IF_ERROR(server->AddTcp(Kind::kPlain, address));
  for (const std::unique_ptr<Door>& door : server->doors_)
    door->thread = std::thread([raw = server.get(), at = door.get()] { raw->Serve(at); });
  return server;
}

absl::Status AttachServer::AddTcp(Kind kind, const std::string& address) {
  auto door = std::make_unique<Door>();
  door->kind = kind;
  // Both were asked for by name: an address is told to this agent or not listened on.
  const transport::TcpListenerOptions options{
      .plain = transport::PlainTcp::kAnywhere, .first_bytes = wire::kPreambleBytes, .first_bytes_ns = kPreambleNs};
  ASSIGN_OR_RETURN(door->tcp, transport::TcpListener::Listen(address, options));
  agent_->events().Add({.kind = "door-opened",
                        .message = absl::StrCat("lending slices on ", door->tcp->address(),
                                                kind == Kind::kTls ? " under TLS" : ", unencrypted")});
  doors_.push_back(std::move(door));
  return absl::OkStatus();
}

AttachServer::~AttachServer() {
  for (const std::unique_ptr<Door>& door : doors_) {
    if (door->unix != nullptr) door->unix->Close();
    if (door->tcp != nullptr) door->tcp->Close();
    if (door->thread.joinable()) door->thread.join();
  }
}

void AttachServer::Serve(Door* door) {
  pthread_setname_np(pthread_self(), "xpool-door");
  while (true) {
    absl::StatusOr<UniqueFd> socket =
        door->tcp != nullptr ? door->tcp->AcceptSocket(Deadline::Never()) : door->unix->AcceptSocket(Deadline::Never());
    if (socket.ok()) {
      Greet(door->kind, *std::move(socket));
    } else if (absl::IsCancelled(socket.status())) {
      return;
    } else {
      usleep(kNoDescriptorsNs / kNsPerUs);  // they come back
    }
  }
}

void AttachServer::Greet(Kind kind, UniqueFd socket) {
  const auto deadline = Deadline::After(agent_->clock(), kAttachNs);
  const auto preamble_deadline = Deadline::After(agent_->clock(), kPreambleNs);
  if (kind != Kind::kUnix) {
    // The listener has seen that the preamble is there.
    const absl::StatusOr<wire::Preamble> preamble = ReceivePreamble(socket.get(), Deadline::Passed());
    if (!preamble.ok()) return;
    std::string peer = HostOf(transport::DescribeTcpPeer(socket.get()));
    handlers_.Run(peer, std::move(socket),
                  [=, this](UniqueFd own) { Admit(kind, std::move(own), *preamble, deadline); });
    return;
  }
  const absl::StatusOr<PeerCredentials> peer = GetPeerCredentials(socket.get());
  if (!peer.ok()) return;
  handlers_.Run(absl::StrCat("user ", peer->uid), std::move(socket), [=, this](UniqueFd own) {
    const absl::StatusOr<wire::Preamble> preamble = ReceivePreamble(own.get(), preamble_deadline);
    if (preamble.ok()) Admit(kind, std::move(own), *preamble, deadline);
  });
}

void AttachServer::Admit(Kind kind, UniqueFd socket, const wire::Preamble& preamble, const Deadline& deadline) {
  const wire::Security wanted = kind == Kind::kTls ? wire::Security::kTls : wire::Security::kPlain;
  const bool ring =
      kind == Kind::kUnix && preamble.security == wire::Security::kRing && preamble.purpose == wire::Purpose::kLane;
  if (preamble.security != wanted && !ring) {
    // Whoever wants less security than this door has is told so in the clear: it could not be told otherwise.
    absl::StatusOr<std::unique_ptr<Channel>> channel = transport::AdoptStreamSocket(std::move(socket), "client");
    if (!channel.ok()) return;
    const char* const advice = kind == Kind::kTls ? "this address speaks TLS; use an identity (xpool ca issue)"
                                                  : "this address is unencrypted; ask for it with --plain";
    lane::SendRefusal(**channel, absl::PermissionDeniedError(advice), Deadline::After(agent_->clock(), kRefusalNs));
    return (*channel)->Close();
  }
  // Whoever copies directly comes from another node, and is told nothing.
  if (preamble.purpose == wire::Purpose::kPeer && kind == Kind::kUnix) return;
  if (preamble.purpose == wire::Purpose::kPeer) return sessions_->PassLane(preamble, std::move(socket)).IgnoreError();
  if (preamble.purpose == wire::Purpose::kLane) return Pass(kind, std::move(socket), preamble, deadline);
  absl::StatusOr<Peer> peer = Meet(kind, std::move(socket), deadline);
  if (!peer.ok()) return TellRefused("a connection", peer.status());
  if (preamble.purpose == wire::Purpose::kRequest) {
    AdmitRequest(*peer, deadline);
  } else {
    AdmitAttach(*peer, deadline);
  }
  peer->channel->Close();
}

void AttachServer::AdmitAttach(Peer& peer, const Deadline& deadline) {
  const auto answer_deadline = [this] { return Deadline::After(agent_->clock(), kRefusalNs); };
  const absl::StatusOr<wire::Attached> attached = Hear(peer, deadline);
  wire::Writer answer;
  const absl::Status status = attached.ok() ? WriteAttached(&answer, *attached) : attached.status();
  if (status.ok()) {
    lane::SendWritten(*peer.channel, answer, answer_deadline()).IgnoreError();
  } else {
    TellRefused(peer.who, status);
    lane::SendRefusal(*peer.channel, status, answer_deadline());
  }
}

void AttachServer::AdmitRequest(Peer& peer, const Deadline& deadline) {
  const absl::StatusOr<lane::ReceivedFrame> frame =
      lane::ReceiveFrame(*peer.channel, deadline.Sooner(agent_->clock(), kPreambleNs));
  if (!frame.ok()) return;
  const absl::StatusOr<wire::Request> request = wire::ReadRequest(frame->frame());
  const auto answer_deadline = Deadline::After(agent_->clock(), kRefusalNs);
  if (!request.ok()) return lane::SendRefusal(*peer.channel, request.status(), answer_deadline);
  // A user of this machine has the control socket, whose file mode says who may.
  const bool may = !peer.uid.has_value() || *peer.uid == 0 || *peer.uid == geteuid();
  wire::Writer reply;
  const absl::Status written =
      WriteReply(&reply, may ? requests_->Answer(*request, peer.who, peer.holder)
                             : absl::PermissionDeniedError("this door lends to other machines; use xpool run"));
  if (written.ok()) lane::SendWritten(*peer.channel, reply, answer_deadline).IgnoreError();
}

// A lane's connection. The worker finds out whether it is the session's.
void AttachServer::Pass(Kind kind, UniqueFd socket, const wire::Preamble& preamble, const Deadline& deadline) {
  UniqueFd copy(fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
  const absl::Status passed = sessions_->PassLane(preamble, std::move(socket));
  if (passed.ok() || !copy.valid()) return;
  // The client waits for a Welcome: it gets a Refusal, in the way in which it waits.
  const bool ring = preamble.security == wire::Security::kRing;
  absl::StatusOr<Peer> peer = absl::UnavailableError("");
  if (ring) {
    absl::StatusOr<std::unique_ptr<transport::RingChannel>> channel =
        transport::RingChannel::Accept(std::move(copy), {}, deadline);
    if (!channel.ok()) return;
    peer = Peer{.channel = *std::move(channel)};
  } else {
    peer = Meet(kind, std::move(copy), deadline);
  }
  if (!peer.ok()) return;
  lane::SendRefusal(*peer->channel, passed, Deadline::After(agent_->clock(), kRefusalNs));
  peer->channel->Close();
}

absl::StatusOr<AttachServer::Peer> AttachServer::Meet(Kind kind, UniqueFd socket, const Deadline& deadline) {
  Peer peer;
  if (kind == Kind::kUnix) {
    ASSIGN_OR_RETURN(const PeerCredentials credentials, GetPeerCredentials(socket.get()));
    absl::StatusOr<UniqueFd> process = GetPeerPidfd(socket.get());
    if (!process.ok()) process = OpenPidfd(credentials.pid);
    if (process.ok()) peer.process = *std::move(process);
    peer.who = absl::StrCat("user ", credentials.uid);
    peer.uid = credentials.uid;
    peer.tenant = {sandbox::TenantIdentity::Kind::kLocalUser, absl::StrCat(credentials.uid)};
    peer.holder = pki::TokenHolder::OfUid(credentials.uid);
    ASSIGN_OR_RETURN(peer.channel, transport::AdoptStreamSocket(std::move(socket), peer.who));
    return peer;
  }
  std::string who = transport::DescribeTcpPeer(socket.get());
  ASSIGN_OR_RETURN(std::unique_ptr<Channel> channel, transport::AdoptStreamSocket(std::move(socket), who));
  if (kind == Kind::kTls) return MeetTls(std::move(channel), deadline);
  peer.who = HostOf(who);
  peer.tenant = {sandbox::TenantIdentity::Kind::kAddress, peer.who};
  peer.holder = pki::TokenHolder::Anybody();
  peer.channel = std::move(channel);
  return peer;
}

absl::StatusOr<AttachServer::Peer> AttachServer::MeetTls(std::unique_ptr<Channel> channel, const Deadline& deadline) {
  const std::string from = HostOf(channel->Describe());
  // What is wrong with new files is told; the ones before are used as long as they are good for.
  const absl::Status fresh = identity_->Refresh(UnixNowNs() / kNsPerSec);
  const std::shared_ptr<const pki::LoadedIdentity> identity = identity_->current();
  if (identity == nullptr) return fresh;
  ASSIGN_OR_RETURN(std::unique_ptr<transport::TlsChannel> tls,
                   transport::TlsChannel::Handshake(std::move(channel), *identity->context, transport::TlsRole::kServer,
                                                    "", deadline));
  ASSIGN_OR_RETURN(const pki::CertificateFacts facts, pki::DescribeCertificate(tls->peer_certificate()));
  Peer peer;
  peer.who = absl::StrCat(facts.name, " of ", from);
  peer.tenant = {sandbox::TenantIdentity::Kind::kCertificate, facts.name};
  ASSIGN_OR_RETURN(peer.holder, pki::TokenHolder::OfCertificate(facts.fingerprint));
  ASSIGN_OR_RETURN(peer.certificate, transport::CertificatePem(tls->peer_certificate()));
  peer.channel = std::move(tls);
  return peer;
}

absl::StatusOr<wire::Attached> AttachServer::Hear(Peer& peer, const Deadline& deadline) {
  ASSIGN_OR_RETURN(const lane::ReceivedFrame frame,
                   lane::ReceiveFrame(*peer.channel, deadline.Sooner(agent_->clock(), kPreambleNs)));
  ASSIGN_OR_RETURN(const wire::Attach attach, wire::ReadAttach(frame.frame()));
  absl::StatusOr<wire::Attached> attached = Begin(peer, attach, deadline);
  // To the client this code means another version of the protocol.
  if (absl::IsFailedPrecondition(attached.status())) return absl::InternalError(attached.status().message());
  return attached;
}

absl::StatusOr<wire::Attached> AttachServer::Begin(Peer& peer, const wire::Attach& attach, const Deadline& deadline) {
  ASSIGN_OR_RETURN(const agent::RemoteTarget target, agent_->FindRemoteTarget(attach.slice));
  RETURN_IF_ERROR(CheckEntitled(peer, attach, target.slice));
  return sessions_->Open(target, attach.program, {peer.who, peer.certificate, peer.tenant, std::move(peer.process)},
                         deadline);
}

absl::Status AttachServer::CheckEntitled(const Peer& peer, const wire::Attach& attach,
                                         const agent::SliceRecord& slice) {
  if (!attach.token.empty()) {
    const std::string token(reinterpret_cast<const char*>(attach.token.data()), attach.token.size());
    return tokens_->Check(token, slice, peer.holder);
  }
  if (peer.uid.has_value() && agent::OwnsSlice(*peer.uid, slice)) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("slice ", slice.name, " is not yours, and no token was shown; `xpool run --on` gets one"));
}

// Not each of very many: others' events must stay readable.
void AttachServer::TellRefused(const std::string& who, const absl::Status& why) {
  int untold;
  {
    MutexLock lock(&mutex_);
    const int64_t now_ns = agent_->clock()->NowNs();
    if (refusal_told_ns_ != 0 && now_ns - refusal_told_ns_ < kNsPerSec) {
      ++refusals_untold_;
      return;
    }
    refusal_told_ns_ = now_ns;
    untold = std::exchange(refusals_untold_, 0);
  }
  agent_->events().Add({.kind = "attach-refused",
                        .message = absl::StrCat(who, ": ", why.message(),
                                                untold > 0 ? absl::StrCat(" (and ", untold, " more before)") : "")});
}

}  // namespace xpool::gateway
