// Where one thread of a UCX channel sleeps: one descriptor that is readable when UCX has events, when the control
// channel has something, when the channel's timer has run out, or when another thread of this side found something for
// it.
//
// UCX's own descriptor alone would not do: it tells of an event once, to whoever asks next, and with two threads the
// one that takes a message may not be the one that waits for it.
//
// Threading: under the channel's mutex, but for fd(), which is polled outside of it.
#pragma once

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "transport/channel.h"

namespace xpool::transport {

class UcxSleeper {
 public:
  static absl::StatusOr<UcxSleeper> Create(int ucx_fd, int timer_fd);

  int fd() const { return epoll_.get(); }

  // This thread is about to poll fd(). |control| is what the control channel wants polled; fd -1: nothing.
  absl::Status FallAsleep(const PollTarget& control);
  // It is back, or never slept.
  void WakeUp() { asleep_ = false; }
  // There is something for it.
  void Rouse();

 private:
  UcxSleeper(UniqueFd bell, UniqueFd epoll) : bell_(std::move(bell)), epoll_(std::move(epoll)) {}
  absl::Status Watch(const PollTarget& control);

  UniqueFd bell_;  // an eventfd
  UniqueFd epoll_;
  PollTarget control_;
  bool asleep_ = false;
  bool rung_ = false;
};

}  // namespace xpool::transport
