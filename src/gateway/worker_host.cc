#include "gateway/worker_host.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_split.h"
#include "base/environment.h"
#include "base/process.h"
#include "base/status.h"
#include "base/unix_socket.h"

namespace xpool::gateway {

using worker::Message;

namespace {

constexpr int64_t kLookEachNs = kNsPerSec;
constexpr int64_t kStartingNs =
    60 * kNsPerSec;  // to load a driver; a compiler's first use may take long on a busy machine
constexpr int64_t kFirstRetryNs = kNsPerSec;
constexpr int64_t kLastRetryNs = 60 * kNsPerSec;
constexpr int64_t kGreetingNs = kNsPerSec;
constexpr int64_t kSettlingNs = 100 * kNsPerMs;  // for a session to begin, before a successor's start takes a core

// What a descriptor in epoll_ belongs to: 8 bits of this, and the worker's number.
enum class Watched : uint64_t { kListener, kWake, kSocket, kDeath, kClientDeath };
constexpr int kKindShift = 56;
uint64_t Tag(Watched kind, uint64_t number = 0) { return static_cast<uint64_t>(kind) << kKindShift | number; }

// How a child has ended, in words; of what was no child of this agent that cannot be known.
std::string CauseOfDeath(int pidfd) {
  siginfo_t info{};
  if (waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 ||
      info.si_pid == 0)
    return "it ended; why is not known, as another agent had started it";
  if (info.si_code == CLD_EXITED) return absl::StrCat("it exited with status ", info.si_status);
  const char* const name = sigabbrev_np(info.si_status);
  const std::string signal = absl::StrCat("it was killed by SIG", name != nullptr ? name : "?");
  switch (info.si_status) {
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
      return absl::StrCat(signal, ": one of its kernels, or the driver, crashed");
    case SIGKILL:
      return absl::StrCat(signal, ": by somebody, or by the kernel for want of memory");
    case SIGSYS:
      return absl::StrCat(signal, ": it made a system call that its sandbox forbids");
    default:
      return signal;
  }
}

// UNAVAILABLE when there is none yet, NOT_FOUND when the worker has closed its end; else what was no message.
absl::StatusOr<Message> ReceiveOne(int socket) {
  ASSIGN_OR_RETURN(const SocketMessage received, ReceiveMessage(socket, worker::kMaxWorkerMessageBytes));
  if (received.bytes.empty()) return absl::NotFoundError("the worker has closed its connection");
  return worker::DecodeMessage(received.bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkerHost>> WorkerHost::Start(WorkerHostOptions options, WorkerEvents events,
                                                              std::vector<OldWorker> old) {
  std::unique_ptr<WorkerHost> host(new WorkerHost(std::move(options), std::move(events)));
  RETURN_IF_ERROR(host->Init(std::move(old)));
  host->thread_ = std::thread([raw = host.get()] { raw->Run(); });
  return host;
}

absl::Status WorkerHost::Init(std::vector<OldWorker> old) {
  ASSIGN_OR_RETURN(dialer_, PeerDialer::Create(options_.peers, [this](uint64_t session, const worker::Dial& dial,
                                                                      const worker::Dialed& dialed, UniqueFd socket) {
                     Dialed(session, dial, dialed, std::move(socket));
                   }));
  // Workers that have entered their sandbox come back as another user; who they are is looked up by their pid.
  ASSIGN_OR_RETURN(listener_, ListenSeqPacket(options_.paths.worker_socket(), 0666));
  fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid()) return ErrnoStatus("descriptors of the worker host");
  RETURN_IF_ERROR(Watch(listener_.get(), Tag(Watched::kListener)));
  RETURN_IF_ERROR(Watch(wake_.get(), Tag(Watched::kWake)));
  MutexLock lock(&mutex_);
  for (OldWorker& one : old) {
    const uint64_t id = next_id_++;
    RETURN_IF_ERROR(Watch(one.pidfd.get(), Tag(Watched::kDeath, id)));
    auto worker = std::make_unique<Worker>();
    worker->pid = one.pid;
    worker->pidfd = std::move(one.pidfd);
    worker->state = State::kServing;
    worker->session = one.session;
    workers_[id] = std::move(worker);
  }
  return absl::OkStatus();
}

WorkerHost::~WorkerHost() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  Wake();
  if (thread_.joinable()) thread_.join();
  dialer_.reset();
  MutexLock lock(&mutex_);
  for (const auto& [id, worker] : workers_) {
    if (worker->state != State::kServing) {
      KillByPidfd(worker->pidfd.get());
      siginfo_t info{};
      waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(worker->pidfd.get()), &info, WEXITED);
    } else if (worker->room != nullptr) {
      worker->room->Leave();
    }
  }
}

absl::Status WorkerHost::Watch(int fd, uint64_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus("epoll_ctl");
  return absl::OkStatus();
}

// Closes it. Closing alone would not end the watch while a child that is being started has a copy.
void WorkerHost::Unwatch(UniqueFd* fd) {
  if (fd->valid()) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd->get(), nullptr);
  fd->Reset();
}

