#include "transport/ring_channel.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/status.h"
#include "base/unix_socket.h"
#include "transport/ring_bell.h"
#include "transport/spin.h"

namespace xpool::transport {
namespace {

// What is sent along with the memory and the second socket.
struct RingOffer {
  uint32_t magic;
  uint32_t version;
  uint64_t ring_bytes;
};
static_assert(sizeof(RingOffer) == 16);

constexpr int kFutexRounds = 8;          // wake-ups for nothing before poll() is trusted more
constexpr uint32_t kLookEachTurns = 64;  // a caller that never waits must learn of the peer's end too

absl::Status CheckUnixStream(int fd) {
  int domain = 0, type = 0;
  socklen_t size = sizeof(int);
  const bool known = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                     getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
  if (known && domain == AF_UNIX && type == SOCK_STREAM) return absl::OkStatus();
  return absl::InvalidArgumentError("the peer offered a ring without the Unix socket that belongs to it");
}

absl::StatusOr<RingOffer> ParseOffer(const SocketMessage& message) {
  if (message.bytes.empty()) return PeerClosedError("the peer that should offer a shared-memory ring");
  RingOffer offer;
  if (message.bytes.size() != sizeof(offer) || message.fds.size() != 2)
    return absl::InvalidArgumentError("the peer sent something else than the offer of a shared-memory ring");
  memcpy(&offer, message.bytes.data(), sizeof(offer));
  if (offer.magic != kRingMagic)
    return absl::InvalidArgumentError("the peer sent something else than the offer of a shared-memory ring");
  if (offer.version != kRingVersion) {
    return absl::FailedPreconditionError(absl::StrCat("the peer offers a ring of version ", offer.version,
                                                      ", this side speaks ", kRingVersion,
                                                      "; install the same xpool version for both"));
  }
  return offer;
}

absl::StatusOr<UniqueFd> EpollOf(int first, int second) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoStatus("epoll_create for a ring");
  for (const int fd : {first, second}) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP;
    if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus("epoll_ctl for a ring");
  }
  return epoll;
}

}  // namespace

RingChannel::RingChannel(RingMemory memory, int out_ring, UniqueFd data_socket, UniqueFd room_socket, UniqueFd epoll,
                         const RingOptions& options)
    : memory_(std::move(memory)),
      out_(memory_.control(out_ring)),
      in_(memory_.control(1 - out_ring)),
      producer_(out_, memory_.bytes(out_ring)),
      consumer_(in_, memory_.bytes(1 - out_ring)),
      data_socket_(std::move(data_socket)),
      room_socket_(std::move(room_socket)),
      epoll_(std::move(epoll)),
      spin_rounds_(SpinRounds(options.spin_rounds)) {}

absl::StatusOr<std::unique_ptr<RingChannel>> RingChannel::Make(RingMemory memory, int out_ring, UniqueFd data_socket,
                                                               UniqueFd room_socket, const RingOptions& options) {
  ASSIGN_OR_RETURN(UniqueFd epoll, EpollOf(data_socket.get(), room_socket.get()));
  return std::unique_ptr<RingChannel>(new RingChannel(std::move(memory), out_ring, std::move(data_socket),
                                                      std::move(room_socket), std::move(epoll), options));
}

absl::StatusOr<std::unique_ptr<RingChannel>> RingChannel::Offer(UniqueFd socket, const RingOptions& options) {
  ASSIGN_OR_RETURN(const UniqueFd fd, CreateRingMemory(options.ring_bytes));
  ASSIGN_OR_RETURN(RingMemory memory, MapRingMemory(fd.get(), options.ring_bytes));
  int room[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, room) != 0) return ErrnoStatus("socketpair for a ring");
  UniqueFd ours(room[0]);
  const UniqueFd theirs(room[1]);
  const RingOffer offer{kRingMagic, kRingVersion, options.ring_bytes};
  const int fds[] = {fd.get(), theirs.get()};
  RETURN_IF_ERROR(SendMessage(socket.get(), std::as_bytes(std::span(&offer, 1)), fds));
  return Make(std::move(memory), 0, std::move(socket), std::move(ours), options);
}

absl::StatusOr<std::unique_ptr<RingChannel>> RingChannel::Accept(UniqueFd socket, const RingOptions& options,
                                                                 const Deadline& deadline) {
  pollfd polled{socket.get(), POLLIN, 0};
  ASSIGN_OR_RETURN(const int events, PollUntil({&polled, 1}, deadline));
  if (events == 0) return absl::DeadlineExceededError("the peer offered no shared-memory ring in time");
  ASSIGN_OR_RETURN(SocketMessage message, ReceiveMessage(socket.get(), sizeof(RingOffer)));
  ASSIGN_OR_RETURN(const RingOffer offer, ParseOffer(message));
  UniqueFd room = std::move(message.fds[1]);
  RETURN_IF_ERROR(CheckUnixStream(room.get()));
  ASSIGN_OR_RETURN(RingMemory memory, MapRingMemory(message.fds[0].get(), offer.ring_bytes));
  return Make(std::move(memory), 1, std::move(socket), std::move(room), options);
}

absl::StatusOr<size_t> RingChannel::Send(std::span<const iovec> pieces) {
  if (closed_) return ClosedHereError(Describe());
  if (peer_gone_) return PeerClosedError(Describe());
  ASSIGN_OR_RETURN(const size_t taken,
                   producer_.Write(pieces, [this] { RingBell(&out_->data_bell, data_socket_.get()); }));
  if (taken == 0 && ++full_sends_ % kLookEachTurns == 0) LookForPeer(room_socket_.get());
  return taken;
}

