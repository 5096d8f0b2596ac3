#include "sandbox/tenant_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "sandbox/hostile_tree.h"

namespace xpool::sandbox {
namespace {

constexpr char kCache[] = "cache";
constexpr char kTemporary[] = "tmp";
constexpr int kProgramDepth = 2;  // PoCL: cache/AB/CDEF...

absl::Status CheckUsers(const std::optional<UserRange>& users) {
  if (!users && geteuid() == 0) {
    return absl::InvalidArgumentError("an agent that is root needs a range of users for tenants, one each");
  }
  if (!users) return absl::OkStatus();
  if (geteuid() != 0) return absl::FailedPreconditionError("only root can give each tenant a user of its own");
  if (users->first > 0 && users->count > 0 && users->first <= UINT32_MAX - 1 - users->count) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("users from ", users->first, " on, ", users->count, " of them, are no range without root"));
}

// Each directory on the way must let the tenants' users through.
absl::Status CheckReachable(const std::string& root) {
  for (std::filesystem::path path = root; path != path.root_path(); path = path.parent_path()) {
    struct stat info;
    if (stat(path.c_str(), &info) != 0) return ErrnoStatus(absl::StrCat("stat ", path.string()));
    if ((info.st_mode & S_IXOTH) != 0) continue;
    return absl::FailedPreconditionError(absl::StrCat("tenants' users cannot pass through ", path.string(), " to ",
                                                      root, "; permit it (chmod o+x) or choose another directory"));
  }
  return absl::OkStatus();
}

absl::Status CheckRoot(int directory, const std::string& root) {
  struct stat info;
  struct statvfs file_system;
  if (fstat(directory, &info) != 0 || fstatvfs(directory, &file_system) != 0)
    return ErrnoStatus(absl::StrCat("stat ", root));
  if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(root, " must belong to the agent's user and be writable by nobody else"));
  }
  if ((file_system.f_flag & ST_NOEXEC) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      root, " is on a file system mounted noexec, where compiled kernels cannot be loaded; choose another"));
}

