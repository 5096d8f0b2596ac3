#include "backend/remote/link.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "lane/handshake.h"
#include "wire/reader.h"

namespace xpool::remote {

using transport::Deadline;

namespace {

constexpr int kLookEachMs = 1000;  // how often the keeper looks after the connection
// How long calls wait for company when nothing sends them: whoever wants their effect flushes or waits for something,
// which is cheaper than a thread that wakes up for them.
constexpr int64_t kFlushLaterNs = 500 * kNsPerUs;
constexpr int64_t kFirstRetryNs = 20 * kNsPerMs;
constexpr int64_t kLastRetryNs = kNsPerSec;
constexpr int64_t kDialNs = 5 * kNsPerSec;  // one attempt to come back

// Whether dialing again makes no sense.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInvalidArgument:
      return true;
    default:
      return false;
  }
}

thread_local bool handles_frame = false;  // this thread is inside of a frame's handling

absl::Status Named(const absl::Status& status, const std::string& what) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

}  // namespace

// --- Opening --------------------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<Link>> Link::Open(LinkOptions options, LinkEvents* events) {
  const Deadline deadline = Deadline::After(options.clock, options.attach_timeout_ns);
  const std::string where = options.dialer->Describe();
  absl::StatusOr<std::unique_ptr<transport::Channel>> channel =
      options.dialer->Dial(wire::Purpose::kAttach, 0, "", deadline);
  if (!channel.ok()) return Named(channel.status(), absl::StrCat("no xpool agent can be reached at ", where));
  absl::StatusOr<wire::Attached> attached = lane::SendAttach(**channel, options.attach, deadline);
  if (!attached.ok()) return Named(attached.status(), absl::StrCat("no slice from ", where));
  (*channel)->Close();
  std::unique_ptr<Link> link(new Link(std::move(options), *std::move(attached), events));
  RETURN_IF_ERROR(link->Start());
  return link;
}

Link::Link(LinkOptions options, wire::Attached attached, LinkEvents* events)
    : options_(std::move(options)),
      attached_(std::move(attached)),
      events_(events),
      calls_(wire::LaneKind::kCalls, options_.limits, options_.clock),
      bulk_(options_.limits, options_.clock),
      bulk_sender_(&bulk_),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

