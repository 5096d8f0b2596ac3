#include "fault_relay.h"

#include <poll.h>

#include <cstring>
#include <span>
#include <utility>

#include "base/clock.h"
#include "wire/frame.h"

namespace xpool::faults {
namespace {

constexpr int kLookEachMs = 2;
constexpr size_t kMostQueuedBytes = 256 * 1024;
constexpr uint64_t kMostFramesToCut = 1000;
constexpr uint64_t kMostDelayUs = 20'000;

int64_t Now() { return Clock::Monotonic()->NowNs(); }

bool OneIn(std::mt19937_64& random, uint64_t n) { return random() % n == 0; }

}  // namespace

FaultRelay::FaultRelay(std::unique_ptr<transport::Channel> client, std::unique_ptr<transport::Channel> server,
                       uint64_t seed, FaultCounts* counts)
    : client_(std::move(client)), server_(std::move(server)), counts_(counts) {
  std::mt19937_64 random(seed);
  directions_[0].from = directions_[1].to = client_.get();
  directions_[0].to = directions_[1].from = server_.get();
  for (Direction& direction : directions_) {
    direction.random.seed(random());
    if (!OneIn(random, 8)) direction.cut_at = 2 + random() % kMostFramesToCut;
    direction.cut_within = OneIn(random, 2);
  }
  thread_ = std::thread([this] { Run(); });
}

FaultRelay::~FaultRelay() {
  stop_ = true;
  thread_.join();
}

void FaultRelay::Run() {
  while (!stop_ && Move(&directions_[0]) && Move(&directions_[1])) Wait();
  client_->Close();
  server_->Close();
  over_ = true;
}

void FaultRelay::Wait() {
  std::array<pollfd, 2> polled{};
  for (size_t i = 0; i < polled.size(); ++i) {
    const bool full = directions_[i].out.size() >= kMostQueuedBytes;
    const transport::PollTarget target = directions_[i].from->PollFor(transport::kToReceive);
    if (target.ready && !full) return;
    polled[i] = {full ? -1 : target.fd, target.events, 0};
  }
  poll(polled.data(), polled.size(), kLookEachMs);
}

bool FaultRelay::Move(Direction* direction) { return TakeIn(direction) && CutFrames(direction) && SendOut(direction); }

bool FaultRelay::TakeIn(Direction* direction) {
  if (direction->out.size() >= kMostQueuedBytes) return true;
  std::array<std::byte, 64 * 1024> buffer;
  const absl::StatusOr<size_t> got = direction->from->Receive(buffer);
  if (!got.ok()) return false;
  direction->in.insert(direction->in.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(*got));
  return true;
}

bool FaultRelay::CutFrames(Direction* direction) {
  size_t at = 0;
  bool on = true;
  while (on && direction->in.size() - at >= wire::kFrameHeaderBytes) {
    uint32_t length = 0;
    std::memcpy(&length, direction->in.data() + at, sizeof(length));
    const size_t size = wire::kFrameHeaderBytes + length;
    if (direction->in.size() - at < size) break;
    on = PassFrame(direction, std::span(direction->in).subspan(at, size));
    at += size;
  }
  direction->in.erase(direction->in.begin(), direction->in.begin() + static_cast<std::ptrdiff_t>(at));
  return on;
}

// The first frame each way belongs to the lane's connecting, and comes once.
bool FaultRelay::PassFrame(Direction* direction, std::span<const std::byte> frame) {
  std::mt19937_64& random = direction->random;
  const bool first = direction->frames++ == 0;
  ++counts_->frames;
  if (direction->frames == direction->cut_at) {
    ++(direction->cut_within ? counts_->cut_within : counts_->cut_between);
    const size_t passed = direction->cut_within ? random() % frame.size() : 0;
    direction->out.insert(direction->out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(passed));
    SendOut(direction);  // what the channel takes; the rest is lost
    return false;
  }
  const int times = !first && OneIn(random, 20) ? 2 : 1;
  counts_->doubled += times - 1;
  for (int i = 0; i < times; ++i) direction->out.insert(direction->out.end(), frame.begin(), frame.end());
  if (OneIn(random, 50)) {
    ++counts_->delayed;
    direction->hold_until_ns = Now() + static_cast<int64_t>(random() % kMostDelayUs) * kNsPerUs;
  }
  return true;
}

bool FaultRelay::SendOut(Direction* direction) {
  if (direction->out.empty() || Now() < direction->hold_until_ns) return true;
  const iovec piece{direction->out.data(), direction->out.size()};
  const absl::StatusOr<size_t> sent = direction->to->Send({&piece, 1});
  if (!sent.ok()) return false;
  direction->out.erase(direction->out.begin(), direction->out.begin() + static_cast<std::ptrdiff_t>(*sent));
  return true;
}

}  // namespace xpool::faults
