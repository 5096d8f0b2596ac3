#include "gateway/worker_rooms.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/status.h"

namespace xpool::gateway {
namespace {

namespace fs = std::filesystem;

// What a worker may have besides the slice's memory: the driver, its compiler, and transfers under way.
constexpr uint64_t kOwnMemoryBytes = 2048 * kMiB;
constexpr uint64_t kMostProcesses = 512;  // and threads: a driver has one for each core
constexpr size_t kMostTries = 10'000;

std::string SessionFile(const std::string& room) { return room + "/session"; }

// Nothing that must outlast the machine, so nothing waits for a disk.
absl::Status NoteSession(const std::string& room, uint64_t session) {
  const std::string path = SessionFile(room), text = absl::StrCat(session);
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) return ErrnoStatus(absl::StrCat("open ", path));
  if (write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return absl::OkStatus();
  return ErrnoStatus(absl::StrCat("write ", path));
}

// Other agents of this machine have groups below the same one: no two folders have the same device and number.
absl::StatusOr<std::string> GroupPrefix(const std::string& workers) {
  struct stat info {};
  if (stat(workers.c_str(), &info) != 0) return ErrnoStatus(absl::StrCat("stat ", workers));
  return absl::StrCat("xpool-worker-", info.st_dev, "-", info.st_ino, "-");
}

// A process that was killed is in its group for a moment yet.
void EndGroup(sandbox::WorkerCgroup& group) {
  constexpr int kTries = 20;
  group.Kill().IgnoreError();
  for (int i = 0; i < kTries && !group.Remove().ok(); ++i) usleep(5000);
}

void RemoveRoom(const std::string& room) {
  std::error_code ignored;
  fs::remove_all(room, ignored);  // follows no links
}

}  // namespace

// --- Room -----------------------------------------------------------------------------------------------------------

WorkerRooms::Room::~Room() {
  if (left_) {
    static_cast<void>(group_.release());  // which would end the worker
  } else {
    if (group_ != nullptr) EndGroup(*group_);
    RemoveRoom(directory_);
    if (tenant_.has_value()) rooms_->TrimSoon(*tenant_);
  }
}

Environment WorkerRooms::Room::environment() const {
  return {absl::StrCat("POCL_CACHE_DIR=", slot_.path()), "PATH=/usr/bin:/bin"};
}

void WorkerRooms::Room::Enter(pid_t worker) {
  if (group_ != nullptr) group_->Add(worker).IgnoreError();  // it has its resource limits
}

void WorkerRooms::Room::Leave() { left_ = true; }

// --- WorkerRooms ----------------------------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<WorkerRooms>> WorkerRooms::Open(WorkerRoomOptions options) {
  std::error_code error;
  fs::create_directories(fs::path(options.directory).parent_path(), error);
  RETURN_IF_ERROR(MakeDirectory(options.directory, 0711));
  ASSIGN_OR_RETURN(std::unique_ptr<sandbox::TenantStore> tenants,
                   sandbox::TenantStore::Open(options.directory + "/tenants", options.users));
  const std::string workers = options.directory + "/workers", warm = options.directory + "/warm";
  RETURN_IF_ERROR(MakeDirectory(workers, 0711));
  RETURN_IF_ERROR(MakeDirectory(warm, 0700));
  RemoveUnused(workers, options.is_served);
  ASSIGN_OR_RETURN(const std::string group_prefix, GroupPrefix(workers));
  std::unique_ptr<WorkerRooms> rooms(
      new WorkerRooms(workers, warm, group_prefix, std::move(tenants), sandbox::CgroupTree::Open()));
  rooms->thread_ = std::thread([raw = rooms.get()] { raw->Trim(); });
  return rooms;
}

WorkerRooms::~WorkerRooms() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

void WorkerRooms::TrimSoon(const sandbox::TenantIdentity& tenant) {
  MutexLock lock(&mutex_);
  to_trim_.insert(tenant);
  changed_.SignalAll();
}

// The thread.
void WorkerRooms::Trim() {
  pthread_setname_np(pthread_self(), "xpool-trim");
  MutexLock lock(&mutex_);
  while (!stopping_) {
    if (to_trim_.empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    const sandbox::TenantIdentity tenant = *to_trim_.begin();
    to_trim_.erase(to_trim_.begin());
    mutex_.Unlock();
    tenants_->Trim(tenant, kMostTenantBytes).IgnoreError();  // a disk that cannot be read fails the next attach
    mutex_.Lock();
  }
}

// Rooms of workers that have ended with the agent before this one, or without any.
void WorkerRooms::RemoveUnused(const std::string& workers, const std::function<bool(uint64_t)>& is_served) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(workers, error)) {
    const std::string room = entry.path().string();
    const absl::StatusOr<std::string> text = ReadFile(SessionFile(room), 32);
    uint64_t session = 0;
    if (text.ok() && absl::SimpleAtoi(*text, &session) && is_served(session)) continue;
    RemoveRoom(room);
  }
}

absl::StatusOr<std::shared_ptr<WorkerRooms::Room>> WorkerRooms::Make() {
  for (size_t tried = 0; tried < kMostTries; ++tried) {
    std::string name;
    {
      MutexLock lock(&mutex_);
      name = absl::StrCat(next_++);
    }
    const std::string directory = absl::StrCat(workers_, "/", name);
    if (access(directory.c_str(), F_OK) == 0) continue;  // of a worker that is older than this agent
    ASSIGN_OR_RETURN(sandbox::CacheSlot slot, sandbox::CacheSlot::Create(directory));
    RETURN_IF_ERROR(slot.PointAt(warm_));
    std::shared_ptr<Room> room(new Room(this, directory, std::move(slot)));
    if (!groups_.ok()) return room;
    absl::StatusOr<std::unique_ptr<sandbox::WorkerCgroup>> group = groups_->Create(absl::StrCat(group_prefix_, name));
    if (absl::IsAlreadyExists(group.status())) continue;
    if (group.ok()) room->group_ = *std::move(group);
    return room;
  }
  return absl::ResourceExhaustedError(absl::StrCat("no room for a worker is free in ", workers_));
}

absl::StatusOr<worker::Tenancy> WorkerRooms::Admit(Room& room, const sandbox::TenantIdentity& tenant, uint64_t session,
                                                   uint64_t memory_bytes) {
  ASSIGN_OR_RETURN(const sandbox::TenantDirectory place, tenants_->Admit(tenant));
  room.tenant_ = tenant;
  RETURN_IF_ERROR(NoteSession(room.directory_, session));
  RETURN_IF_ERROR(room.slot_.PointAt(place.cache()));
  const uint64_t data_bytes = memory_bytes + kOwnMemoryBytes;
  if (room.group_ != nullptr) {
    for (const sandbox::CgroupLimits& limits :
         {sandbox::CgroupLimits{.memory_bytes = data_bytes}, sandbox::CgroupLimits{.processes = kMostProcesses}}) {
      room.group_->SetLimits(limits).IgnoreError();  // of a controller that is not there
    }
  }
  worker::Tenancy tenancy{.confined = true,
                          .cache_directory = place.cache(),
                          .temporary_directory = place.temporary(),
                          .data_bytes = data_bytes};
  if (place.identity.has_value()) {
    tenancy.own_user = true;
    tenancy.uid = place.identity->uid;
    tenancy.gid = place.identity->gid;
  }
  return tenancy;
}

}  // namespace xpool::gateway