void WorkerHost::Wake() { eventfd_write(wake_.get(), 1); }

// --- The host's thread ----------------------------------------------------------------------------------------------

void WorkerHost::Run() {
  pthread_setname_np(pthread_self(), "xpool-workers");
  epoll_event events[32];
  while (true) {
    std::vector<std::string> missing;
    {
      MutexLock lock(&mutex_);
      if (stopping_) return;
      KillHanging();
      missing = MissingWorkers();
    }
    Refill(missing);
    const int count = epoll_wait(epoll_.get(), events, 32, [this] {
      MutexLock lock(&mutex_);
      return NextLookMs();
    }());
    for (int i = 0; i < count; ++i) {
      const uint64_t number = events[i].data.u64 & ((uint64_t{1} << kKindShift) - 1);
      eventfd_t counter;
      switch (static_cast<Watched>(events[i].data.u64 >> kKindShift)) {
        case Watched::kListener:
          Accept();
          break;
        case Watched::kWake:
          eventfd_read(wake_.get(), &counter);
          break;
        case Watched::kSocket:
          Serve(number);
          break;
        case Watched::kDeath:
          Bury(number);
          break;
        case Watched::kClientDeath:
          ClientDied(number);
          break;
      }
    }
  }
}

void WorkerHost::Accept() {
  absl::StatusOr<UniqueFd> socket = AcceptConnection(listener_.get());
  if (socket.ok()) Greet(*std::move(socket));
}

// Whether |worker| has not connected yet to this agent.
bool WorkerHost::IsExpected(const Worker& worker) {
  return !worker.socket.valid() && (worker.state == State::kStarting || worker.state == State::kServing);
}

// A worker speaks as soon as it is connected; nobody else is waited for.
void WorkerHost::Greet(UniqueFd socket) {
  const absl::StatusOr<PeerCredentials> peer = GetPeerCredentials(socket.get());
  if (!peer.ok()) return;
  {
    MutexLock lock(&mutex_);
    uint64_t id = 0;
    if (ExpectedWorker(peer->pid, &id) == nullptr) return;
  }
  pollfd spoken{socket.get(), POLLIN, 0};
  if (poll(&spoken, 1, static_cast<int>(kGreetingNs / kNsPerMs)) <= 0) return;
  fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  const absl::StatusOr<Message> first = ReceiveOne(socket.get());
  if (!first.ok()) return;
  Register(std::move(socket), peer->pid, *first).IgnoreError();  // a stranger: closed
}

WorkerHost::Worker* WorkerHost::ExpectedWorker(pid_t pid, uint64_t* id) {
  for (const auto& [number, worker] : workers_) {
    if (worker->pid != pid || !IsExpected(*worker)) continue;
    *id = number;
    return worker.get();
  }
  return nullptr;
}

absl::Status WorkerHost::Register(UniqueFd socket, pid_t pid, const Message& first) {
  MutexLock lock(&mutex_);
  uint64_t id = 0;
  Worker* const worker = ExpectedWorker(pid, &id);
  if (worker == nullptr) return absl::NotFoundError("no worker that is expected");
  const auto* serving = std::get_if<worker::Serving>(&first);
  const bool fits = worker->state == State::kStarting ? std::holds_alternative<worker::Ready>(first)
                                                      : serving != nullptr && serving->session_id == worker->session;
  if (!fits) return absl::InvalidArgumentError("a worker begins with something else");
  RETURN_IF_ERROR(Watch(socket.get(), Tag(Watched::kSocket, id)));
  worker->socket = std::move(socket);
  if (worker->state == State::kStarting) {
    worker->state = State::kWaiting;
    SetPace(*worker);
  }
  drivers_[worker->driver].failures = 0;
  changed_.SignalAll();
  return absl::OkStatus();
}