absl::StatusOr<size_t> RingChannel::Receive(std::span<std::byte> buffer) {
  if (closed_) return ClosedHereError(Describe());
  const bool gone = peer_gone_;  // asked before the ring: what the peer wrote before its end is there by now
  const auto ring_for_room = [this] {
    const absl::StatusOr<size_t> left = consumer_.Available();
    if (left.ok() && memory_.ring_bytes() - *left >= memory_.ring_bytes() / 4)
      RingBell(&in_->room_bell, room_socket_.get());
  };
  ASSIGN_OR_RETURN(const size_t received, consumer_.Read(buffer, ring_for_room));
  if (received > 0 || buffer.empty()) return received;
  if (gone) return PeerClosedError(Describe());
  if (++empty_receives_ % kLookEachTurns == 0) LookForPeer(data_socket_.get());
  return 0;
}

// A broken position counts as possible: the call that follows reports it.
bool RingChannel::Possible(Interest interest) const {
  if (closed_ || peer_gone_) return true;
  if (interest.receive) {
    const absl::StatusOr<size_t> available = consumer_.Available();
    if (!available.ok() || *available > 0) return true;
  }
  if (!interest.send) return false;
  const absl::StatusOr<size_t> room = producer_.Room();
  return !room.ok() || *room >= memory_.ring_bytes() / 4;
}

bool RingChannel::Spin(Interest interest) const {
  for (int round = 0; round < spin_rounds_; ++round) {
    if (Possible(interest)) return true;
    Relax();
  }
  return false;
}

absl::Status RingChannel::Wait(Interest interest, const Deadline& deadline) {
  if (!Possible(interest) && !Spin(interest)) {
    const bool one = interest.receive != interest.send;
    if (!one || !SleepInFutex(interest, deadline)) RETURN_IF_ERROR(SleepInPoll(interest, deadline));
  }
  return closed_ ? ClosedHereError(Describe()) : absl::OkStatus();
}

bool RingChannel::SleepInFutex(Interest interest, const Deadline& deadline) {
  std::atomic<uint32_t>* bell = interest.receive ? &in_->data_bell : &out_->room_bell;
  const int socket = interest.receive ? data_socket_.get() : room_socket_.get();
  for (int round = 0; round < kFutexRounds; ++round) {
    const int64_t timeout_ns = std::min(deadline.RemainingNs(), kFutexNs);
    if (timeout_ns == 0) return false;
    bell->store(kInFutex);
    const bool in_time = Possible(interest) || SleepOnBell(bell, timeout_ns);
    bell->store(kAwake);
    if (Possible(interest)) return true;
    if (!in_time) return false;
    LookForPeer(socket);
  }
  return false;
}

absl::Status RingChannel::SleepInPoll(Interest interest, const Deadline& deadline) {
  while (true) {
    SetBells(interest, kInPoll);
    std::array<pollfd, 2> polled{{{interest.receive ? data_socket_.get() : -1, POLLIN | POLLRDHUP, 0},
                                  {interest.send ? room_socket_.get() : -1, POLLIN | POLLRDHUP, 0}}};
    absl::StatusOr<int> events = 0;
    const bool possible = Possible(interest);
    if (!possible) events = PollUntil(polled, deadline);
    SetBells(interest, kAwake);
    RETURN_IF_ERROR(events.status());
    if (possible) return absl::OkStatus();
    if (*events == 0) return WaitedTooLongError(Describe(), interest);
    Drain(interest);
    if (Possible(interest)) return absl::OkStatus();
  }
}

PollTarget RingChannel::PollFor(Interest interest) {
  Drain(interest);
  SetBells(interest, kInPoll);
  PollTarget target;
  target.events = POLLIN;
  target.fd = interest.receive && interest.send ? epoll_.get()
              : interest.send                   ? room_socket_.get()
                                                : data_socket_.get();
  target.ready = Possible(interest);
  return target;
}

void RingChannel::SetBells(Interest interest, uint32_t state) {
  if (interest.receive) in_->data_bell.store(state);
  if (interest.send) out_->room_bell.store(state);
}

void RingChannel::Drain(Interest interest) {
  if (interest.receive) DrainSocket(data_socket_.get());
  if (interest.send) DrainSocket(room_socket_.get());
}

// One call takes many bytes on a stream socket and one on a packet socket; what is left wakes once more.
void RingChannel::DrainSocket(int socket) {
  char bytes[256];
  const ssize_t size = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) peer_gone_ = true;
}

void RingChannel::LookForPeer(int socket) {
  pollfd polled{socket, POLLRDHUP, 0};
  if (poll(&polled, 1, 0) > 0 && (polled.revents & (POLLRDHUP | POLLHUP | POLLERR))) peer_gone_ = true;
}

void RingChannel::Close() {
  if (closed_.exchange(true)) return;
  shutdown(data_socket_.get(), SHUT_RDWR);
  shutdown(room_socket_.get(), SHUT_RDWR);
  // Who sleeps in a futex, here or there, looks at once.
  for (RingControl* ring : {out_, in_}) {
    RingBell(&ring->data_bell, data_socket_.get());
    RingBell(&ring->room_bell, room_socket_.get());
  }
}

}  // namespace xpool::transport