absl::Status Link::Start() {
  for (const int fd : {wake_.get(), timer_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (fd < 0 || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
      return ErrnoStatus("descriptors of a remote slice");
  }
  RETURN_IF_ERROR(
      ConnectLane(wire::LaneKind::kCalls, &calls_, Deadline::After(options_.clock, options_.attach_timeout_ns)));
  {
    MutexLock lock(&mutex_);
    Arm();
  }
  std::thread([this] { Keep(); }).detach();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<transport::Channel>> Link::DialLane(wire::LaneKind kind, lane::Lane* lane,
                                                                   uint64_t* peer_received, const Deadline& deadline) {
  ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> channel,
                   options_.dialer->Dial(wire::Purpose::kLane, attached_.session_id, attached_.certificate, deadline));
  const wire::Hello hello{.lane = kind,
                          .limits = options_.limits,
                          .session_id = attached_.session_id,
                          .resume_token = attached_.resume_token,
                          .received = lane->received()};
  ASSIGN_OR_RETURN(const wire::Welcome welcome, lane::SendHello(*channel, hello, deadline));
  if (welcome.limits != options_.limits)
    return absl::InvalidArgumentError("the server's limits are smaller than this version's; install the same version");
  *peer_received = welcome.received;
  return channel;
}

absl::Status Link::ConnectLane(wire::LaneKind kind, lane::Lane* lane, const Deadline& deadline) {
  uint64_t peer_received = 0;
  ASSIGN_OR_RETURN(std::unique_ptr<transport::Channel> channel, DialLane(kind, lane, &peer_received, deadline));
  return lane->Connect(std::move(channel), peer_received);
}

// --- Answers --------------------------------------------------------------------------------------------------------

absl::Status Link::Expect(uint64_t sequence, Answer* answer) {
  MutexLock lock(&answers_mutex_);
  if (!loss_.ok()) return loss_;
  answers_[sequence] = answer;
  awaited_answers_.store(answers_.size(), std::memory_order_relaxed);
  return absl::OkStatus();
}

void Link::Forget(uint64_t sequence) {
  MutexLock lock(&answers_mutex_);
  answers_.erase(sequence);
  awaited_answers_.store(answers_.size(), std::memory_order_relaxed);
}

void Link::CopiedAnswer::Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) {
  if (payload.ok()) {
    payload_.emplace(payload->begin(), payload->end());
  } else {
    payload_ = payload.status();
  }
  Link* const link = link_;  // this may be gone as soon as it is said to have arrived
  arrived_.store(true, std::memory_order_release);
  link->Progress();
}

absl::StatusOr<std::vector<std::byte>> Link::CopiedAnswer::Take() {
  const auto arrived = [this] { return arrived_.load(std::memory_order_acquire); };
  // A lost link brings all answers too, just after it is known to be lost.
  while (!arrived()) {
    if (!link_->Await(arrived).ok()) usleep(100);
  }
  return std::move(payload_);
}

// --- Waiting --------------------------------------------------------------------------------------------------------

absl::Status Link::WaitForRoom() {
  if (lost()) return status();
  // Who reads cannot wait for what it would have to read; all that it may post is the release of what has ended.
  if (handles_frame || calls_.HasRoom()) return absl::OkStatus();
  Flush();
  return Await([this] { return calls_.HasRoom(); });
}

absl::Status Link::Await(absl::FunctionRef<bool()> done) {
  if (done()) return absl::OkStatus();
  MutexLock lock(&mutex_);
  while (!done()) {
    if (lost()) return status();
    if (!reading_ && !broken_ && calls_.connected()) {
      reading_ = true;
      Disarm();
      mutex_.Unlock();
      ReadUntil(done);
      mutex_.Lock();
      LeaveReading();
      continue;
    }
    SleepUntilProgress(done);
  }
  if (!reading_ && waiting_ == 0) ArmIfNeeded();
  return absl::OkStatus();
}

void Link::ExpectNews() {
  news_.fetch_add(1);
  ListenIfNobodyReads();
}

void Link::ListenIfNobodyReads() {
  MutexLock lock(&mutex_);
  if (!reading_) Arm();
}

// Counted as waiting before it looks for the last time, so that whoever makes |done| true afterwards sees that.
void Link::SleepUntilProgress(absl::FunctionRef<bool()> done) {
  ++waiting_;
  if (!done()) changed_.Wait(&mutex_);
  --waiting_;
}

absl::Status Link::AwaitOther(absl::FunctionRef<bool()> done) {
  MutexLock lock(&mutex_);
  while (!done()) {
    if (lost()) return status();
    if (!reading_) Arm();
    SleepUntilProgress(done);
  }
  return absl::OkStatus();
}

void Link::Progress() {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // between what was made true and the look for who waits
  if (waiting_.load() == 0) return;
  MutexLock lock(&mutex_);
  changed_.SignalAll();
}

void Link::FlushLater() {
  if (flush_armed_.exchange(true)) return;
  itimerspec when{};
  when.it_value.tv_nsec = kFlushLaterNs;
  timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void Link::WakeKeeper() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof(one));
}

// --- Reading --------------------------------------------------------------------------------------------------------

absl::Status Link::HandleFrame(const wire::Frame& frame) {
  const bool outer = std::exchange(handles_frame, true);
  const absl::Status status = HandleFrameHere(frame);
  handles_frame = outer;
  return status;
}

absl::Status Link::HandleFrameHere(const wire::Frame& frame) {
  if (frame.header.kind == wire::FrameKind::kAnswer) return HandleAnswer(frame.payload);
  return events_->OnNotice(frame.header.call, frame.payload);
}

absl::Status Link::HandleAnswer(std::span<const std::byte> payload) {
  if (payload.size() < sizeof(uint64_t)) return absl::InvalidArgumentError("an answer without its call's sequence");
  wire::Reader reader(payload, "answer");
  const uint64_t sequence = reader.U64("sequence");
  Answer* answer = nullptr;
  {
    MutexLock lock(&answers_mutex_);
    const auto found = answers_.find(sequence);
    if (found == answers_.end())
      return absl::InvalidArgumentError(absl::StrCat("an answer to call ", sequence, ", which waits for none"));
    answer = found->second;
    answers_.erase(found);
    awaited_answers_.store(answers_.size(), std::memory_order_relaxed);
  }
  answer->Arrived(reader.Rest());
  return absl::OkStatus();
}

void Link::Broken(const absl::Status& status) {
  {
    MutexLock lock(&mutex_);
    broken_ = true;
    if (!lane::IsConnectionLost(status)) fatal_ = status;
  }
  WakeKeeper();
}

bool Link::ReadSome() {
  while (true) {
    const absl::StatusOr<size_t> received =
        calls_.Receive([this](const wire::Frame& frame) { return HandleFrame(frame); });
    if (!received.ok()) {
      Broken(received.status());
      return false;
    }
    if (*received == 0) return true;
    Progress();
  }
}

