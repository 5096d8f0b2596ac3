// The remote sessions of this node: who has one, which worker serves it, and why the latest ones have ended. What
// clients may have is decided by the door they came through (attach_server.h); here it is done.
//
// Thread-safe. Sessions outlive the agent: its store has them, and their workers come back.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/agent.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "gateway/worker_host.h"
#include "transport/deadline.h"
#include "wire/attach.h"

namespace xpool::gateway {

// Somebody who may have a session.
struct Client {
  std::string who;          // for people: "user 1000", "bob of 10.0.0.3"
  std::string certificate;  // PEM, of a client under TLS
  sandbox::TenantIdentity tenant;
  UniqueFd process;  // a pidfd, of a client on this machine: the session ends with it
};

class RemoteSessions {
 public:
  // Takes over the sessions that |agent| has recorded. |agent| must outlive this.
  static absl::StatusOr<std::unique_ptr<RemoteSessions>> Start(agent::Agent* agent, WorkerHostOptions workers);

  // Begins a session on the slice |target| for |client|.
  absl::StatusOr<wire::Attached> Open(const agent::RemoteTarget& target, const std::string& program, Client client,
                                      const transport::Deadline& deadline);

  // Hands a lane's connection, or another worker's, to its session's worker. NOT_FOUND says how the session has ended,
  // if that is known; UNAVAILABLE when the worker has not come back yet.
  absl::Status PassLane(const wire::Preamble& preamble, UniqueFd socket);

  // What is known of the session that the process |worker| serves; for `xpool ps`.
  std::optional<agent::RemoteView> ViewOf(pid_t worker) const;

 private:
  struct Session {
    agent::RemoteRecord record;
    worker::Report report;
    bool told_connected = false, told_refused = false;  // of connections for direct copies
  };
  struct Past {
    uint64_t id;
    std::string why;
  };

  explicit RemoteSessions(agent::Agent* agent) : agent_(agent) {}

  std::vector<OldWorker> TakeOver();
  void TellMissing(const std::vector<std::string>& missing);
  void Reported(uint64_t id, const worker::Report& report);
  void Ended(uint64_t id, bool clean, const std::string& why);
  void Dialed(uint64_t id, const std::string& address, const absl::Status& connected);
  void Note(const agent::RemoteRecord& record);
  absl::Status Record(pid_t pid, agent::RemoteRecord* record);
  void Forget(const agent::RemoteRecord& record, const char* kind, const std::string& why);

  agent::Agent* const agent_;
  std::unique_ptr<WorkerHost> host_;
  mutable Mutex mutex_;
  std::map<uint64_t, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  std::deque<Past> past_ ABSL_GUARDED_BY(mutex_);
  bool missing_told_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace xpool::gateway
