#include "sandbox/profile.h"

#include <utility>

namespace xpool::sandbox {
namespace {

PathRule Optional(const char* path, Access access) { return {path, access, true}; }

// Libraries and what finds them: dlopen of what PoCL linked, the linker's own libraries, the C runtime it links
// against.
std::vector<PathRule> LibraryPaths() {
  return {Optional("/usr/lib", Access::kRead), Optional("/usr/lib64", Access::kRead), Optional("/lib", Access::kRead),
          Optional("/lib64", Access::kRead), Optional("/etc/ld.so.cache", Access::kRead)};
}

// The one program PoCL starts, and the loader that the kernel opens to start it.
std::vector<PathRule> LinkerPaths() {
  return {Optional("/usr/bin/ld", Access::kReadExecute), Optional("/lib64/ld-linux-x86-64.so.2", Access::kReadExecute),
          Optional("/lib/ld-linux-aarch64.so.1", Access::kReadExecute)};
}

}  // namespace

Profile ProfileOfLibrary(std::string_view library) {
  const std::string_view name = library.substr(library.rfind('/') + 1);  // npos + 1 is 0
  if (name.starts_with("libpocl")) return Profile::kPocl;
  if (name.starts_with("libxpool-null-opencl")) return Profile::kNull;
  return Profile::kGeneric;
}

const char* ProfileName(Profile profile) {
  switch (profile) {
    case Profile::kPocl:
      return "pocl";
    case Profile::kNull:
      return "null";
    case Profile::kGeneric:
      return "generic";
  }
  return "unknown";
}

std::vector<PathRule> ProfilePaths(Profile profile) {
  std::vector<PathRule> paths = LibraryPaths();
  paths.push_back(Optional("/dev/null", Access::kReadWrite));
  if (profile != Profile::kPocl) return paths;
  for (PathRule& rule : LinkerPaths()) paths.push_back(std::move(rule));
  // Its headers and the library of built-in functions, read at every build.
  paths.push_back(Optional("/usr/share/pocl", Access::kRead));
  return paths;
}

ProfileTraits TraitsOf(Profile profile) {
  switch (profile) {
    case Profile::kPocl:
      return {.starts_processes = true, .writes_files = true, .renames_between_directories = true};
    case Profile::kNull:
      return {};
    case Profile::kGeneric:
      return {.writes_files = true, .controls_devices = true};
  }
  return {};
}

}  // namespace xpool::sandbox