void Link::ReadUntil(absl::FunctionRef<bool()> done) {
  const std::shared_ptr<transport::Channel> channel = calls_.channel();
  while (channel != nullptr && !done()) {
    if (calls_.blocked()) calls_.Flush();
    const int64_t patience_ns = calls_.blocked() ? kNsPerMs : kLookEachMs * kNsPerMs;
    channel->Wait(transport::kToReceive, Deadline::After(options_.clock, patience_ns)).IgnoreError();
    const absl::StatusOr<size_t> received =
        calls_.Receive([this](const wire::Frame& frame) { return HandleFrame(frame); });
    if (!received.ok()) return Broken(received.status());
    if (*received > 0) Progress();
  }
}

void Link::LeaveReading() {
  reading_ = false;
  if (waiting_ > 0) {
    changed_.SignalAll();
  } else {
    ArmIfNeeded();
  }
}

void Link::ArmIfNeeded() {
  if (news_.load() > 0 || ManyToRead()) Arm();
}

// From now on the keeper sees what comes. REQUIRES: nobody reads.
void Link::Arm() {
  const std::shared_ptr<transport::Channel> channel = calls_.channel();
  if (armed_ || channel == nullptr || broken_) return;
  const transport::PollTarget target = channel->PollFor(transport::kToReceive);
  epoll_event event{};
  event.events = static_cast<uint32_t>(target.events) | EPOLLONESHOT;
  event.data.fd = target.fd;
  const int how = polled_ == target.fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  const bool added = epoll_ctl(epoll_.get(), how, target.fd, &event) == 0;
  polled_ = target.fd;
  armed_ = true;
  if (target.ready || !added) WakeKeeper();
}

void Link::Disarm() {
  if (!std::exchange(armed_, false)) return;
  epoll_event event{};
  event.data.fd = polled_;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, polled_, &event);
}

// --- The keeper -----------------------------------------------------------------------------------------------------

void Link::Keep() {
  pthread_setname_np(pthread_self(), "xpool-remote");
  while (!lost()) {
    const Woken woken = Wait();
    calls_.FlushDue();
    if (woken == Woken::kToFlush) continue;
    ReadIfNobodyDoes();
    LookAfterConnection();
    // Nobody has waited for a while: listening costs nobody anything.
    if (woken == Woken::kToLook) ListenIfNobodyReads();
  }
}

Link::Woken Link::Wait() {
  epoll_event events[4];
  const int count = epoll_wait(epoll_.get(), events, 4, kLookEachMs);
  if (count <= 0) return Woken::kToLook;
  bool only_flush = true;
  for (int i = 0; i < count; ++i) {
    uint64_t counter;
    const int fd = events[i].data.fd;
    only_flush &= fd == timer_.get();
    if (fd == wake_.get() || fd == timer_.get()) [[maybe_unused]]
      const ssize_t got = read(fd, &counter, sizeof(counter));
    if (fd != timer_.get()) continue;
    flush_armed_ = false;  // before the flush, so that what is posted after it arms anew
    calls_.Flush();
  }
  return only_flush ? Woken::kToFlush : Woken::kToRead;
}

void Link::ReadIfNobodyDoes() {
  {
    MutexLock lock(&mutex_);
    if (reading_ || broken_ || !calls_.connected()) return;
    reading_ = true;
    Disarm();
  }
  ReadSome();
  if (calls_.blocked()) calls_.Flush();
  MutexLock lock(&mutex_);
  LeaveReading();
}

void Link::LookAfterConnection() {
  const int64_t silent_ns = options_.clock->NowNs() - calls_.last_heard_ns();
  if (calls_.connected() && silent_ns > options_.silence_ns) Broken(absl::UnavailableError("silence"));
  {
    MutexLock lock(&mutex_);
    if (!broken_) return;
    // The reader, if there is one, finds the channel closed.
    if (const auto channel = calls_.channel(); channel != nullptr) channel->Close();
    while (reading_) SleepUntilProgress([] { return false; });
    reading_ = true;
    armed_ = false;
    polled_ = -1;
  }
  Reconnect();
  MutexLock lock(&mutex_);
  broken_ = false;
  reading_ = false;
  changed_.SignalAll();
  ArmIfNeeded();
}

// With the reading role.
void Link::Reconnect() {
  calls_.Disconnect();
  const int64_t give_up_ns = options_.clock->NowNs() + options_.resume_window_ns;
  int64_t pause_ns = kFirstRetryNs;
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (fatal_.has_value()) break;
    }
    if (leaving_) return Lose(absl::CancelledError("the program ends"));
    const int64_t now_ns = options_.clock->NowNs();
    if (now_ns >= give_up_ns) {
      return Lose(absl::UnavailableError(absl::StrCat("the connection to ", Describe(),
                                                      " was lost and did not come back within ",
                                                      options_.resume_window_ns / kNsPerSec, " s")));
    }
    const Deadline deadline = Deadline::At(options_.clock, std::min(give_up_ns, now_ns + kDialNs));
    const absl::Status connected = ConnectLane(wire::LaneKind::kCalls, &calls_, deadline);
    if (connected.ok()) return;
    if (IsFinal(connected) || absl::IsDataLoss(connected)) return Lose(connected);
    usleep(static_cast<useconds_t>(pause_ns / kNsPerUs));
    pause_ns = std::min(2 * pause_ns, kLastRetryNs);
  }
  absl::Status why;
  {
    MutexLock lock(&mutex_);
    why = *fatal_;
  }
  Lose(why);
}

