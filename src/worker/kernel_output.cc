#include "worker/kernel_output.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/status.h"
#include "wire_opencl/notices.h"

namespace xpool::worker {
namespace {

// All that a pipe holds, as Linux makes them.
constexpr size_t kPipeBytes = 65536;
constexpr int64_t kLookForRoomNs = kNsPerMs;

}  // namespace

absl::StatusOr<std::unique_ptr<KernelOutput>> KernelOutput::Take(int target) {
  int ends[2] = {};
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe for what kernels print");
  UniqueFd reading(ends[0]);
  const UniqueFd writing(ends[1]);
  if (fcntl(reading.get(), F_SETFL, O_NONBLOCK) != 0 || dup2(writing.get(), target) < 0)
    return absl::ErrnoToStatus(errno, "pipe for what kernels print");
  // A driver that prints by the C library leaves nothing in a buffer.
  if (target == STDOUT_FILENO) setvbuf(stdout, nullptr, _IONBF, 0);
  return std::unique_ptr<KernelOutput>(new KernelOutput(std::move(reading)));
}

void KernelOutput::Start(Send send, std::function<bool()> has_room) {
  send_ = std::move(send);
  has_room_ = std::move(has_room);
  std::thread([this] {
    pthread_setname_np(pthread_self(), "xpool-printed");
    Run();
  }).detach();
}

void KernelOutput::SendSome(size_t most_bytes) {
  std::array<std::byte, wire_cl::kMaxOutputBytes> piece;
  MutexLock lock(&mutex_);
  size_t sent = 0;
  while (sent < most_bytes) {
    const ssize_t got = read(pipe_.get(), piece.data(), std::min(piece.size(), most_bytes - sent));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    send_({piece.data(), static_cast<size_t>(got)});
    sent += static_cast<size_t>(got);
  }
}

void KernelOutput::Drain() { SendSome(kPipeBytes); }

void KernelOutput::Run() {
  while (true) {
    pollfd printed{pipe_.get(), POLLIN, 0};
    if (poll(&printed, 1, -1) < 0 && errno != EINTR) return;
    while (!has_room_()) usleep(kLookForRoomNs / kNsPerUs);
    SendSome(wire_cl::kMaxOutputBytes);
  }
}

}  // namespace xpool::worker
