// What ties the agent to one attached process: its control page, its doorbells and its pidfd. Shared by the broker of
// its XPU, which moves the lease word, and the rest of the agent, which reads counters and rings.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "agent/records.h"
#include "base/fd.h"
#include "slice/page_mapping.h"

namespace xpool::agent {

struct SessionLink {
  SessionId id = 0;
  SliceNumber slice = 0;
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd agent_doorbell;   // the client rings, the broker listens
  UniqueFd client_doorbell;  // the agent rings
  PageMapping page;
  std::atomic<bool> overdue{false};  // its lease has ended some time ago and it has not drained

  // Never waits. The client shares the eventfd's open file description, so it may have cleared O_NONBLOCK and filled
  // the counter; such a client goes without the ring (its counter keeps it awake). Both are looked at because changing
  // one of them in the few hundred nanoseconds before the write is then not enough to make the write wait.
  void RingClient() const {
    pollfd room{client_doorbell.get(), POLLOUT, 0};
    if (poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return;
    const int flags = fcntl(client_doorbell.get(), F_GETFL);
    if ((flags & O_NONBLOCK) == 0) fcntl(client_doorbell.get(), F_SETFL, flags | O_NONBLOCK);
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(client_doorbell.get(), &one, sizeof(one));
  }
};

}  // namespace xpool::agent
