// What ties the agent to one attached process: its control page, its doorbells and its pidfd. Shared by the broker of
// its XPU, which moves the lease word, and the rest of the agent, which reads counters and rings.
#pragma once

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

  // One eventfd write. A client that keeps its counter full is awake anyway.
  void RingClient() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(client_doorbell.get(), &one, sizeof(one));
  }
};

}  // namespace xpool::agent
