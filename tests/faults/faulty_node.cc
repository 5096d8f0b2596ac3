#include "faulty_node.h"

#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "backend/local/driver.h"
#include "lane/handshake.h"
#include "transport/unix_channel.h"
#include "worker/slow_calls.h"

namespace xpool::faults {
namespace {

constexpr uint64_t kSessionId = 7;
constexpr wire::ResumeToken kToken{std::byte{1}, std::byte{2}, std::byte{3}};
constexpr uint64_t kMemoryLimitBytes = uint64_t{1} << 30;
constexpr uint64_t kRefuseOneIn = 6;
constexpr int64_t kFirstLaneNs = 30 * kNsPerSec;

// Small enough for every bound to be met.
wire::Limits SmallLimits() {
  wire::Limits limits;
  limits.max_frame_bytes = 64 * 1024;
  limits.max_chunk_bytes = 32 * 1024;
  limits.max_inline_bytes = 4 * 1024;
  limits.credit_bytes = limits.resend_bytes = 256 * 1024;
  return limits;
}

std::atomic<CallRecord*> current_record{nullptr};

cl_int CL_API_CALL RecordFill(cl_command_queue queue, cl_mem buffer, const void* pattern, size_t pattern_size,
                              size_t offset, size_t size, cl_uint count, const cl_event* events, cl_event* event) {
  uint64_t number = 0;
  if (pattern_size == sizeof(number)) {
    std::memcpy(&number, pattern, sizeof(number));
    current_record.load()->Add(number);
  }
  return NullDriver().clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size, count, events, event);
}

// The worker's view of the driver: as in a worker, with the calls recorded.
const cl::DispatchTable& RecordedDriver() {
  static const cl::DispatchTable* const table = [] {
    auto* recorded = new cl::DispatchTable(worker::SlowCalls::LeaveLaneIn(NullDriver()));
    recorded->clEnqueueFillBuffer = &RecordFill;
    return recorded;
  }();
  return *table;
}

worker::SessionOptions OptionsOfSession(int64_t patience_ns) {
  worker::SessionOptions options{.session_id = kSessionId, .token = kToken, .limits = SmallLimits()};
  options.slice = {.memory_used_bytes = [] { return uint64_t{0}; },
                   .memory_limit_bytes = [] { return kMemoryLimitBytes; }};
  options.slice_status = [] { return absl::OkStatus(); };
  options.resume_window_ns = patience_ns;
  options.silence_ns = patience_ns / 2;
  return options;
}

class FaultyDialer : public remote::Dialer {
 public:
  explicit FaultyDialer(FaultyNode* node) : node_(node) {}

  absl::StatusOr<std::unique_ptr<transport::Channel>> Dial(wire::Purpose purpose, uint64_t, const std::string&,
                                                           const transport::Deadline&) override {
    return node_->Dial(purpose);
  }
  std::string Describe() const override { return "a faulty node"; }

 private:
  FaultyNode* const node_;
};

}  // namespace

const cl::DispatchTable& NullDriver() {
  static const local::Driver* const driver = local::Driver::Load(XPOOL_NULL_DRIVER).value().release();
  return driver->platforms().front().api;
}

void CallRecord::Add(uint64_t pattern) {
  MutexLock lock(&mutex_);
  patterns_.push_back(pattern);
}

std::vector<uint32_t> CallRecord::Take(uint32_t stream) {
  MutexLock lock(&mutex_);
  std::vector<uint32_t> numbers;
  for (const uint64_t pattern : patterns_) {
    if (pattern >> 32 == stream) numbers.push_back(static_cast<uint32_t>(pattern));
  }
  return numbers;
}

FaultyNode::FaultyNode(uint64_t seed, int64_t patience_ns)
    : calls_(new CallRecord),
      session_(new worker::ClientSession(RecordedDriver(), OptionsOfSession(patience_ns))),
      door_(new worker::LaneDoor(session_, nullptr)),
      random_(seed) {
  current_record = calls_;
  outcome_ = std::async(std::launch::async, [this] { return session_->Run(kFirstLaneNs); });
}

void FaultyNode::End() {
  session_->Stop(absl::CancelledError("the test is over"));
  outcome_.wait();
  MutexLock lock(&mutex_);
  relays_.clear();
}

void FaultyNode::CutOff() {
  refuses_ = true;
  MutexLock lock(&mutex_);
  relays_.clear();
}

absl::Status FaultyNode::Outcome() { return outcome_.get(); }

remote::LinkOptions FaultyNode::Options() {
  remote::LinkOptions options;
  options.dialer = std::make_unique<FaultyDialer>(this);
  options.attach = {.slice = "s1", .program = "faults"};
  options.limits = SmallLimits();
  return options;
}

absl::StatusOr<std::unique_ptr<transport::Channel>> FaultyNode::Dial(wire::Purpose purpose) {
  return purpose == wire::Purpose::kAttach ? DialAgent() : DialLane();
}

// The answer is there before the question.
absl::StatusOr<std::unique_ptr<transport::Channel>> FaultyNode::DialAgent() {
  auto pair = transport::UnixChannelPair().value();
  wire::Writer writer;
  const wire::Attached attached{
      .session_id = kSessionId, .resume_token = kToken, .slice_id = "s1", .memory_limit_bytes = kMemoryLimitBytes};
  if (!WriteAttached(&writer, attached).ok()) std::abort();
  if (!lane::SendWritten(*pair.second, writer, transport::Deadline::Never()).ok()) std::abort();
  MutexLock lock(&mutex_);
  agents_.push_back(std::move(pair.second));
  return std::move(pair.first);
}

absl::StatusOr<std::unique_ptr<transport::Channel>> FaultyNode::DialLane() {
  MutexLock lock(&mutex_);
  // The first connection decides whether there is a session at all.
  if (refuses_ || (connections_ > 0 && random_() % kRefuseOneIn == 0)) {
    ++refused_;
    return absl::UnavailableError("nobody is there");
  }
  std::erase_if(relays_, [](const auto& relay) { return relay->over(); });
  auto near = transport::UnixChannelPair().value();
  int far[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, far) != 0) std::abort();
  auto relay_far = transport::AdoptStreamSocket(UniqueFd(far[0]), "worker").value();
  relays_.push_back(std::make_unique<FaultRelay>(std::move(near.second), std::move(relay_far), random_(), &counts_));
  ++connections_;
  door_->Open(UniqueFd(far[1]), {wire::Purpose::kLane, wire::Security::kPlain, kSessionId});
  return std::move(near.first);
}

}  // namespace xpool::faults
