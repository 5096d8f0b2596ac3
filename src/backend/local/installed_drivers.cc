// ListInstalledDrivers(): reads the registration files of ICD drivers.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "backend/local/driver.h"

namespace xpool::local {
namespace {

constexpr char kVendorDirectory[] = "/etc/OpenCL/vendors";
constexpr char kOwnShim[] = "libxpool-opencl";

// The first line of an .icd file names the library.
std::string ReadLibrary(const std::string& icd_file) {
  std::ifstream file(icd_file);
  std::string line;
  std::getline(file, line);
  return std::string(absl::StripAsciiWhitespace(line));
}

std::vector<std::string> IcdFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".icd") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<InstalledDriver> Expand(const std::string& item) {
  std::error_code error;
  if (std::filesystem::is_directory(item, error)) {
    std::vector<InstalledDriver> drivers;
    for (const std::string& file : IcdFiles(item)) drivers.push_back({file, ReadLibrary(file)});
    return drivers;
  }
  if (absl::EndsWith(item, ".icd")) return {{item, ReadLibrary(item)}};
  return {{"", item}};
}

}  // namespace

std::vector<InstalledDriver> ListInstalledDrivers() {
  const char* const override_list = std::getenv("XPOOL_ICD_VENDORS");
  const std::string list = override_list != nullptr && *override_list != 0 ? override_list : kVendorDirectory;
  std::vector<InstalledDriver> drivers;
  absl::flat_hash_set<std::string> seen;
  for (const std::string& item : std::vector<std::string>(absl::StrSplit(list, ':', absl::SkipEmpty()))) {
    for (InstalledDriver& driver : Expand(item)) {
      const std::string name = std::filesystem::path(driver.library).filename().string();
      if (name.empty() || absl::StartsWith(name, kOwnShim)) continue;
      if (seen.insert(driver.library).second) drivers.push_back(std::move(driver));
    }
  }
  return drivers;
}

}  // namespace xpool::local
