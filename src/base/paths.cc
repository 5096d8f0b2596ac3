#include "base/paths.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/status.h"

namespace xpool {
namespace {

constexpr char kMachineDirectory[] = "/run/xpool";

bool IsSet(const char* value) { return value != nullptr && *value != '\0'; }

}  // namespace

AgentPaths OwnAgentPaths() {
  if (const char* directory = getenv("XPOOL_DIR"); IsSet(directory)) return {directory};
  if (geteuid() == 0) return {kMachineDirectory};
  if (const char* runtime = getenv("XDG_RUNTIME_DIR"); IsSet(runtime)) return {absl::StrCat(runtime, "/xpool")};
  return {absl::StrCat("/tmp/xpool-", geteuid())};
}

AgentPaths ClientAgentPaths() {
  const AgentPaths own = OwnAgentPaths();
  if (IsSet(getenv("XPOOL_DIR")) || own.directory == kMachineDirectory) return own;
  const AgentPaths machine{kMachineDirectory};
  return access(machine.session_socket().c_str(), R_OK | W_OK) == 0 ? machine : own;
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
