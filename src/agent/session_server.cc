#include "agent/session_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/process.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

// What an epoll tag means; the number that belongs to it is in the low bits.
enum class Watched : uint64_t { kListener, kInbox, kTimer, kSocket, kPeerDeath, kRecordedDeath, kOwnerDeath };
constexpr int kKindShift = 60;

uint64_t Tag(Watched kind, uint64_t number = 0) { return static_cast<uint64_t>(kind) << kKindShift | number; }

absl::StatusOr<UniqueFd> PeerPidfd(int socket, const PeerCredentials& peer, std::span<const UniqueFd> sent) {
  auto pidfd = GetPeerPidfd(socket);
  if (pidfd.ok() || !absl::IsUnimplemented(pidfd.status())) return pidfd;
  // An older kernel: the client's own, if it is what it should be.
  for (const UniqueFd& fd : sent) {
    if (PidOfPidfd(fd.get()) == peer.pid) return UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  }
  return OpenPidfd(peer.pid);
}

// A dying process closes its sockets just before its pidfd tells: give it that moment, so that the event says it right.
bool DiesAtOnce(int pidfd) {
  pollfd entry{pidfd, POLLIN, 0};
  return poll(&entry, 1, /*timeout ms=*/2) == 1;
}

}  // namespace

void SessionServer::Inbox::Post(std::function<void()> note) {
  {
    MutexLock lock(&mutex);
    notes.push_back(std::move(note));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake.get(), &one, sizeof(one));
}

absl::StatusOr<std::unique_ptr<SessionServer>> SessionServer::Start(Agent* agent, std::function<void()> idle) {
  std::unique_ptr<SessionServer> server(new SessionServer(agent, std::move(idle)));
  RETURN_IF_ERROR(server->Init());
  server->SetOutlets();
  server->thread_ = std::thread([raw = server.get()] { raw->Run(); });
  return server;
}

absl::Status SessionServer::Init() {
  ASSIGN_OR_RETURN(listener_, ListenSeqPacket(agent_->options().paths.session_socket(), 0666));
  fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  inbox_->wake.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !timer_.valid() || !inbox_->wake.valid())
    return ErrnoStatus("descriptors of the session server");
  RETURN_IF_ERROR(Watch(listener_.get(), Tag(Watched::kListener)));
  RETURN_IF_ERROR(Watch(timer_.get(), Tag(Watched::kTimer)));
  RETURN_IF_ERROR(Watch(inbox_->wake.get(), Tag(Watched::kInbox)));
  for (const auto& [session, pidfd] : agent_->UnattachedPidfds()) {
    RETURN_IF_ERROR(Watch(pidfd, Tag(Watched::kRecordedDeath, session)));
    recovery_deadline_ns_ = agent_->clock()->NowNs() + agent_->options().hang_limit_ns;
  }
  for (const auto& [slice, pidfd] : agent_->OwnerPidfds()) {
    RETURN_IF_ERROR(Watch(pidfd, Tag(Watched::kOwnerDeath, slice)));
  }
  return absl::OkStatus();
}

void SessionServer::SetOutlets() {
  auto post = [inbox = inbox_](std::function<void()> note) { inbox->Post(std::move(note)); };
  Agent::Outlets outlets;
  outlets.close_slice = [this, post](SliceNumber slice) { post([this, slice] { CloseSlice(slice); }); };
  outlets.watch_owner = [this, post](SliceNumber slice, int pidfd) {
    // A copy: the slice may be gone before the note is read, and its descriptor number be another's.
    auto copy = std::make_shared<UniqueFd>(fcntl(pidfd, F_DUPFD_CLOEXEC, 0));
    post([this, slice, copy] {
      Watch(copy->get(), Tag(Watched::kOwnerDeath, slice)).IgnoreError();
      if (PidfdIsDead(copy->get())) agent_->OwnerDied(slice);
    });
  };
  outlets.changed = [this, post] {
    if (agent_->options().idle_exit_ns > 0) post([this] { NoteIdle(); });
  };
  agent_->SetOutlets(std::move(outlets));
  agent_->events().Add({.kind = "agent-started",
                        .message = absl::StrCat("serving sessions on ", agent_->options().paths.session_socket())});
}

SessionServer::~SessionServer() {
  if (!thread_.joinable()) return;
  inbox_->Post([this] { stopping_ = true; });
  thread_.join();
  // The path is left to the next agent: clients wait for it there.
}

absl::Status SessionServer::Watch(int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus("epoll_ctl");
  return absl::OkStatus();
}

void SessionServer::Run() {
  pthread_setname_np(pthread_self(), "xpool-sessions");
  NoteIdle();
  constexpr int kBatch = 64;
  epoll_event events[kBatch];
  while (!stopping_) {
    ArmTimer();
    const int count = epoll_wait(epoll_.get(), events, kBatch, -1);
    for (int i = 0; i < count && !stopping_; ++i) Dispatch(events[i].data.u64);
  }
}