void WorkerHost::Serve(uint64_t id) {
  absl::StatusOr<Message> message;
  {
    MutexLock lock(&mutex_);
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    Worker& worker = *found->second;
    message = ReceiveOne(worker.socket.get());
    if (absl::IsUnavailable(message.status())) return;
    if (!message.ok()) {
      // Its death tells the rest. One that says what is no message is not to be trusted with anything any more.
      Unwatch(&worker.socket);
      if (!absl::IsNotFound(message.status())) KillByPidfd(worker.pidfd.get());
      return;
    }
  }
  Handle(id, *message);
}

void WorkerHost::Handle(uint64_t id, const Message& message) {
  uint64_t session = 0;
  {
    MutexLock lock(&mutex_);
    Worker& worker = *workers_.at(id);  // this thread alone removes them
    session = worker.session;
    if (const auto* started = std::get_if<worker::Started>(&message); started && worker.state == State::kBeginning) {
      worker.answer = *started;
      worker.state = State::kServing;
      changed_.SignalAll();
    } else if (const auto* ended = std::get_if<worker::Ended>(&message)) {
      worker.last_words = *ended;
      if (worker.state == State::kBeginning) {
        worker.answer =
            absl::Status(ended->code == absl::StatusCode::kOk ? absl::StatusCode::kInternal : ended->code, ended->why);
        changed_.SignalAll();
      }
    }
  }
  const auto* report = std::get_if<worker::Report>(&message);
  if (report != nullptr && session != 0) events_.reported(session, *report);
  const auto* dial = std::get_if<worker::Dial>(&message);
  if (dial != nullptr && session != 0) dialer_->Dial(session, *dial);
}

// The worker is dead.
void WorkerHost::Bury(uint64_t id) {
  std::unique_ptr<Worker> worker;
  {
    MutexLock lock(&mutex_);
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    worker = std::move(found->second);
    workers_.erase(found);
  }
  // What it said last may still be there to be read.
  while (worker->socket.valid() && !worker->last_words) {
    const absl::StatusOr<Message> message = ReceiveOne(worker->socket.get());
    if (!message.ok()) break;
    if (const auto* ended = std::get_if<worker::Ended>(&*message)) worker->last_words = *ended;
  }
  const std::string cause = CauseOfDeath(worker->pidfd.get());
  for (UniqueFd* const fd : {&worker->socket, &worker->client, &worker->pidfd}) Unwatch(fd);
  const std::optional<worker::Ended>& last = worker->last_words;
  const bool clean = last && (worker->client_died || last->code == absl::StatusCode::kOk);
  const std::string why = clean ? "its client has ended" : last ? last->why : cause;
  if (worker->state == State::kServing) return events_.ended(worker->session, clean, why);
  {
    MutexLock lock(&mutex_);
    if (worker->state == State::kStarting) {
      DriverState& driver = drivers_[worker->driver];
      const int64_t pause_ns = std::min(kFirstRetryNs << std::min(driver.failures, 6), kLastRetryNs);
      driver.retry_ns = options_.clock->NowNs() + pause_ns;
      ++driver.failures;
    }
    changed_.SignalAll();
  }
  if (worker->state == State::kStarting) events_.failed(worker->driver, why);
}

void WorkerHost::ClientDied(uint64_t id) {
  uint64_t session = 0;
  {
    MutexLock lock(&mutex_);
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    session = found->second->session;
    found->second->client_died = true;
    Unwatch(&found->second->client);
  }
  End(session, "the client's process has ended");
}

// --- Starting workers -----------------------------------------------------------------------------------------------

// Those whose driver does not come to be loaded.
void WorkerHost::KillHanging() {
  const int64_t now_ns = options_.clock->NowNs();
  for (const auto& [id, worker] : workers_) {
    if (worker->state == State::kStarting && now_ns - worker->started_ns > kStartingNs)
      KillByPidfd(worker->pidfd.get());
  }
}

// The driver of each worker that is to be started now.
std::vector<std::string> WorkerHost::MissingWorkers() {
  const int64_t now_ns = options_.clock->NowNs();
  std::vector<std::string> missing;
  auto starting = std::count_if(workers_.begin(), workers_.end(),
                                [](const auto& entry) { return entry.second->state == State::kStarting; });
  if (wanting_ == 0 && now_ns < settled_ns_) return missing;
  for (const std::string& driver : options_.drivers) {
    const auto is_spare = [&](const auto& entry) {
      return entry.second->driver == driver &&
             (entry.second->state == State::kStarting || entry.second->state == State::kWaiting);
    };
    auto spare = std::count_if(workers_.begin(), workers_.end(), is_spare);
    DriverState& state = drivers_[driver];
    if ((!state.wanted && !options_.warm_at_once) || now_ns < state.retry_ns) continue;
    for (; spare < options_.warm_each && starting < options_.most_starting; ++spare, ++starting)
      missing.push_back(driver);
  }
  return missing;
}

