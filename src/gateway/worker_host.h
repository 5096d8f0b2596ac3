// The agent's workers: processes that it starts ahead of need, so that each has its driver loaded when a session wants
// one, and that serve one session each (src/worker). They connect to a socket of the agent's; one thread here reads
// what they say and sees them die. Workers with a session outlive the agent, and come back to the next one.
//
// Thread-safe. Events are called on the host's thread but for |dialed|, without locks; they must not wait.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/paths.h"
#include "gateway/peer_dialer.h"
#include "gateway/worker_rooms.h"
#include "transport/deadline.h"
#include "worker_protocol/messages.h"

namespace xpool::gateway {

struct WorkerHostOptions {
  std::string program;  // xpool-worker
  AgentPaths paths;
  std::vector<std::string> drivers;  // libraries, for each of which workers wait
  int warm_each = 1;                 // how many, once
  bool warm_at_once = false;         // from the start, and not only when the first session has come
  int most_starting = 2;             // at once: loading a driver takes a core
  WorkerRooms* rooms = nullptr;      // nullptr: workers are not confined; outlives the host
  PeerPolicy peers;                  // to whom workers are connected
  const Clock* clock = Clock::Monotonic();
};

struct WorkerEvents {
  std::function<void(uint64_t session, const worker::Report&)> reported;
  // The worker of |session| has ended. |clean|: with its client's goodbye.
  std::function<void(uint64_t session, bool clean, const std::string& why)> ended;
  // Workers for |driver| do not come to wait.
  std::function<void(const std::string& driver, const std::string& why)> failed;
  // The worker of |session| has asked for a connection to |address|. On any thread.
  std::function<void(uint64_t session, const std::string& address, const absl::Status& connected)> dialed;
};

// A worker that an agent before this one has started.
struct OldWorker {
  uint64_t session = 0;
  pid_t pid = 0;
  UniqueFd pidfd;
};

// For whom a session is, to its sandbox.
struct Tenant {
  sandbox::TenantIdentity identity;
  uint64_t memory_bytes = 0;  // of the slice
};

class WorkerHost {
 public:
  // |old| are expected to connect.
  static absl::StatusOr<std::unique_ptr<WorkerHost>> Start(WorkerHostOptions options, WorkerEvents events,
                                                           std::vector<OldWorker> old);
  // Ends the workers that wait; those with a session go on.
  ~WorkerHost();

  struct Begun {
    pid_t pid = 0;
    worker::Started started;
  };
  // Has a waiting worker with |driver| begin a session, and starts another one to wait in its place. The worker's error
  // when it cannot; DEADLINE_EXCEEDED when none is ready in time, or does not answer.
  absl::StatusOr<Begun> Begin(const std::string& driver, worker::Start start, const Tenant& tenant,
                              const transport::Deadline& deadline);

  // The session ends when the process of |client| does. For those on this machine.
  void EndWith(uint64_t session, UniqueFd client);

  // NOT_FOUND when no worker serves the session; UNAVAILABLE when it has not come back yet, or does not read.
  absl::Status PassLane(const wire::Preamble& preamble, UniqueFd socket);
  void End(uint64_t session, const std::string& why);

 private:
  enum class State { kStarting, kWaiting, kBeginning, kServing };
  struct Worker {
    pid_t pid = 0;
    UniqueFd pidfd, socket, client;
    State state = State::kStarting;
    std::string driver;
    std::shared_ptr<WorkerRooms::Room> room;  // none for a worker that an earlier agent has started
    int64_t started_ns = 0;
    uint64_t session = 0;
    std::optional<absl::StatusOr<worker::Started>> answer;  // to its Start
    std::optional<worker::Ended> last_words;
    bool client_died = false;  // its process did; only of a client on this machine
  };
  struct DriverState {
    bool wanted = false;  // workers are to wait for sessions
    int failures = 0;     // in a row
    int64_t retry_ns = 0;
  };

  WorkerHost(WorkerHostOptions options, WorkerEvents events)
      : options_(std::move(options)), events_(std::move(events)) {}

  absl::Status Init(std::vector<OldWorker> old);
  void Run();
  void Accept();
  void Greet(UniqueFd socket);
  static bool IsExpected(const Worker& worker);
  Worker* ExpectedWorker(pid_t pid, uint64_t* id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Register(UniqueFd socket, pid_t pid, const worker::Message& first);
  void Serve(uint64_t id);
  void Handle(uint64_t id, const worker::Message& message);
  void Bury(uint64_t id);
  void ClientDied(uint64_t id);
  absl::Status SendTo(uint64_t session, const worker::Message& message, UniqueFd socket);
  void Dialed(uint64_t session, const worker::Dial& dial, const worker::Dialed& dialed, UniqueFd socket);

  void KillHanging() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<std::string> MissingWorkers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int NextLookMs() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Refill(const std::vector<std::string>& drivers);
  absl::Status Spawn(const std::string& driver);
  Worker* OfPid(pid_t pid, uint64_t session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetPace(const Worker& worker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void HurryStarting(const std::string& driver) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Worker*> AwaitWaiting(const std::string& driver, const transport::Deadline& deadline)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Worker* FindWaiting(const std::string& driver) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Worker* OfSession(uint64_t session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Watch(int fd, uint64_t tag);
  void Unwatch(UniqueFd* fd);
  void Wake();

  const WorkerHostOptions options_;
  const WorkerEvents events_;
  UniqueFd listener_, epoll_, wake_;
  std::unique_ptr<PeerDialer> dialer_;
  std::thread thread_;

  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  int wanting_ ABSL_GUARDED_BY(mutex_) = 0;         // callers of Begin() for whom no worker is ready
  int64_t settled_ns_ ABSL_GUARDED_BY(mutex_) = 0;  // when the last session has begun and has its lane
  uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Worker>> workers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, DriverState> drivers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::gateway
