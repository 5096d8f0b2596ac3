// The agent's door for sessions: one thread that accepts connections on the session socket, checks what comes in, and
// watches for the death of clients and of slices' owners. Whatever a peer sends, at most its own connection ends.
//
// Thread-safe: other threads leave notes, which the thread picks up. Idle, no timer runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "agent/agent.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace xpool::agent {

class SessionServer {
 public:
  // Listens, and sets the agent's outlets. |idle| runs on the server's thread when the agent has had neither slices nor
  // sessions for options.idle_exit_ns. REQUIRES: |agent| outlives the server.
  static absl::StatusOr<std::unique_ptr<SessionServer>> Start(Agent* agent, std::function<void()> idle);
  // Closes all connections; clients take it for an agent that will be back.
  ~SessionServer();

 private:
  struct Connection {
    UniqueFd socket;
    std::shared_ptr<SessionLink> link;  // null until Hello was accepted
    PeerCredentials credentials;
    int64_t greeting_deadline_ns = 0;
    bool asks_memory = false;  // a request is being waited on
  };
  struct MemoryWait {
    uint64_t connection;
    uint64_t bytes;
    int64_t deadline_ns;
  };
  struct Inbox {
    Mutex mutex;
    std::vector<std::function<void()>> notes ABSL_GUARDED_BY(mutex);
    UniqueFd wake;
    void Post(std::function<void()> note);
  };

  SessionServer(Agent* agent, std::function<void()> idle) : agent_(agent), idle_(std::move(idle)) {}
  absl::Status Init();
  void SetOutlets();
  absl::Status Watch(int fd, uint64_t tag);
  void Run();
  void Dispatch(uint64_t tag);
  void RunNotes();

  void Accept();
  void Serve(uint64_t id);
  void Greet(uint64_t id, Connection& connection, const SocketMessage& message);
  absl::Status Welcomed(uint64_t id, Connection& connection, const Hello& hello, std::span<const UniqueFd> fds);
  void Refuse(Connection& connection, const absl::Status& why);
  absl::Status Handle(uint64_t id, Connection& connection, const SocketMessage& message);
  void AskMemory(uint64_t id, uint64_t bytes, int64_t deadline_ns);
  void RetryMemory();
  void Close(uint64_t id, const std::string& why, bool died);
  void CloseSlice(SliceNumber slice);

  void OnTimer(int64_t now_ns);
  void ArmTimer();
  void NoteIdle();

  Agent* const agent_;
  const std::function<void()> idle_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::thread thread_;

  // The thread's.
  UniqueFd listener_, epoll_, timer_;
  uint64_t next_id_ = 1;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Connection>> connections_;
  std::vector<MemoryWait> memory_waits_;
  std::optional<int64_t> recovery_deadline_ns_, idle_deadline_ns_;
  int64_t armed_ns_ = 0;
  bool accept_paused_ = false;
  bool stopping_ = false;
};

}  // namespace xpool::agent