// How long nothing but events matters. Idle, no timer runs.
int WorkerHost::NextLookMs() {
  const int64_t settling_ns = settled_ns_ - options_.clock->NowNs();
  if (settling_ns > 0) return static_cast<int>(settling_ns / kNsPerMs) + 1;
  const bool busy =
      std::any_of(drivers_.begin(), drivers_.end(), [](const auto& entry) { return entry.second.failures > 0; }) ||
      std::any_of(workers_.begin(), workers_.end(),
                  [](const auto& entry) { return entry.second->state == State::kStarting; });
  return busy ? static_cast<int>(kLookEachNs / kNsPerMs) : -1;
}

void WorkerHost::Refill(const std::vector<std::string>& drivers) {
  for (const std::string& driver : drivers) {
    if (Spawn(driver).ok()) continue;
    MutexLock lock(&mutex_);
    DriverState& state = drivers_[driver];
    ++state.failures;
    state.retry_ns = options_.clock->NowNs() + kFirstRetryNs;
  }
}

absl::Status WorkerHost::Spawn(const std::string& driver) {
  std::shared_ptr<WorkerRooms::Room> room;
  if (options_.rooms != nullptr) {
    ASSIGN_OR_RETURN(room, options_.rooms->Make());
  }
  const std::vector<std::string> arguments = {options_.program, "--dir", options_.paths.directory, "--driver", driver};
  Environment environment = CurrentEnvironment();
  if (room != nullptr) {
    for (const std::string& variable : room->environment()) {
      const std::pair<std::string, std::string> parts = absl::StrSplit(variable, absl::MaxSplits('=', 1));
      SetVariable(environment, parts.first, parts.second);
    }
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  // A session of its own: what is typed at the agent's terminal is not meant for it.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
  posix_spawnattr_setsigmask(&attributes, &none);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, options_.program.c_str(), &actions, &attributes, ExecPointers(arguments).data(),
                                ExecPointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return absl::UnavailableError(absl::StrCat("cannot start ", options_.program, ": ", strerror(error)));
  ASSIGN_OR_RETURN(UniqueFd pidfd, OpenPidfd(pid));
  if (room != nullptr) room->Enter(pid);
  MutexLock lock(&mutex_);
  const uint64_t id = next_id_++;
  RETURN_IF_ERROR(Watch(pidfd.get(), Tag(Watched::kDeath, id)));
  auto worker = std::make_unique<Worker>();
  worker->pid = pid;
  worker->pidfd = std::move(pidfd);
  worker->driver = driver;
  worker->room = std::move(room);
  worker->started_ns = options_.clock->NowNs();
  SetPace(*worker);
  workers_[id] = std::move(worker);
  return absl::OkStatus();
}

// Loading a driver takes a core for a second, for which sessions that begin or run meanwhile have better use, unless
// one of them waits for it. Only a privileged agent can take that back again.
void WorkerHost::SetPace(const Worker& worker) {
  constexpr int kLast = 19;
  if (geteuid() != 0) return;
  const bool hurry = worker.state != State::kStarting || wanting_ > 0;
  SetCpuScheduling(worker.pid, {.nice = hurry ? 0 : kLast});
}

void WorkerHost::HurryStarting(const std::string& driver) {
  for (const auto& [id, worker] : workers_) {
    if (worker->state == State::kStarting && worker->driver == driver) SetPace(*worker);
  }
}

// --- Sessions -------------------------------------------------------------------------------------------------------

WorkerHost::Worker* WorkerHost::FindWaiting(const std::string& driver) {
  for (const auto& [id, worker] : workers_) {
    if (worker->state == State::kWaiting && worker->driver == driver && worker->socket.valid()) return worker.get();
  }
  return nullptr;
}

WorkerHost::Worker* WorkerHost::OfSession(uint64_t session) {
  for (const auto& [id, worker] : workers_) {
    if (worker->state == State::kServing && worker->session == session) return worker.get();
  }
  return nullptr;
}

absl::StatusOr<WorkerHost::Worker*> WorkerHost::AwaitWaiting(const std::string& driver,
                                                             const transport::Deadline& deadline) {
  if (!std::exchange(drivers_[driver].wanted, true)) Wake();
  Worker* worker = FindWaiting(driver);
  if (worker != nullptr) return worker;
  ++wanting_;
  HurryStarting(driver);
  Wake();
  absl::Status status;
  while (status.ok() && (worker = FindWaiting(driver)) == nullptr) {
    if (stopping_) {
      status = absl::UnavailableError("the agent is ending; try again");
    } else if (deadline.HasPassed() || !changed_.WaitFor(&mutex_, deadline.RemainingNs())) {
      status = absl::DeadlineExceededError(
          absl::StrCat("no worker for ", driver, " is ready; the agent's log and `xpool events` say why"));
    }
  }
  --wanting_;
  if (!status.ok()) return status;
  return worker;
}

WorkerHost::Worker* WorkerHost::OfPid(pid_t pid, uint64_t session) {
  for (const auto& [id, worker] : workers_) {
    if (worker->pid == pid && worker->session == session) return worker.get();
  }
  return nullptr;
}

absl::StatusOr<WorkerHost::Begun> WorkerHost::Begin(const std::string& driver, worker::Start start,
                                                    const Tenant& tenant, const transport::Deadline& deadline) {
  const auto died = [] { return absl::UnavailableError("the worker that was to serve the session died; try again"); };
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(Worker * worker, AwaitWaiting(driver, deadline));
  settled_ns_ = options_.clock->NowNs() + kSettlingNs;  // another one is to wait in its place then
  worker->state = State::kBeginning;
  worker->session = start.session_id;
  const pid_t pid = worker->pid;
  if (const std::shared_ptr<WorkerRooms::Room> room = worker->room; room != nullptr) {
    mutex_.Unlock();  // the tenant's directories are on a disk
    absl::StatusOr<worker::Tenancy> tenancy =
        options_.rooms->Admit(*room, tenant.identity, start.session_id, tenant.memory_bytes);
    mutex_.Lock();
    if (worker = OfPid(pid, start.session_id); worker == nullptr) return died();
    if (!tenancy.ok()) KillByPidfd(worker->pidfd.get());
    RETURN_IF_ERROR(tenancy.status());
    start.tenancy = *std::move(tenancy);
  }
  ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, worker::EncodeMessage(start));
  RETURN_IF_ERROR(SendMessage(worker->socket.get(), bytes));
  while ((worker = OfPid(pid, start.session_id)) != nullptr && !worker->answer) {
    if (!stopping_ && !deadline.HasPassed() && changed_.WaitFor(&mutex_, deadline.RemainingNs())) continue;
    KillByPidfd(worker->pidfd.get());
    return absl::DeadlineExceededError("the worker that was to serve the session does not answer");
  }
  if (worker == nullptr) return died();
  RETURN_IF_ERROR(worker->answer->status());
  return Begun{pid, **worker->answer};
}

