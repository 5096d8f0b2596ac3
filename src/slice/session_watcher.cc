// The watcher thread of a session: doorbells, the agent's messages, reattaching.
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "slice/session.h"

namespace xpool {
namespace {

constexpr int64_t kFirstBackoffNs = 10 * kNsPerMs;
constexpr int64_t kLastBackoffNs = 500 * kNsPerMs;
constexpr int64_t kGreetingNs = 5 * kNsPerSec;
constexpr int64_t kStableNs = kNsPerSec;  // a link that lasted this long starts the backoff anew
constexpr size_t kStackBytes = 8u << 20;  // the pump calls the driver, which may compile a kernel
constexpr int kWatcherNice = -5;
constexpr int kMaxMessagesAtOnce = 64;

}  // namespace

absl::Status Session::StartWatcher() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // inherited: the program's handlers never run on our thread
  pthread_t thread;
  const int error = pthread_create(
      &thread, &attributes,
      [](void* self) -> void* {
        static_cast<Session*>(self)->Watch();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) return absl::ErrnoToStatus(error, "cannot start the thread that watches the slice");
  return absl::OkStatus();
}

void Session::Watch() {
  pthread_setname_np(pthread_self(), "xpool");
  watcher_tid_.store(gettid(), std::memory_order_relaxed);
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kWatcherNice);  // best effort: needs a permission
  while (true) {
    WaitForNews();
    const int64_t now_ns = clock_->NowNs();
    if (state_ == State::kGreeting && now_ns >= greeting_until_ns_) Disconnect();
    if (state_ == State::kAway && now_ns >= next_attempt_ns_) Reattach();
    ReturnTrimmedMemory();
    gate_.Settle(RunPump());
  }
}

// Sleeps until a doorbell, a message or the next attempt is due, and takes what has come.
void Session::WaitForNews() {
  pollfd items[] = {{client_doorbell_, POLLIN, 0}, {socket_.get(), POLLIN, 0}};
  const int ready = poll(items, 2, PollTimeoutMs());
  if (ready < 0 && errno != EINTR) usleep(1000);  // out of kernel memory: nothing better to do than to try again
  if (ready <= 0) return;
  if (items[0].revents & POLLIN) {
    eventfd_t rings;
    eventfd_read(client_doorbell_, &rings);
  } else if (items[0].revents != 0) {
    usleep(1000);  // the program has closed our descriptor; don't spin
  }
  if (items[1].revents != 0) ReadSocket();
}

int Session::PollTimeoutMs() const {
  const State state = state_.load(std::memory_order_relaxed);
  if (state == State::kAttached || state == State::kLost) return -1;
  const int64_t due_ns = state == State::kAway ? next_attempt_ns_ : greeting_until_ns_;
  const int64_t left_ns = std::clamp<int64_t>(due_ns - clock_->NowNs(), 0, kGreetingNs);
  return static_cast<int>((left_ns + kNsPerMs - 1) / kNsPerMs);
}

void Session::ReadSocket() {
  for (int i = 0; i < kMaxMessagesAtOnce && socket_.valid(); ++i) {
    absl::StatusOr<SocketMessage> message = ReceiveMessage(socket_.get(), kMaxSessionMessageBytes);
    if (absl::IsUnavailable(message.status())) return;
    if (!message.ok() || (message->bytes.empty() && state_ == State::kAttached)) {
      Disconnect();
      return;
    }
    HandleMessage(*std::move(message));
  }
}

void Session::HandleMessage(SocketMessage message) {
  if (state_ == State::kGreeting) {
    HandleAnswer(ParseHelloAnswer(std::move(message)));
  } else {
    HandleAttachedMessage(message);
  }
}

void Session::HandleAttachedMessage(const SocketMessage& message) {
  if (const absl::StatusOr<MemoryReply> reply = ParseMessage<MemoryReply>(message.bytes); reply.ok()) {
    if (!memory_.HandleReply(*reply).ok()) Disconnect();
    return;
  }
  const absl::StatusOr<Refusal> refusal = ParseMessage<Refusal>(message.bytes);
  if (refusal.ok() && refusal->retry == 0) {
    Lose(RefusalStatus(*refusal));  // deleted under a running program
  } else {
    Disconnect();
  }
}

void Session::Disconnect() {
  const bool was_stable = state_ == State::kAttached && clock_->NowNs() - attached_since_ns_ >= kStableNs;
  memory_.LinkLost();
  socket_.Reset();
  backoff_ns_ = was_stable || backoff_ns_ == 0 ? kFirstBackoffNs : std::min(2 * backoff_ns_, kLastBackoffNs);
  next_attempt_ns_ = clock_->NowNs() + backoff_ns_;
  state_.store(State::kAway, std::memory_order_release);
}

void Session::Reattach() {
  absl::StatusOr<UniqueFd> socket = SendHello(socket_path_, MakeHello());
  if (!socket.ok()) {
    Disconnect();
    return;
  }
  socket_ = *std::move(socket);
  greeting_until_ns_ = clock_->NowNs() + kGreetingNs;
  state_.store(State::kGreeting, std::memory_order_release);
}

void Session::HandleAnswer(HelloAnswer answer) {
  if (!answer.status.ok()) {
    if (answer.is_final) {
      Lose(answer.status);
    } else {
      Disconnect();
    }
    return;
  }
  const Welcome& welcome = answer.link.welcome;
  if (GetString(welcome.driver_library) != info_.driver_library ||
      GetString(welcome.device_name) != info_.device_name || welcome.platform_index != info_.platform_index ||
      welcome.device_index != info_.device_index) {
    Lose(absl::FailedPreconditionError(
        absl::StrCat("it has moved to another XPU, ", std::string(GetString(welcome.xpu_id)))));
    return;
  }
  Adopt(std::move(answer.link));
}

// Takes a welcome's page and doorbells into use. Old pages stay mapped: a thread may be looking at one.
void Session::Adopt(AgentLink link) {
  if (client_doorbell_ < 0) {
    agent_doorbell_ = link.agent_doorbell.Release();
    client_doorbell_ = link.client_doorbell.Release();
  } else {
    dup3(link.agent_doorbell.get(), agent_doorbell_, O_CLOEXEC);
    dup3(link.client_doorbell.get(), client_doorbell_, O_CLOEXEC);
  }
  page_ = link.page.Release();
  session_id_ = link.welcome.session_id;
  trim_seen_ = page_->memory_trim.load(std::memory_order_relaxed);
  attached_since_ns_ = clock_->NowNs();
  state_.store(State::kAttached, std::memory_order_release);
  gate_.AttachPage(page_);
  memory_.Attach(page_, link.welcome.memory_granted_bytes, link.welcome.memory_limit_bytes);
}

void Session::ReturnTrimmedMemory() {
  if (state_ != State::kAttached) return;
  const uint32_t trim = page_->memory_trim.load(std::memory_order_relaxed);
  if (trim == trim_seen_) return;
  trim_seen_ = trim;
  memory_.ReturnUnused(0);
}

bool Session::RunPump() {
  pumping_.store(true, std::memory_order_seq_cst);
  const std::function<bool()>* const pump = pump_.load(std::memory_order_seq_cst);
  const bool more_ready = pump != nullptr && (*pump)();
  pumping_.store(false, std::memory_order_seq_cst);
  return more_ready;
}

}  // namespace xpool