absl::StatusOr<UniqueFd> OpenRoot(const std::string& root, bool for_other_users) {
  std::error_code error;
  std::filesystem::create_directories(root, error);
  if (error) return absl::InternalError(absl::StrCat("cannot create ", root, ": ", error.message()));
  UniqueFd directory(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return ErrnoStatus(absl::StrCat("opening ", root));
  RETURN_IF_ERROR(CheckRoot(directory.get(), root));
  const mode_t mode = for_other_users ? 0711 : 0700;
  if (fchmod(directory.get(), mode) != 0) return ErrnoStatus(absl::StrCat("chmod ", root));
  if (for_other_users) RETURN_IF_ERROR(CheckReachable(std::filesystem::absolute(root).lexically_normal().string()));
  if (flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return directory;
  return absl::UnavailableError(absl::StrCat("another process uses the tenants' directory ", root));
}

// |name| in |parent| as a directory that is |owner|'s alone. Anything else of that name is removed.
absl::StatusOr<UniqueFd> EnsurePrivate(int parent, const std::string& name, const std::optional<Identity>& owner) {
  absl::StatusOr<UniqueFd> directory = absl::NotFoundError("");
  for (int attempt = 0; attempt < 2 && !directory.ok(); ++attempt) {
    if (mkdirat(parent, name.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      return ErrnoStatus(absl::StrCat("making a tenant's directory \"", name, "\""));
    }
    directory = OpenDirectory(parent, name);
    if (!directory.ok()) RETURN_IF_ERROR(RemoveEntry(parent, name));
  }
  RETURN_IF_ERROR(directory.status());
  if (owner && fchown(directory->get(), owner->uid, owner->gid) != 0)
    return ErrnoStatus("giving a tenant its directory");
  if (fchmod(directory->get(), S_IRWXU) != 0) return ErrnoStatus("making a tenant's directory private");
  return directory;
}

std::optional<Identity> IdentityOf(const TenantRecord& record) {
  if (record.user == 0) return std::nullopt;
  return Identity{record.user, record.user};
}

absl::Status RemoveUnit(int tenant, const TreeUnit& unit) {
  UniqueFd holder(openat(tenant, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (size_t i = 0; i + 1 < unit.path.size(); ++i) {
    absl::StatusOr<UniqueFd> below = OpenDirectory(holder.get(), unit.path[i]);
    if (!below.ok()) return absl::OkStatus();  // its owner has moved it; the next trim finds it
    holder = *std::move(below);
  }
  return RemoveEntry(holder.get(), unit.path.back());
}

// The units of one part of a tenant's directory, or the part itself when it is past all bounds.
absl::Status AddUnits(int tenant, const char* part, int depth, std::vector<TreeUnit>& units) {
  const absl::StatusOr<UniqueFd> directory = OpenDirectory(tenant, part);
  if (!directory.ok()) return absl::OkStatus();
  absl::StatusOr<std::vector<TreeUnit>> found = ListUnits(directory->get(), depth);
  if (absl::IsResourceExhausted(found.status())) return RemoveContents(directory->get());
  RETURN_IF_ERROR(found.status());
  for (TreeUnit& unit : *found) {
    unit.path.insert(unit.path.begin(), part);
    units.push_back(std::move(unit));
  }
  return absl::OkStatus();
}

// What a tenant has put beside its cache and its temporary files.
absl::Status RemoveStrangers(int tenant, TrimResult& result) {
  const absl::StatusOr<std::vector<TreeUnit>> entries = ListUnits(tenant, 1);
  if (absl::IsResourceExhausted(entries.status())) return RemoveContents(tenant);
  RETURN_IF_ERROR(entries.status());
  for (const TreeUnit& unit : *entries) {
    if (unit.path.front() == kCache || unit.path.front() == kTemporary) continue;
    result.before_bytes += unit.bytes;
    ++result.removed;
    RETURN_IF_ERROR(RemoveUnit(tenant, unit));
  }
  return absl::OkStatus();
}

// Rubbish first, then what was used longest ago.
bool GoesBefore(const TreeUnit& a, const TreeUnit& b) {
  if (a.rubbish != b.rubbish) return a.rubbish;
  return a.newest_ns < b.newest_ns;
}

absl::StatusOr<TrimResult> TrimTenant(int tenant, uint64_t max_bytes) {
  TrimResult result;
  RETURN_IF_ERROR(RemoveStrangers(tenant, result));
  std::vector<TreeUnit> units;
  RETURN_IF_ERROR(AddUnits(tenant, kCache, kProgramDepth, units));
  RETURN_IF_ERROR(AddUnits(tenant, kTemporary, 1, units));
  std::sort(units.begin(), units.end(), GoesBefore);
  for (const TreeUnit& unit : units) result.after_bytes += unit.bytes;
  result.before_bytes += result.after_bytes;
  for (const TreeUnit& unit : units) {
    if (!unit.rubbish && result.after_bytes <= max_bytes) break;
    RETURN_IF_ERROR(RemoveUnit(tenant, unit));
    result.after_bytes -= unit.bytes;
    ++result.removed;
  }
  return result;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TenantStore>> TenantStore::Open(const std::string& root,
                                                               std::optional<UserRange> users) {
  RETURN_IF_ERROR(CheckUsers(users));
  ASSIGN_OR_RETURN(UniqueFd directory, OpenRoot(root, users.has_value()));
  std::unique_ptr<TenantStore> store(new TenantStore(root, std::move(directory), users));
  RETURN_IF_ERROR(store->Load());
  return store;
}

absl::Status TenantStore::Load() {
  const MutexLock lock(&mutex_);
  const absl::StatusOr<std::string> text = ReadFile(ListPath(), kMaxRegistryBytes, FileTrust::kOurs);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();  // a new root
  RETURN_IF_ERROR(text.status());
  const absl::Status parsed = registry_.Parse(*text);
  if (parsed.ok()) return parsed;
  return absl::DataLossError(absl::StrCat(ListPath(), ": ", parsed.message(),
                                          ". Restore it, or remove the whole directory with all tenants' caches"));
}

absl::Status TenantStore::Save() const {
  return WriteFileDurably(ListPath(), registry_.Serialize(), S_IRUSR | S_IWUSR, IfExists::kReplace);
}

absl::StatusOr<TenantDirectory> TenantStore::Admit(const TenantIdentity& identity) {
  const MutexLock lock(&mutex_);
  const bool known = registry_.Find(identity) != nullptr;
  ASSIGN_OR_RETURN(const TenantRecord record, registry_.FindOrAdd(identity));
  // Written before the directory is made: a number that is on the disk as a directory is in the list.
  if (!known) {
    if (const absl::Status saved = Save(); !saved.ok()) {
      registry_.Retire(identity);
      return saved;
    }
  }
  TenantDirectory tenant{record.number, IdentityOf(record), absl::StrCat(root_, "/", record.number)};
  ASSIGN_OR_RETURN(const UniqueFd directory,
                   EnsurePrivate(directory_.get(), absl::StrCat(record.number), tenant.identity));
  for (const char* part : {kCache, kTemporary}) {
    RETURN_IF_ERROR(EnsurePrivate(directory.get(), part, tenant.identity).status());
  }
  return tenant;
}

absl::StatusOr<UniqueFd> TenantStore::OpenTenant(const TenantIdentity& identity) const {
  const MutexLock lock(&mutex_);
  const TenantRecord* const record = registry_.Find(identity);
  if (record == nullptr) return absl::NotFoundError("there is no such tenant on this node");
  return OpenDirectory(directory_.get(), absl::StrCat(record->number));
}

absl::StatusOr<TrimResult> TenantStore::Trim(const TenantIdentity& identity, uint64_t max_bytes) {
  ASSIGN_OR_RETURN(const UniqueFd tenant, OpenTenant(identity));
  return TrimTenant(tenant.get(), max_bytes);
}

absl::Status TenantStore::Forget(const TenantIdentity& identity) {
  const MutexLock lock(&mutex_);
  const TenantRecord* const record = registry_.Find(identity);
  if (record == nullptr) return absl::NotFoundError("there is no such tenant on this node");
  RETURN_IF_ERROR(RemoveEntry(directory_.get(), absl::StrCat(record->number)));
  registry_.Retire(identity);
  return Save();
}

std::vector<TenantIdentity> TenantStore::List() const {
  const MutexLock lock(&mutex_);
  std::vector<TenantIdentity> identities;
  for (const auto& [identity, record] : registry_.tenants()) identities.push_back(identity);
  return identities;
}

}  // namespace xpool::sandbox