void WorkerHost::EndWith(uint64_t session, UniqueFd client) {
  MutexLock lock(&mutex_);
  for (const auto& [id, worker] : workers_) {
    if (worker->session != session) continue;
    if (Watch(client.get(), Tag(Watched::kClientDeath, id)).ok()) worker->client = std::move(client);
    return;
  }
}

absl::Status WorkerHost::PassLane(const wire::Preamble& preamble, UniqueFd socket) {
  return SendTo(preamble.session_id, worker::Lane{preamble}, std::move(socket));
}

void WorkerHost::Dialed(uint64_t session, const worker::Dial& dial, const worker::Dialed& dialed, UniqueFd socket) {
  SendTo(session, dialed, std::move(socket)).IgnoreError();  // it is gone, or asks again
  events_.dialed(session, dial.address, absl::Status(dialed.code, dialed.why));
}

// |socket| may be none.
absl::Status WorkerHost::SendTo(uint64_t session, const Message& message, UniqueFd socket) {
  ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, worker::EncodeMessage(message));
  MutexLock lock(&mutex_);
  const Worker* const worker = OfSession(session);
  if (worker == nullptr) return absl::NotFoundError("the session has ended; start the program again");
  if (!worker->socket.valid()) return absl::UnavailableError("the session's worker is not back yet; try again");
  const int fds[] = {socket.get()};
  return SendMessage(worker->socket.get(), bytes, std::span(fds).first(socket.valid() ? 1 : 0));
}

void WorkerHost::End(uint64_t session, const std::string& why) {
  const absl::StatusOr<std::vector<std::byte>> bytes = worker::EncodeMessage(worker::End{why});
  MutexLock lock(&mutex_);
  const Worker* const worker = OfSession(session);
  if (worker == nullptr) return;
  if (!bytes.ok() || !worker->socket.valid() || !SendMessage(worker->socket.get(), *bytes).ok())
    KillByPidfd(worker->pidfd.get());
}

}  // namespace xpool::gateway
