#include "agent/lease_broker.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/process.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

// Tags of what the thread waits for; session ids are counted from 1 and never get here.
constexpr uint64_t kWakeTag = ~uint64_t{0};
constexpr uint64_t kTimerTag = ~uint64_t{0} - 1;
constexpr int kRealtimePriority = 2;
constexpr int kNice = -10;

// A hand-over waits for this thread. Either may be forbidden, which costs latency and nothing else.
void RaisePriority() {
  sched_param parameters{};
  parameters.sched_priority = kRealtimePriority;
  if (pthread_setschedparam(pthread_self(), SCHED_RR, &parameters) == 0) return;
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNice);
}

char StateOf(pid_t pid) {
  const auto stat = ReadProcessStat(pid);
  return stat.ok() ? stat->state : '?';
}

bool KillProcess(const SessionLink& link) { return KillByPidfd(link.pidfd.get()); }

}  // namespace

LeaseBroker::LeaseBroker(LeaseTable::Config config, Hooks hooks, const Clock* clock)
    : clock_(clock),
      table_(std::move(config),
             {std::move(hooks.event), std::move(hooks.drained), ProcessCpuDemandNs, StateOf, KillProcess,
              [this](pid_t pid, bool share) { ShareCores(pid, share); }},
             &trace_) {}

absl::StatusOr<std::unique_ptr<LeaseBroker>> LeaseBroker::Start(LeaseTable::Config config, Hooks hooks,
                                                                const Clock* clock) {
  std::unique_ptr<LeaseBroker> broker(new LeaseBroker(std::move(config), std::move(hooks), clock));
  RETURN_IF_ERROR(broker->Init());
  broker->thread_ = std::thread([raw = broker.get()] { raw->Run(); });
  return broker;
}

absl::Status LeaseBroker::Init() {
  epoll_.Reset(epoll_create1(EPOLL_CLOEXEC));
  wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  timer_.Reset(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_.valid() || !wake_.valid() || !timer_.valid()) return ErrnoStatus("descriptors of a lease broker");
  RETURN_IF_ERROR(Watch(wake_.get(), kWakeTag, EPOLLIN | EPOLLET));
  return Watch(timer_.get(), kTimerTag, EPOLLIN | EPOLLET);
}

LeaseBroker::~LeaseBroker() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  Post([](int64_t) {});
  thread_.join();
}

void LeaseBroker::ShareCores(pid_t pid, bool share) {
  if (share) {
    pins_[pid].Release(pid);
  } else if (auto pins = pins_.extract(pid); !pins.empty()) {
    pins.mapped().Restore(pid);
  }
}

absl::Status LeaseBroker::Watch(int fd, uint64_t tag, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return ErrnoStatus("epoll_ctl");
  return absl::OkStatus();
}

void LeaseBroker::Post(Note note) {
  {
    MutexLock lock(&mutex_);
    notes_.push_back(std::move(note));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

void LeaseBroker::RunNotes() {
  std::vector<Note> notes;
  {
    MutexLock lock(&mutex_);
    notes.swap(notes_);
  }
  for (const Note& note : notes) note(clock_->NowNs());
}

void LeaseBroker::Run() {
  RaisePriority();
  pthread_setname_np(pthread_self(), "xpool-broker");
  constexpr int kBatch = 64;
  epoll_event events[kBatch];
  for (;;) {
    // All descriptors are edge-triggered: nothing needs to be read.
    const int count = epoll_wait(epoll_.get(), events, kBatch, -1);
    for (int i = 0; i < count; ++i) {
      const uint64_t tag = events[i].data.u64;
      if (tag == kTimerTag) {
        armed_ns_ = 0;
      } else if (tag == kWakeTag) {
        RunNotes();
      } else {
        table_.OnDoorbell(tag, clock_->NowNs());
      }
    }
    table_.Settle(clock_->NowNs());
    ArmTimer();
    MutexLock lock(&mutex_);
    if (stopping_) return;
  }
}

void LeaseBroker::ArmTimer() {
  const std::optional<int64_t> wake_ns = table_.NextWakeNs(clock_->NowNs());
  const int64_t at_ns = wake_ns ? std::max<int64_t>(*wake_ns, 1) : 0;
  if (at_ns == armed_ns_) return;
  armed_ns_ = at_ns;
  itimerspec spec{};
  spec.it_value.tv_sec = at_ns / kNsPerSec;
  spec.it_value.tv_nsec = at_ns % kNsPerSec;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void LeaseBroker::AddSlice(SliceNumber slice, const arbiter::Terms& terms) {
  Post([this, slice, terms](int64_t now_ns) { table_.AddSlice(slice, terms, now_ns); });
}

void LeaseBroker::SetTerms(SliceNumber slice, const arbiter::Terms& terms) {
  Post([this, slice, terms](int64_t now_ns) { table_.SetTerms(slice, terms, now_ns); });
}

void LeaseBroker::RemoveSlice(SliceNumber slice) {
  Post([this, slice](int64_t now_ns) { table_.RemoveSlice(slice, now_ns); });
}

void LeaseBroker::AddSession(std::shared_ptr<SessionLink> link, LeaseWord adopted) {
  Post([this, link = std::move(link), adopted](int64_t now_ns) {
    const absl::Status watched = Watch(link->agent_doorbell.get(), link->id, EPOLLIN | EPOLLET);
    if (watched.ok()) table_.AddSession(link, adopted, now_ns);
  });
}

void LeaseBroker::RemoveSession(std::shared_ptr<SessionLink> link) {
  Post([this, link = std::move(link)](int64_t now_ns) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link->agent_doorbell.get(), nullptr);
    table_.RemoveSession(link->id, now_ns);
  });
}

void LeaseBroker::Open() {
  Post([this](int64_t now_ns) { table_.Open(now_ns); });
}

std::vector<SliceLeaseView> LeaseBroker::View() {
  struct Answer {
    Mutex mutex;
    CondVar given;
    bool done ABSL_GUARDED_BY(mutex) = false;
    std::vector<SliceLeaseView> views ABSL_GUARDED_BY(mutex);
  };
  auto answer = std::make_shared<Answer>();
  Post([this, answer](int64_t now_ns) {
    MutexLock lock(&answer->mutex);
    answer->views = table_.View(now_ns);
    answer->done = true;
    answer->given.SignalAll();
  });
  MutexLock lock(&answer->mutex);
  while (!answer->done) answer->given.Wait(&answer->mutex);
  return std::move(answer->views);
}

}  // namespace xpool::agent
