// What each worker gets from outside before it is born, and its tenant's things when it has one (src/sandbox): a
// directory for what its driver compiles, a control group, the tenant's user and directories.
//
//   CACHE/tenants    sandbox::TenantStore
//   CACHE/warm       what drivers compile while their workers have no tenant: all of them trust it, no tenant writes it
//   CACHE/workers/N  a worker's cache slot and the session that it serves: the next agent knows by it what is in use
//
// What a tenant's workers have compiled is kept, within a bound that a thread sees to when one of them has ended.
// Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/environment.h"
#include "base/mutex.h"
#include "sandbox/cache_slot.h"
#include "sandbox/tenant_store.h"
#include "sandbox/worker_cgroup.h"
#include "worker_protocol/messages.h"

namespace xpool::gateway {

struct WorkerRoomOptions {
  std::string directory;                            // AgentPaths::cache_directory()
  std::optional<sandbox::UserRange> users;          // of an agent that is root
  std::function<bool(uint64_t session)> is_served;  // whether a worker of an earlier agent serves it still
};

class WorkerRooms {
 public:
  // One worker's; its control group and directory go with it, unless Leave() was called.
  class Room {
   public:
    ~Room();
    // "NAME=value", for its environment.
    Environment environment() const;
    // To be called at once after it was started.
    void Enter(pid_t worker);
    // The worker outlives this agent.
    void Leave();

   private:
    friend class WorkerRooms;
    Room(WorkerRooms* rooms, std::string directory, sandbox::CacheSlot slot)
        : rooms_(rooms), directory_(std::move(directory)), slot_(std::move(slot)) {}

    WorkerRooms* const rooms_;
    const std::string directory_;
    const sandbox::CacheSlot slot_;
    std::unique_ptr<sandbox::WorkerCgroup> group_;  // none where there are no control groups
    std::optional<sandbox::TenantIdentity> tenant_;
    bool left_ = false;
  };

  // What a tenant may leave behind.
  static constexpr uint64_t kMostTenantBytes = uint64_t{1} << 30;

  // sandbox::TenantStore's errors; they say what to do.
  static absl::StatusOr<std::unique_ptr<WorkerRooms>> Open(WorkerRoomOptions options);
  // REQUIRES: all rooms are gone or left.
  ~WorkerRooms();

  absl::StatusOr<std::shared_ptr<Room>> Make();

  // Turns |room| over to |tenant|, whose |session| may use |memory_bytes| of the XPU.
  absl::StatusOr<worker::Tenancy> Admit(Room& room, const sandbox::TenantIdentity& tenant, uint64_t session,
                                        uint64_t memory_bytes);

  // Why there are no control groups; OK where there are.
  const absl::Status& groups() const { return groups_.status(); }

 private:
  WorkerRooms(std::string workers, std::string warm, std::string group_prefix,
              std::unique_ptr<sandbox::TenantStore> tenants, absl::StatusOr<sandbox::CgroupTree> groups)
      : workers_(std::move(workers)),
        warm_(std::move(warm)),
        group_prefix_(std::move(group_prefix)),
        tenants_(std::move(tenants)),
        groups_(std::move(groups)) {}

  void TrimSoon(const sandbox::TenantIdentity& tenant);
  void Trim();
  static void RemoveUnused(const std::string& workers, const std::function<bool(uint64_t)>& is_served);

  const std::string workers_, warm_, group_prefix_;
  const std::unique_ptr<sandbox::TenantStore> tenants_;
  const absl::StatusOr<sandbox::CgroupTree> groups_;
  std::thread thread_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<sandbox::TenantIdentity> to_trim_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace xpool::gateway
