#include "transport/ring_bell.h"

#include <linux/futex.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

#include "base/clock.h"

namespace xpool::transport {
namespace {

// Not the process-private kind: the word lies at another address in each process.
long Futex(std::atomic<uint32_t>* word, int operation, uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), operation, value, timeout, nullptr, 0);
}

}  // namespace

void RingBell(std::atomic<uint32_t>* bell, int socket) {
  if (bell->load() == kAwake) return;
  const uint32_t state = bell->exchange(kAwake);
  if (state == kInFutex) {
    Futex(bell, FUTEX_WAKE, INT_MAX, nullptr);
  } else if (state != kAwake) {
    // A full socket is as good as a byte: it is readable already. Any other error is the peer's end.
    const char byte = 0;
    (void)!send(socket, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

bool SleepOnBell(std::atomic<uint32_t>* bell, int64_t timeout_ns) {
  const timespec timeout{static_cast<time_t>(timeout_ns / kNsPerSec), static_cast<long>(timeout_ns % kNsPerSec)};
  return Futex(bell, FUTEX_WAIT, kInFutex, &timeout) == 0 || errno != ETIMEDOUT;
}

}  // namespace xpool::transport