void Link::Lose(const absl::Status& why) {
  const absl::Status loss = absl::IsAborted(why)
                                ? absl::AbortedError(absl::StrCat("the remote slice is gone: ", why.message()))
                                : Named(why, "the remote slice is lost");
  events_->OnLosing(loss);
  absl::flat_hash_map<uint64_t, Answer*> answers;
  {
    const lane::Lane::Sending sending(&calls_);  // no call is half encoded, which still has a hold of its answer
    MutexLock lock(&answers_mutex_);
    loss_ = loss;
    answers.swap(answers_);
  }
  lost_.store(true, std::memory_order_release);
  calls_.Disconnect();
  if (const auto channel = bulk_.lane().channel(); channel != nullptr) channel->Close();
  for (const auto& [sequence, answer] : answers) answer->Arrived(loss);
  events_->OnLost(loss);
  MutexLock lock(&mutex_);
  changed_.SignalAll();
}

absl::Status Link::status() const {
  MutexLock lock(&answers_mutex_);
  return loss_;
}

void Link::Leave() {
  if (leaving_.exchange(true) || lost()) return;
  calls_.SayGoodbye(absl::OkStatus());
}

// --- Bulk -----------------------------------------------------------------------------------------------------------

// Calls that are being encoded ask for it, under the lane's lock.
lane::BulkPort& Link::bulk() {
  if (!bulk_started_.load(std::memory_order_relaxed) && !bulk_started_.exchange(true))
    std::thread([this] { ReadBulk(); }).detach();
  return bulk_;
}

void Link::ReadBulk() {
  pthread_setname_np(pthread_self(), "xpool-bulk-in");
  absl::Status status;
  while (status.ok() && !lost()) status = ReadBulkOnce();
  if (!status.ok()) Broken(status);
  bulk_.Fail(lost() ? this->status() : status);
  Progress();
}

// Connects where there is no connection, reads what has come, or waits. An error: the link is over.
absl::Status Link::ReadBulkOnce() {
  const std::shared_ptr<transport::Channel> channel = bulk_.lane().channel();
  if (channel == nullptr) {
    const absl::Status connected =
        ConnectLane(wire::LaneKind::kBulk, &bulk_.lane(), Deadline::After(options_.clock, kDialNs));
    if (connected.ok()) return connected;
    if (IsFinal(connected) || absl::IsDataLoss(connected)) return connected;
    usleep(static_cast<useconds_t>(kFirstRetryNs / kNsPerUs));  // the call lane decides when it has been too long
    return absl::OkStatus();
  }
  const absl::StatusOr<size_t> received = bulk_.Receive();
  if (received.ok() && *received > 0) return absl::OkStatus();
  if (received.ok()) {
    channel->Wait(transport::kToReceive, Deadline::After(options_.clock, kLookEachMs * kNsPerMs)).IgnoreError();
    return absl::OkStatus();
  }
  if (!lane::IsConnectionLost(received.status())) return received.status();
  bulk_.lane().Disconnect();
  return absl::OkStatus();
}

absl::Status Link::SendBulk(uint64_t transfer, std::span<const std::byte> bytes) {
  std::atomic<bool> released{false};
  bulk().Send(transfer, bytes, [&] {
    released.store(true, std::memory_order_release);
    Progress();
  });
  const auto done = [&] { return released.load(std::memory_order_acquire); };
  while (!done()) {
    // Without a connection its reader makes one, and then there is something to pump again.
    if (!bulk_.Pump(Deadline::Never()).ok() && !done()) usleep(1000);
    if (bulk_.lane().unsent_bytes() == 0) AwaitOther(done).IgnoreError();
  }
  return status();
}

void Link::SendBulkLater(uint64_t transfer, std::span<const std::byte> bytes, lane::BulkPort::Released released) {
  bulk().Send(transfer, bytes, std::move(released));
  bulk_sender_.Add([] {});
}

lane::Traffic Link::traffic() const {
  lane::Traffic sum = calls_.traffic();
  const lane::Traffic bulk = bulk_.lane().traffic();
  sum.sent_bytes += bulk.sent_bytes;
  sum.received_bytes += bulk.received_bytes;
  return sum;
}

}  // namespace xpool::remote