void SessionServer::Dispatch(uint64_t tag) {
  const uint64_t number = tag & ((uint64_t{1} << kKindShift) - 1);
  uint64_t counter;
  switch (static_cast<Watched>(tag >> kKindShift)) {
    case Watched::kListener:
      return Accept();
    case Watched::kInbox:
      [[maybe_unused]] ssize_t got;
      got = read(inbox_->wake.get(), &counter, sizeof(counter));
      return RunNotes();
    case Watched::kTimer:
      got = read(timer_.get(), &counter, sizeof(counter));
      armed_ns_ = 0;
      return OnTimer(agent_->clock()->NowNs());
    case Watched::kSocket:
      return Serve(number);
    case Watched::kPeerDeath:
      return Close(number, "the process has ended", /*died=*/true);
    case Watched::kRecordedDeath:
      // The agent closes the pidfd with the record, which also ends the watch.
      agent_->Detach(number, "the process ended while the agent was away", /*died=*/true);
      return RetryMemory();
    case Watched::kOwnerDeath:
      return agent_->OwnerDied(number);
  }
}

void SessionServer::RunNotes() {
  std::vector<std::function<void()>> notes;
  {
    MutexLock lock(&inbox_->mutex);
    notes.swap(inbox_->notes);
  }
  for (const auto& note : notes) note();
}

void SessionServer::NoteIdle() {
  const int64_t idle_exit_ns = agent_->options().idle_exit_ns;
  if (idle_exit_ns <= 0) return;
  if (!agent_->empty()) {
    idle_deadline_ns_.reset();
  } else if (!idle_deadline_ns_) {
    idle_deadline_ns_ = agent_->clock()->NowNs() + idle_exit_ns;
  }
}

void SessionServer::OnTimer(int64_t now_ns) {
  std::vector<uint64_t> silent;
  for (const auto& [id, connection] : connections_) {
    if (connection->link == nullptr && now_ns >= connection->greeting_deadline_ns) silent.push_back(id);
  }
  for (const uint64_t id : silent) Close(id, "said nothing", false);
  RetryMemory();
  if (recovery_deadline_ns_ && now_ns >= *recovery_deadline_ns_) {
    recovery_deadline_ns_.reset();
    agent_->EndRecovery();
  }
  if (idle_deadline_ns_ && now_ns >= *idle_deadline_ns_) {
    idle_deadline_ns_.reset();
    if (agent_->empty()) idle_();
  }
}

void SessionServer::ArmTimer() {
  int64_t at_ns = 0;
  const auto consider = [&](int64_t ns) { at_ns = at_ns == 0 ? ns : std::min(at_ns, ns); };
  for (const auto& [id, connection] : connections_) {
    if (connection->link == nullptr) consider(connection->greeting_deadline_ns);
  }
  for (const MemoryWait& wait : memory_waits_) consider(wait.deadline_ns);
  if (recovery_deadline_ns_) consider(*recovery_deadline_ns_);
  if (idle_deadline_ns_) consider(*idle_deadline_ns_);
  if (at_ns == armed_ns_) return;
  armed_ns_ = at_ns;
  itimerspec spec{};
  spec.it_value.tv_sec = at_ns / kNsPerSec;
  spec.it_value.tv_nsec = at_ns % kNsPerSec;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void SessionServer::Close(uint64_t id, const std::string& why, bool died) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const std::shared_ptr<SessionLink> link = it->second->link;
  connections_.erase(it);
  std::erase_if(memory_waits_, [id](const MemoryWait& wait) { return wait.connection == id; });
  if (accept_paused_) accept_paused_ = !Watch(listener_.get(), Tag(Watched::kListener)).ok();
  if (link == nullptr) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link->pidfd.get(), nullptr);
  agent_->Detach(link->id, why, died);
  RetryMemory();
}

void SessionServer::CloseSlice(SliceNumber slice) {
  std::vector<uint64_t> ids;
  for (const auto& [id, connection] : connections_) {
    if (connection->link != nullptr && connection->link->slice == slice) ids.push_back(id);
  }
  for (const uint64_t id : ids) Close(id, "its slice was deleted", false);
}

void SessionServer::Accept() {
  // A few at a time, so that a flood of connections does not keep those that are attached waiting.
  for (int i = 0; i < 16; ++i) {
    if (connections_.size() >= kMaxConnections) {
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener_.get(), nullptr);
      accept_paused_ = true;
      return;
    }
    auto socket = AcceptConnection(listener_.get());
    if (!socket.ok()) {
      if (!absl::IsUnavailable(socket.status()))
        agent_->events().Add({.kind = "session-refused", .message = std::string(socket.status().message())});
      return;
    }
    fcntl(socket->get(), F_SETFL, O_NONBLOCK);
    auto credentials = GetPeerCredentials(socket->get());
    if (!credentials.ok() || !Watch(socket->get(), Tag(Watched::kSocket, next_id_)).ok()) continue;
    auto connection = std::make_unique<Connection>();
    connection->socket = *std::move(socket);
    connection->credentials = *credentials;
    connection->greeting_deadline_ns = agent_->clock()->NowNs() + kGreetingNs;
    connections_[next_id_++] = std::move(connection);
  }
}

