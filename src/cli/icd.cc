#include "cli/icd.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace xpool::cli {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The folder's name follows from the library's path, so that two installations do not overwrite each other's.
uint64_t Fnv1a(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

absl::Status WriteIcd(const fs::path& path, const std::string& shim) {
  const fs::path temporary = absl::StrCat(path.string(), ".", getpid(), ".new");
  std::ofstream file(temporary);
  file << shim << "\n";
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  if (!file || error) {
    fs::remove(temporary, error);
    return absl::InternalError(absl::StrCat("cannot write ", path.string(), ": is the disk full?"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> FindShim(const std::string& executable_directory) {
  std::vector<std::string> folders;
  if (const char* folder = getenv("XPOOL_SHIM_DIR"); folder != nullptr && *folder != '\0') {
    folders = {folder};
  } else {
    const std::string lib = fs::path(executable_directory).parent_path().string() + "/lib";
    folders = {lib + "/xpool", lib};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(lib, error)) {
      if (entry.is_directory(error) && entry.path().filename().string().find("-linux-") != std::string::npos) {
        folders.push_back(entry.path().string() + "/xpool");
        folders.push_back(entry.path().string());
      }
    }
  }
  for (const std::string& folder : folders) {
    std::error_code error;
    const fs::path path = fs::absolute(fs::path(folder) / kShimLibrary, error);
    if (access(path.c_str(), R_OK) == 0) return path.string();
  }
  return absl::NotFoundError(absl::StrCat(kShimLibrary, " was not found in ", absl::StrJoin(folders, ", "),
                                          ": reinstall xpool, or set XPOOL_SHIM_DIR to the folder that holds it"));
}

absl::StatusOr<std::string> MakeIcdFolder(const AgentPaths& paths, const std::string& shim) {
  struct stat info;
  const bool ours = stat(paths.directory.c_str(), &info) == 0 && info.st_uid == geteuid();
  const std::string base = ours ? paths.directory : UserRuntimeDirectory();
  RETURN_IF_ERROR(EnsureOwnDirectory(base));
  const fs::path folder = fs::path(base) / "icd" / absl::StrFormat("%016x", Fnv1a(shim));
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat("cannot create ", folder.string(), ": ", error.message()));
  const fs::path icd = folder / "xpool-opencl.icd";
  if (FirstLine(icd) != shim) RETURN_IF_ERROR(WriteIcd(icd, shim));
  return folder.string();
}

void UseOnlyIcdFolder(Environment& environment, const std::string& icd_folder) {
  SetVariable(environment, "OCL_ICD_VENDORS", icd_folder);
  SetVariable(environment, "OPENCL_VENDOR_PATH", icd_folder);
  // Libraries named here would be loaded besides the folder's.
  UnsetVariable(environment, "OCL_ICD_FILENAMES");
}

void TuneDriverForLeases(Environment& environment) {
  if (GetVariable(environment, "POCL_AFFINITY").empty()) SetVariable(environment, "POCL_AFFINITY", "1");
}

}  // namespace xpool::cli
