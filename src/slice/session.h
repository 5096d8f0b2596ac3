// One process attached to one slice: the socket to the agent, the control page, the lease gate, the memory credit and
// the watcher thread that reattaches after an agent restart. The shim of any API uses it; it knows no vendor API.
//
// Attach() happens at most once per process, at the first API call that needs a device; no thread exists before it. In
// a child after fork() the parent's session is dead: Current() attaches anew (the child never touches the parent's page
// or socket). Thread-safe. Never destroyed: the process's exit ends the session.
//
// When the agent dies, a lease holder keeps what it holds and everybody else waits; the watcher reattaches for as long
// as the process lives. When a new agent says the slice is gone, the session is lost: nothing is forwarded any more,
// memory requests fail, and whoever waits for a lease must look at lost().
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/paths.h"
#include "slice/agent_link.h"
#include "slice/lease_gate.h"
#include "slice/memory_account.h"
#include "slice/memory_credit.h"
#include "slice/slice_session.h"

namespace xpool {

struct SliceInfo {
  uint64_t session_id = 0;
  std::string slice_id, xpu_id, driver_library, device_name;
  uint32_t platform_index = 0, device_index = 0;
  uint64_t memory_limit_bytes = 0;
};

class Session : public SliceSession {
 public:
  // The process's session, attaching on first use by $XPOOL_SLICE and ClientAgentPaths(). An error says why no slice
  // can be had (no agent, unknown slice, version mismatch, no permission) and what to do; it is also written to stderr
  // once, as one line. The next call tries again.
  static absl::StatusOr<Session*> Current();

  // A session of its own on |slice|; Current() is this with the environment's values. Waits while the agent is
  // recovering, at most ten seconds.
  static absl::StatusOr<Session*> Attach(const AgentPaths& paths, const std::string& slice);

  const SliceInfo& info() const { return info_; }
  LeaseGate& gate() override { return gate_; }
  MemoryAccount& memory() override { return memory_; }
  uint64_t memory_limit_bytes() const override { return memory_.limit_bytes(); }

  // The pump runs on the watcher thread after every doorbell (a lease came, a partner came, a completion asked for it).
  void SetPump(std::function<bool()> pump) override;
  void StopPump() override;
  void KickWatcher() override;  // one eventfd write, no lock

  // True when no lease will ever come again: the slice is gone, or this is a child of the process that attached.
  bool lost() const override { return lost_.load(std::memory_order_acquire); }
  // Why lost() is true; OK while it is not.
  absl::Status status() const;

  // For tests: whether an agent is attached at this moment.
  bool attached() const { return state_.load(std::memory_order_acquire) == State::kAttached; }

 private:
  enum class State {
    kAway,      // no agent; the next attempt is due at next_attempt_ns_
    kGreeting,  // Hello is sent, the answer must come by greeting_until_ns_
    kAttached,
    kLost,
  };

  Session(const AgentPaths& paths, const std::string& slice);

  absl::Status FirstAttach();
  HelloAnswer GreetOnce();
  absl::Status StartWatcher();
  Hello MakeHello() const;

  // On the watcher thread.
  void Watch();
  void WaitForNews();
  int PollTimeoutMs() const;
  void ReadSocket();
  void HandleMessage(SocketMessage message);
  void HandleAttachedMessage(const SocketMessage& message);
  void HandleAnswer(HelloAnswer answer);
  void Reattach();
  void Adopt(AgentLink link);
  void Disconnect();
  void Lose(const absl::Status& why);
  void ReturnTrimmedMemory();
  bool RunPump();

  void RingAgent() const;
  static Session* RegisterForFork(Session* session);
  static void AfterForkInChild();
  void DetachAfterFork();

  const std::string socket_path_;
  const std::string slice_;
  const Clock* const clock_;
  SliceInfo info_;
  // Numbers stay the same for the session's life; a reattach puts new eventfds behind them (dup3), so that ringing
  // needs no lock.
  int agent_doorbell_ = -1;
  int client_doorbell_ = -1;
  LeaseGate gate_;
  MemoryCredit memory_;
  std::atomic<std::function<bool()>*> pump_{nullptr};
  std::atomic<bool> pumping_{false};
  std::atomic<bool> lost_{false};
  std::atomic<bool> forked_{false};
  std::atomic<State> state_{State::kAway};  // written by the watcher
  std::atomic<pid_t> watcher_tid_{0};
  Session* next_ = nullptr;  // in the list of all sessions, for the fork handler

  // Of the watcher thread (the attaching thread before it starts). |socket_| is also used by MemoryCredit's sends,
  // under its lock and only between its Attach() and LinkLost().
  UniqueFd socket_;
  uint64_t session_id_ = 0;
  ControlPage* page_ = nullptr;
  uint32_t trim_seen_ = 0;
  int64_t backoff_ns_ = 0;
  int64_t next_attempt_ns_ = 0;
  int64_t greeting_until_ns_ = 0;
  int64_t attached_since_ns_ = 0;

  mutable Mutex mutex_;
  absl::Status loss_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<std::function<bool()>>> pumps_
      ABSL_GUARDED_BY(mutex_);  // all ever set: one may be running
};

}  // namespace xpool
