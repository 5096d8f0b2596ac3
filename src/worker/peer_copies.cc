#include "worker/peer_copies.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/functional/function_ref.h"
#include "base/random.h"
#include "base/status.h"
#include "base/thread.h"
#include "transport/tls_ephemeral.h"
#include "transport/tls_x509.h"
#include "transport/unix_channel.h"
#include "worker/mapped_steps.h"

namespace xpool::worker {

using transport::Channel;
using transport::Deadline;
using transport::TlsRole;

namespace {

constexpr size_t kPieceBytes = 256 * kKiB;  // what has to move within the time for a stall

absl::Status SendBytesOf(Channel& channel, std::span<const std::byte> bytes, const Deadline& deadline) {
  const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return transport::SendAll(channel, {&piece, 1}, deadline);
}

// Hands what is mapped, from |step| on, to |move|, a piece at a time.
absl::Status ForEachPiece(MappedSteps& steps, std::span<std::byte> step,
                          absl::FunctionRef<absl::Status(std::span<std::byte> piece)> move) {
  while (!step.empty()) {
    for (size_t done = 0; done < step.size(); done += kPieceBytes)
      RETURN_IF_ERROR(move(step.subspan(done, std::min(step.size() - done, kPieceBytes))));
    ASSIGN_OR_RETURN(step, steps.Next());
  }
  return absl::OkStatus();
}

absl::Status SendStatus(Channel& channel, const absl::Status& status, const Deadline& deadline) {
  return SendBytesOf(channel, wire::EncodePeerStatus(status.code()), deadline);
}

absl::Status ReceiveStatus(Channel& channel, const Deadline& deadline) {
  std::array<std::byte, wire::kPeerStatusBytes> bytes;
  RETURN_IF_ERROR(transport::ReceiveAll(channel, bytes, deadline));
  return wire::DecodePeerStatus(bytes);
}

}  // namespace

PeerCopies::PeerCopies(PeerOptions options, Hold hold)
    : options_(std::move(options)), hold_(std::move(hold)), invites_(options_.clock) {}

PeerCopies::~PeerCopies() {
  MutexLock lock(&mutex_);
  while (sending_ + receiving_ > 0) ended_.Wait(&mutex_);
}

bool PeerCopies::Begin(int* running, const char* name, absl::AnyInvocable<void()> work) {
  {
    MutexLock lock(&mutex_);
    if (*running >= kMostEachWay) return false;
    ++*running;
  }
  const auto ended = [this, running] {
    MutexLock lock(&mutex_);
    --*running;
    ended_.SignalAll();
  };
  const bool started = StartDetached(name, [ended, work = std::move(work)]() mutable {
    work();
    work = nullptr;  // what it holds belongs to the session
    ended();
  });
  if (!started) ended();
  return started;
}

absl::StatusOr<PeerCopies::ChannelPtr> PeerCopies::Secure(UniqueFd socket, const std::string& expected, TlsRole role,
                                                          std::string* certificate, const Deadline& deadline) const {
  ASSIGN_OR_RETURN(ChannelPtr plain, transport::AdoptStreamSocket(std::move(socket), "another worker"));
  if (!options_.identity.has_value()) return plain;
  ASSIGN_OR_RETURN(const auto context, options_.identity->context->Believing(expected));
  const char* const name = role == TlsRole::kClient ? transport::kEphemeralName : "";
  ASSIGN_OR_RETURN(std::unique_ptr<transport::TlsChannel> channel,
                   transport::TlsChannel::Handshake(std::move(plain), *context, role, name, deadline));
  ASSIGN_OR_RETURN(*certificate, transport::CertificatePem(channel->peer_certificate()));
  return channel;
}

// --- Receiving ------------------------------------------------------------------------------------------------------

absl::StatusOr<wire::PeerToken> PeerCopies::Invite(const wire_cl::Invite& invite) {
  if (invite.certificate.empty() == options_.identity.has_value())
    return absl::FailedPreconditionError("one of the two sessions is under TLS, and one is not");
  wire::PeerToken token;
  RETURN_IF_ERROR(FillRandom(token));
  RETURN_IF_ERROR(invites_.Open(token, invite));
  return token;
}

void PeerCopies::Receive(UniqueFd socket, wire::Security security) {
  const bool tls = options_.identity.has_value();
  if (security != (tls ? wire::Security::kTls : wire::Security::kPlain) || invites_.empty()) return;
  Begin(&receiving_, "xpool-peer-in",
        [this, own = std::move(socket)]() mutable { Serve(std::move(own)).IgnoreError(); });
}

absl::Status PeerCopies::Serve(UniqueFd socket) {
  const Deadline deadline = Deadline::After(options_.clock, options_.opening_ns);
  std::string certificate;
  ASSIGN_OR_RETURN(const ChannelPtr channel,
                   Secure(std::move(socket), invites_.Certificates(), TlsRole::kServer, &certificate, deadline));
  std::array<std::byte, wire::kPeerOpeningBytes> bytes;
  RETURN_IF_ERROR(transport::ReceiveAll(*channel, bytes, deadline));
  ASSIGN_OR_RETURN(const wire::PeerOpening opening, wire::DecodePeerOpening(bytes));
  const absl::StatusOr<wire_cl::Invite> invite = Admit(opening, certificate, channel.get());
  const absl::Status received = invite.ok() ? ReceiveBytes(*channel, *invite) : invite.status();
  if (invite.ok()) Leave(channel.get());
  const absl::Status told = SendStatus(*channel, received, Stall());
  channel->Close();
  return received.ok() ? told : received;
}

absl::StatusOr<wire_cl::Invite> PeerCopies::Admit(const wire::PeerOpening& opening, const std::string& certificate,
                                                  Channel* channel) {
  MutexLock lock(&mutex_);  // a copy is always expected, or under way, or over
  ASSIGN_OR_RETURN(wire_cl::Invite invite, invites_.Take(opening, certificate));
  incoming_.push_back({opening.token, channel, nullptr});
  return invite;
}

void PeerCopies::Leave(Channel* channel) {
  absl::AnyInvocable<void()> ended;
  {
    MutexLock lock(&mutex_);
    const auto found = std::find_if(incoming_.begin(), incoming_.end(),
                                    [channel](const Incoming& copy) { return copy.channel == channel; });
    ended = std::move(found->ended);
    incoming_.erase(found);
  }
  if (ended) ended();
}

void PeerCopies::Withdraw(const wire::PeerToken& token, absl::AnyInvocable<void()> done) {
  {
    MutexLock lock(&mutex_);
    invites_.Remove(token);
    for (Incoming& copy : incoming_) {
      if (!wire::SameSecret(copy.token, token) || copy.ended) continue;
      copy.ended = std::move(done);
      return copy.channel->Close();
    }
  }
  done();
}

absl::Status PeerCopies::ReceiveBytes(Channel& channel, const wire_cl::Invite& invite) {
  ASSIGN_OR_RETURN(const HeldBuffer buffer, hold_(invite));
  MappedSteps steps(buffer, CL_MAP_WRITE_INVALIDATE_REGION, invite.offset, invite.bytes);
  ASSIGN_OR_RETURN(std::span<std::byte> step, steps.Next());
  RETURN_IF_ERROR(SendStatus(channel, absl::OkStatus(), Stall()));
  return ForEachPiece(steps, step, [&](std::span<std::byte> piece) {
    absl::Status received = transport::ReceiveAll(channel, piece, Stall());
    if (received.ok()) received_bytes_ += piece.size();
    return received;
  });
}

// --- Sending --------------------------------------------------------------------------------------------------------

void PeerCopies::Push(HeldBuffer buffer, const wire_cl::Push& push,
                      absl::AnyInvocable<void(const absl::Status&)> done) {
  const auto shared = std::make_shared<absl::AnyInvocable<void(const absl::Status&)>>(std::move(done));
  const bool begun = Begin(&sending_, "xpool-peer-out",
                           [this, held = std::move(buffer), push, shared] { (*shared)(Send(held, push)); });
  if (!begun) (*shared)(absl::ResourceExhaustedError("too many direct copies are under way"));
}

absl::Status PeerCopies::Send(const HeldBuffer& buffer, const wire_cl::Push& push) {
  const bool tls = options_.identity.has_value();
  if (push.certificate.empty() == tls)
    return absl::FailedPreconditionError("one of the two sessions is under TLS, and one is not");
  const Deadline deadline = Deadline::After(options_.clock, options_.opening_ns);
  const wire::Preamble preamble{wire::Purpose::kPeer, tls ? wire::Security::kTls : wire::Security::kPlain,
                                push.session_id};
  ASSIGN_OR_RETURN(UniqueFd socket, options_.dial(push.address, preamble, deadline));
  std::string certificate;
  ASSIGN_OR_RETURN(const ChannelPtr channel,
                   Secure(std::move(socket), push.certificate, TlsRole::kClient, &certificate, deadline));
  RETURN_IF_ERROR(SendBytesOf(*channel, wire::EncodePeerOpening({push.token, push.bytes}), deadline));
  RETURN_IF_ERROR(ReceiveStatus(*channel, Stall()));
  RETURN_IF_ERROR(SendBytes(*channel, buffer, push));
  const absl::Status arrived = ReceiveStatus(*channel, Stall());
  channel->Close();
  return arrived;
}

absl::Status PeerCopies::SendBytes(Channel& channel, const HeldBuffer& buffer, const wire_cl::Push& push) {
  MappedSteps steps(buffer, CL_MAP_READ, push.offset, push.bytes);
  ASSIGN_OR_RETURN(std::span<std::byte> step, steps.Next());
  return ForEachPiece(steps, step, [&](std::span<std::byte> piece) {
    absl::Status sent = SendBytesOf(channel, piece, Stall());
    if (sent.ok()) sent_bytes_ += piece.size();
    return sent;
  });
}

}  // namespace xpool::worker
