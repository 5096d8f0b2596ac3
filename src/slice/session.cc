// The process's side: attaching, the one session of Current(), fork. What runs on the watcher thread is in
// session_watcher.cc.
#include "slice/session.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "base/status.h"

namespace xpool {
namespace {

constexpr int64_t kFirstAnswerNs = 5 * kNsPerSec;  // how long the first Hello waits for its answer
constexpr int64_t kRecoveringNs = 10 * kNsPerSec;  // how long the first attach waits for an agent to recover
constexpr useconds_t kRecoveringStepUs = 50'000;
constexpr uint32_t kApiOpenCl = 1;

std::atomic<Session*> current_session{nullptr};
std::atomic<Session*> all_sessions{nullptr};
std::atomic<bool> said_why{false};

// Serialises Current(). Made anew in a fork's child, where its owner may not exist any more.
alignas(Mutex) char attach_mutex_storage[sizeof(Mutex)];
Mutex& AttachMutex() {
  static Mutex* const mutex = new (attach_mutex_storage) Mutex;
  return *mutex;
}

// One line, once per process.
void SayWhy(const absl::Status& status) {
  if (said_why.exchange(true)) return;
  std::string line = absl::StrCat("xpool: ", status.message());
  std::replace(line.begin(), line.end(), '\n', ' ');
  fprintf(stderr, "%s\n", line.c_str());
}

// What the user should do about a failed connect.
absl::Status WithAdvice(const absl::Status& status, const std::string& socket_path) {
  if (absl::IsNotFound(status) || absl::IsUnavailable(status)) {
    return absl::UnavailableError(absl::StrCat("no xpool agent answers at ", socket_path,
                                               "; start it with: xpool run -- PROGRAM, or xpoold (", status.message(),
                                               ")"));
  }
  if (absl::IsPermissionDenied(status)) {
    return absl::PermissionDeniedError(
        absl::StrCat("no permission to use the xpool agent at ", socket_path,
                     "; run as the user that started xpoold, or set XPOOL_DIR to an agent of your own"));
  }
  return status;
}

absl::Status AwaitReadable(int fd, int64_t timeout_ns) {
  pollfd item{fd, POLLIN, 0};
  int ready;
  do {
    ready = poll(&item, 1, static_cast<int>(timeout_ns / kNsPerMs));
  } while (ready < 0 && errno == EINTR);
  if (ready > 0) return absl::OkStatus();
  if (ready < 0) return ErrnoStatus("poll of the agent's socket");
  return absl::DeadlineExceededError("the xpool agent does not answer; is xpoold stopped? (kill -CONT wakes it)");
}

}  // namespace

absl::StatusOr<Session*> Session::Current() {
  if (Session* session = current_session.load(std::memory_order_acquire)) return session;
  MutexLock lock(&AttachMutex());
  if (Session* session = current_session.load(std::memory_order_acquire)) return session;
  const char* const slice = getenv("XPOOL_SLICE");
  absl::StatusOr<Session*> session =
      slice == nullptr || *slice == '\0'
          ? absl::FailedPreconditionError("XPOOL_SLICE is not set; start the program with: xpool run -- PROGRAM")
          : Attach(ClientAgentPaths(), slice);
  if (session.ok()) {
    current_session.store(*session, std::memory_order_release);
  } else {
    SayWhy(session.status());
  }
  return session;
}

absl::StatusOr<Session*> Session::Attach(const AgentPaths& paths, const std::string& slice) {
  if (slice.size() >= sizeof(Hello::slice)) {
    return absl::InvalidArgumentError(absl::StrCat("slice name \"", slice, "\" has ", slice.size(), " bytes, at most ",
                                                   sizeof(Hello::slice) - 1, " are possible"));
  }
  std::unique_ptr<Session> session(new Session(paths, slice));
  RETURN_IF_ERROR(session->FirstAttach());
  Session* const attached = RegisterForFork(session.release());
  const absl::Status started = attached->StartWatcher();
  if (started.ok()) return attached;
  attached->socket_.Reset();  // the agent forgets it; the fork handler may still look at the rest
  return started;
}

Session::Session(const AgentPaths& paths, const std::string& slice)
    : socket_path_(paths.session_socket()),
      slice_(slice),
      clock_(Clock::Monotonic()),
      gate_(
          clock_, [this] { RingAgent(); }, [this] { KickWatcher(); }),
      memory_(MemoryCredit::Options{
          .clock = clock_,
          .send = [this](std::span<const std::byte> bytes) { return SendMessage(socket_.get(), bytes); },
          .is_reader = [this] { return watcher_tid_.load(std::memory_order_relaxed) == gettid(); },
          .read_some =
              [this](int64_t timeout_ns) {
                pollfd item{socket_.get(), POLLIN, 0};
                if (poll(&item, 1, static_cast<int>(timeout_ns / kNsPerMs)) > 0) ReadSocket();
              },
      }) {}

Hello Session::MakeHello() const {
  Hello hello = NewMessage<Hello>();
  SetString(hello.slice, slice_);
  SetString(hello.program, program_invocation_short_name);
  hello.api = kApiOpenCl;
  hello.session_id = session_id_;
  hello.memory_held_bytes = memory_.held_bytes();
  const LeaseWord word = gate_.word();
  hello.lease_bits = (word.state() == LeaseState::kIdle ? word.WithState(LeaseState::kBusy) : word).bits;
  return hello;
}

// One synchronous greeting; on success |socket_| is the agent's.
HelloAnswer Session::GreetOnce() {
  absl::StatusOr<UniqueFd> socket = SendHello(socket_path_, MakeHello());
  if (!socket.ok()) return {WithAdvice(socket.status(), socket_path_), true, {}};
  if (absl::Status answered = AwaitReadable(socket->get(), kFirstAnswerNs); !answered.ok())
    return {std::move(answered), true, {}};
  absl::StatusOr<SocketMessage> message = ReceiveMessage(socket->get(), kMaxSessionMessageBytes);
  if (!message.ok()) return {message.status(), true, {}};
  HelloAnswer answer = ParseHelloAnswer(*std::move(message));
  if (answer.status.ok()) socket_ = *std::move(socket);
  return answer;
}

absl::Status Session::FirstAttach() {
  const int64_t give_up_ns = clock_->NowNs() + kRecoveringNs;
  HelloAnswer answer = GreetOnce();
  while (!answer.status.ok() && !answer.is_final && clock_->NowNs() < give_up_ns) {
    usleep(kRecoveringStepUs);
    answer = GreetOnce();
  }
  RETURN_IF_ERROR(answer.status);
  const Welcome& welcome = answer.link.welcome;
  info_ = SliceInfo{.session_id = welcome.session_id,
                    .slice_id = std::string(GetString(welcome.slice_id)),
                    .xpu_id = std::string(GetString(welcome.xpu_id)),
                    .driver_library = std::string(GetString(welcome.driver_library)),
                    .device_name = std::string(GetString(welcome.device_name)),
                    .platform_index = welcome.platform_index,
                    .device_index = welcome.device_index,
                    .memory_limit_bytes = welcome.memory_limit_bytes};
  Adopt(std::move(answer.link));
  return absl::OkStatus();
}

void Session::SetPump(std::function<bool()> pump) {
  auto owned = std::make_unique<std::function<bool()>>(std::move(pump));
  {
    MutexLock lock(&mutex_);
    pump_.store(owned.get(), std::memory_order_seq_cst);
    pumps_.push_back(std::move(owned));
  }
  KickWatcher();
}

void Session::StopPump() {
  pump_.store(nullptr, std::memory_order_seq_cst);
  if (watcher_tid_.load(std::memory_order_relaxed) == gettid()) return;
  for (int ms = 0; ms < 200 && pumping_.load(std::memory_order_seq_cst); ++ms) usleep(1000);
}

void Session::KickWatcher() {
  if (!forked_.load(std::memory_order_relaxed)) eventfd_write(client_doorbell_, 1);
}

void Session::RingAgent() const {
  if (!forked_.load(std::memory_order_relaxed)) eventfd_write(agent_doorbell_, 1);
}

absl::Status Session::status() const {
  if (forked_.load(std::memory_order_relaxed))
    return absl::FailedPreconditionError("this slice was opened by the parent process; open it again after fork()");
  MutexLock lock(&mutex_);
  return loss_;
}

void Session::Lose(const absl::Status& why) {
  const absl::Status loss(why.code(), absl::StrCat("slice ", slice_, " is gone: ", why.message(),
                                                   "; end this program and start it again with: xpool run"));
  {
    MutexLock lock(&mutex_);
    loss_ = loss;
  }
  memory_.Fail(loss);
  gate_.Detach();
  socket_.Reset();
  state_.store(State::kLost, std::memory_order_release);
  lost_.store(true, std::memory_order_release);
  KickWatcher();  // the pump must hear of it
  SayWhy(loss);
}

// Puts |session| on the list that the fork handler walks; sessions never leave it.
Session* Session::RegisterForFork(Session* session) {
  static const int registered = pthread_atfork(nullptr, nullptr, &Session::AfterForkInChild);
  (void)registered;
  session->next_ = all_sessions.load(std::memory_order_relaxed);
  while (!all_sessions.compare_exchange_weak(session->next_, session, std::memory_order_release)) {
  }
  return session;
}

// Only this thread exists here, and any lock may be held by one that does not: touches atomics and descriptors only.
void Session::AfterForkInChild() {
  new (attach_mutex_storage) Mutex;
  current_session.store(nullptr, std::memory_order_relaxed);
  said_why.store(false, std::memory_order_relaxed);
  for (Session* session = all_sessions.exchange(nullptr); session != nullptr; session = session->next_)
    session->DetachAfterFork();
}

void Session::DetachAfterFork() {
  forked_.store(true, std::memory_order_relaxed);
  gate_.DetachAfterFork();
  memory_.DetachAfterFork();
  lost_.store(true, std::memory_order_relaxed);
  // Held open here, the parent's socket would hide the parent's death from the agent.
  socket_.Reset();
  for (int* doorbell : {&agent_doorbell_, &client_doorbell_}) {
    if (*doorbell >= 0) close(*doorbell);
    *doorbell = -1;
  }
}

}  // namespace xpool