void SessionServer::Serve(uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = *it->second;
  auto message = ReceiveMessage(connection.socket.get(), kMaxSessionMessageBytes);
  if (absl::IsUnavailable(message.status())) return;
  if (message.ok() && message->bytes.empty()) {
    const bool died = connection.link != nullptr && DiesAtOnce(connection.link->pidfd.get());
    return Close(id, died ? "the process has ended" : "it has closed the connection", died);
  }
  if (message.ok() && connection.link == nullptr) return Greet(id, connection, *message);
  const absl::Status handled = message.ok() ? Handle(id, connection, *message) : message.status();
  if (handled.ok()) return;
  agent_->events().Add(
      {.kind = "session-garbage",
       .session_id = connection.link != nullptr ? connection.link->id : 0,
       .message = absl::StrCat("process ", connection.credentials.pid, " (uid ", connection.credentials.uid,
                               "): ", handled.message(), "; its connection was closed")});
  Close(id, "it sent what is no message", false);
}

void SessionServer::Greet(uint64_t id, Connection& connection, const SocketMessage& message) {
  auto hello = ParseMessage<Hello>(message.bytes);
  const absl::Status status = hello.ok() ? Welcomed(id, connection, *hello, message.fds) : hello.status();
  if (status.ok()) return;
  agent_->events().Add(
      {.kind = hello.ok() || absl::IsFailedPrecondition(status) ? "session-refused" : "session-garbage",
       .message = absl::StrCat("process ", connection.credentials.pid, " (uid ", connection.credentials.uid,
                               "): ", status.message())});
  Refuse(connection, status);
  Close(id, "refused", false);
}

absl::Status SessionServer::Welcomed(uint64_t id, Connection& connection, const Hello& hello,
                                     std::span<const UniqueFd> fds) {
  Peer peer{connection.credentials, {}};
  if (peer.credentials.pid > 0) {
    ASSIGN_OR_RETURN(peer.pidfd, PeerPidfd(connection.socket.get(), peer.credentials, fds));
  }
  ASSIGN_OR_RETURN(const Attached attached, agent_->Attach(hello, std::move(peer)));
  connection.link = attached.link;
  const int sent[kWelcomeFdCount] = {attached.page_fd.get(), attached.link->agent_doorbell.get(),
                                     attached.link->client_doorbell.get()};
  absl::Status status = Watch(attached.link->pidfd.get(), Tag(Watched::kPeerDeath, id));
  if (status.ok()) status = SendMessage(connection.socket.get(), MessageBytes(attached.welcome), sent);
  RetryMemory();  // a recovering slice may be whole now
  return status;
}

void SessionServer::Refuse(Connection& connection, const absl::Status& why) {
  auto refusal = NewMessage<Refusal>();
  refusal.code = static_cast<uint32_t>(why.code());
  refusal.retry = absl::IsUnavailable(why) ? 1 : 0;
  SetString(refusal.message, std::string(why.message()));
  SendMessage(connection.socket.get(), MessageBytes(refusal)).IgnoreError();
}

absl::Status SessionServer::Handle(uint64_t id, Connection& connection, const SocketMessage& message) {
  ASSIGN_OR_RETURN(const MessageHeader header, CheckMessage(message.bytes));
  if (header.type == MessageType::kMemoryReturn) {
    ASSIGN_OR_RETURN(const MemoryReturn given, ParseMessage<MemoryReturn>(message.bytes));
    agent_->ReturnMemory(connection.link->id, given.bytes);
    RetryMemory();
    return absl::OkStatus();
  }
  if (header.type != MessageType::kMemoryRequest || connection.asks_memory) {
    return absl::InvalidArgumentError("a message that has no place here");
  }
  ASSIGN_OR_RETURN(const MemoryRequest request, ParseMessage<MemoryRequest>(message.bytes));
  AskMemory(id, request.bytes, agent_->clock()->NowNs() + kTrimWaitNs);
  return absl::OkStatus();
}

// Answers a request, or keeps it until |deadline_ns|. While its slice recovers, a request waits for as long as that
// takes.
void SessionServer::AskMemory(uint64_t id, uint64_t bytes, int64_t deadline_ns) {
  Connection& connection = *connections_.at(id);
  const int64_t now_ns = agent_->clock()->NowNs();
  MemoryReply reply;
  const MemoryVerdict verdict = agent_->RequestMemory(connection.link->id, bytes, now_ns >= deadline_ns, reply);
  connection.asks_memory = verdict == MemoryVerdict::kWait;
  if (connection.asks_memory) {
    memory_waits_.push_back({id, bytes, now_ns >= deadline_ns ? now_ns + kTrimWaitNs : deadline_ns});
    return;
  }
  const absl::Status sent = SendMessage(connection.socket.get(), MessageBytes(reply));
  if (!sent.ok()) inbox_->Post([this, id] { Close(id, "it does not read its answers", false); });
}

void SessionServer::RetryMemory() {
  for (const MemoryWait& wait : std::exchange(memory_waits_, {}))
    AskMemory(wait.connection, wait.bytes, wait.deadline_ns);
}

}  // namespace xpool::agent
