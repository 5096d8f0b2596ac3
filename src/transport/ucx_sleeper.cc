#include "transport/ucx_sleeper.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/status.h"

namespace xpool::transport {
namespace {

// poll's and epoll's bits are the same where both have them.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLRDHUP == EPOLLRDHUP);

absl::Status Add(int epoll, int fd, short events) {
  epoll_event event{};
  event.events = static_cast<uint32_t>(events);
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoStatus("epoll_ctl for a UCX channel");
}

}  // namespace

absl::StatusOr<UcxSleeper> UcxSleeper::Create(int ucx_fd, int timer_fd) {
  UniqueFd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!bell.valid() || !epoll.valid()) return ErrnoStatus("eventfd and epoll_create for a UCX channel");
  for (const int fd : {bell.get(), ucx_fd, timer_fd}) RETURN_IF_ERROR(Add(epoll.get(), fd, POLLIN));
  return UcxSleeper(std::move(bell), std::move(epoll));
}

absl::Status UcxSleeper::Watch(const PollTarget& control) {
  if (control.fd == control_.fd && control.events == control_.events) return absl::OkStatus();
  if (control_.fd >= 0) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, control_.fd, nullptr);
  control_ = control;
  return control.fd < 0 ? absl::OkStatus() : Add(epoll_.get(), control.fd, control.events);
}

absl::Status UcxSleeper::FallAsleep(const PollTarget& control) {
  eventfd_t count;
  if (rung_) eventfd_read(bell_.get(), &count);
  rung_ = false;
  asleep_ = true;
  return Watch(control);
}

void UcxSleeper::Rouse() {
  if (!asleep_) return;
  asleep_ = false;
  rung_ = true;
  eventfd_write(bell_.get(), 1);
}

}  // namespace xpool::transport
