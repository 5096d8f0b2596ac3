#include "gateway/peer_dialer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/thread.h"
#include "lane/handshake.h"
#include "transport/tcp_channel.h"

namespace xpool::gateway {

using transport::Deadline;
using transport::HostPort;
using transport::TcpAddress;

namespace {

bool Same(const HostPort& a, const HostPort& b) { return a.host == b.host && a.port == b.port; }

bool Same(const TcpAddress& a, const TcpAddress& b) {
  return a.size == b.size && std::memcmp(&a.address, &b.address, a.size) == 0;
}

absl::Status NoPeer(const std::string& address) {
  return absl::PermissionDeniedError(
      absl::StrCat(address, " is none of this node's peers; tell its agent: xpoold --peer ", address));
}

}  // namespace

struct PeerDialer::State {
  std::vector<HostPort> peers;
  bool tls = false, plain = false;

  Mutex mutex;
  Answer answer ABSL_GUARDED_BY(mutex);  // empty when nobody wants one any more
  int running ABSL_GUARDED_BY(mutex) = 0;
  absl::flat_hash_map<uint64_t, int> running_of ABSL_GUARDED_BY(mutex);  // by session

  absl::Status Begin(uint64_t session, const worker::Dial& dial);
  void End(uint64_t session);
  absl::StatusOr<std::vector<TcpAddress>> AddressesOf(const std::string& target) const;
  absl::StatusOr<UniqueFd> Connect(const worker::Dial& dial) const;
  void Tell(uint64_t session, const worker::Dial& dial, absl::StatusOr<UniqueFd> socket);
};

absl::Status PeerDialer::State::Begin(uint64_t session, const worker::Dial& dial) {
  const wire::Security security = dial.preamble.security;
  if (dial.preamble.purpose != wire::Purpose::kPeer || security == wire::Security::kRing)
    return absl::InvalidArgumentError("an agent connects its workers to other workers alone");
  if (!(security == wire::Security::kTls ? tls : plain)) {
    return absl::PermissionDeniedError(absl::StrCat("this node has no ",
                                                    security == wire::Security::kTls ? "TLS" : "unencrypted",
                                                    " door, and makes no such connections"));
  }
  MutexLock lock(&mutex);
  if (running >= kMostAtOnce || running_of[session] >= kMostOfOneSession)
    return absl::ResourceExhaustedError("too many connections are being made already");
  ++running;
  ++running_of[session];
  return absl::OkStatus();
}

void PeerDialer::State::End(uint64_t session) {
  MutexLock lock(&mutex);
  --running;
  if (--running_of[session] == 0) running_of.erase(session);
}

// Those of |target| that are peers'.
absl::StatusOr<std::vector<TcpAddress>> PeerDialer::State::AddressesOf(const std::string& target) const {
  ASSIGN_OR_RETURN(const HostPort wanted, transport::ParseHostPort(target));
  if (std::any_of(peers.begin(), peers.end(), [&](const HostPort& peer) { return Same(peer, wanted); }))
    return transport::Resolve(wanted);
  const absl::StatusOr<TcpAddress> numeric = transport::ResolveNumeric(wanted);
  if (!numeric.ok()) return NoPeer(target);
  for (const HostPort& peer : peers) {
    const absl::StatusOr<std::vector<TcpAddress>> addresses = transport::Resolve(peer);
    if (!addresses.ok()) continue;
    const auto is_it = [&](const TcpAddress& address) { return Same(address, *numeric); };
    if (std::any_of(addresses->begin(), addresses->end(), is_it)) return std::vector{*numeric};
  }
  return NoPeer(target);
}

absl::StatusOr<UniqueFd> PeerDialer::State::Connect(const worker::Dial& dial) const {
  ASSIGN_OR_RETURN(const std::vector<TcpAddress> addresses, AddressesOf(dial.address));
  const Deadline deadline = Deadline::After(Clock::Monotonic(), kConnectNs);
  ASSIGN_OR_RETURN(UniqueFd socket, transport::ConnectTcpSocket(addresses, deadline));
  // The first bytes of a connection: the socket takes them whole, at once.
  const auto preamble = wire::EncodePreamble(dial.preamble);
  if (send(socket.get(), preamble.data(), preamble.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(preamble.size()))
    return ErrnoStatus(absl::StrCat("send to ", dial.address));
  return socket;
}

void PeerDialer::State::Tell(uint64_t session, const worker::Dial& dial, absl::StatusOr<UniqueFd> socket) {
  MutexLock lock(&mutex);
  if (!answer) return;
  const worker::Dialed dialed{dial.request, socket.status().code(), std::string(socket.status().message())};
  answer(session, dial, dialed, socket.ok() ? *std::move(socket) : UniqueFd());
}

absl::StatusOr<std::unique_ptr<PeerDialer>> PeerDialer::Create(const PeerPolicy& policy, Answer answer) {
  const auto state = std::make_shared<State>();
  for (const std::string& peer : policy.peers) {
    ASSIGN_OR_RETURN(HostPort parsed, transport::ParseHost(peer));
    state->peers.push_back(std::move(parsed));
  }
  state->tls = policy.tls;
  state->plain = policy.plain;
  {
    MutexLock lock(&state->mutex);
    state->answer = std::move(answer);
  }
  return std::unique_ptr<PeerDialer>(new PeerDialer(state));
}

PeerDialer::~PeerDialer() {
  MutexLock lock(&state_->mutex);
  state_->answer = nullptr;
}

void PeerDialer::Dial(uint64_t session, const worker::Dial& dial) {
  const absl::Status begun = state_->peers.empty() ? NoPeer(dial.address) : state_->Begin(session, dial);
  if (!begun.ok()) return state_->Tell(session, dial, begun);
  const bool started = StartDetached("xpool-peer-dial", [state = state_, session, dial] {
    state->Tell(session, dial, state->Connect(dial));
    state->End(session);
  });
  if (started) return;
  state_->End(session);
  state_->Tell(session, dial, absl::ResourceExhaustedError("this node has no thread left to make a connection"));
}

}  // namespace xpool::gateway
