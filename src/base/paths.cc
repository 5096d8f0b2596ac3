#include "base/paths.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/status.h"

namespace xpool {
namespace {

constexpr char kMachineDirectory[] = "/run/xpool";

bool IsSet(const char* value) { return value != nullptr && *value != '\0'; }

std::string EnvironmentOr(const char* name, std::string otherwise) {
  const char* value = getenv(name);
  return IsSet(value) ? value : otherwise;
}

}  // namespace

AgentPaths OwnAgentPaths() {
  if (const char* directory = getenv("XPOOL_DIR"); IsSet(directory)) return {directory};
  if (geteuid() == 0) return {kMachineDirectory};
  return {UserRuntimeDirectory()};
}

AgentPaths ClientAgentPaths() {
  const AgentPaths own = OwnAgentPaths();
  if (IsSet(getenv("XPOOL_DIR")) || own.directory == kMachineDirectory) return own;
  const AgentPaths machine{kMachineDirectory};
  return access(machine.session_socket().c_str(), R_OK | W_OK) == 0 ? machine : own;
}

std::string AgentPaths::pki_directory() const {
  return directory == kMachineDirectory ? "/etc/xpool/pki" : directory + "/pki";
}

std::string AgentPaths::cache_directory() const {
  if (directory == kMachineDirectory) return "/var/cache/xpool";
  if (directory != UserRuntimeDirectory()) return directory + "/cache";
  if (const char* cache = getenv("XDG_CACHE_HOME"); IsSet(cache)) return absl::StrCat(cache, "/xpool");
  return absl::StrCat(HomeDirectory(), "/.cache/xpool");
}

std::string UserPaths::identity() const { return EnvironmentOr("XPOOL_IDENTITY", directory + "/identity.pem"); }
std::string UserPaths::nodes() const { return EnvironmentOr("XPOOL_NODES", directory + "/nodes"); }

std::string UserRuntimeDirectory() {
  if (const char* runtime = getenv("XDG_RUNTIME_DIR"); IsSet(runtime)) return absl::StrCat(runtime, "/xpool");
  return absl::StrCat("/tmp/xpool-", geteuid());
}

std::string HomeDirectory() {
  if (const char* home = getenv("HOME"); IsSet(home)) return home;
  passwd entry;
  passwd* found = nullptr;
  char buffer[4096];
  const bool known = getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found != nullptr;
  return known && IsSet(entry.pw_dir) ? entry.pw_dir : "/";
}

UserPaths OwnUserPaths() {
  // A relative one is to be ignored, says the XDG base directory specification.
  if (const char* config = getenv("XDG_CONFIG_HOME"); IsSet(config) && *config == '/')
    return {absl::StrCat(config, "/xpool")};
  return {absl::StrCat(HomeDirectory(), "/.config/xpool")};
}

absl::Status EnsureOwnDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return absl::InternalError(absl::StrCat("cannot create ", directory, ": ", error.message()));
  struct stat info;
  if (stat(directory.c_str(), &info) != 0) return ErrnoStatus(absl::StrCat("stat ", directory));
  if (info.st_uid != geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        directory, " must belong to the agent's user and be writable by nobody else; choose another with XPOOL_DIR"));
  }
  return absl::OkStatus();
}

}  // namespace xpool
