// What a vendor's OpenCL driver needs of the system once it is loaded, as one profile a driver. docs/sandbox.md is the
// table with the reasons.
#pragma once

#include <string_view>
#include <vector>

#include "sandbox/spec.h"

namespace xpool::sandbox {

enum class Profile {
  kPocl,     // compiles in the process, links with /usr/bin/ld, loads what it linked
  kNull,     // xpool's driver without a device: threads and memory, no files, no processes
  kGeneric,  // a driver nobody has looked at: ioctl on device files, files, no processes. Untested on any card
};

// Sockets that can be made after entering. Those open before keep working in each case.
enum class Sockets {
  kNone,
  kUnix,      // streams and sequenced packets, so that a worker can reach its agent again
  kInternet,  // and TCP
};

// By the file name of the driver's library, with or without directories.
Profile ProfileOfLibrary(std::string_view library);
const char* ProfileName(Profile profile);

// The system's files that the driver opens after warming up.
std::vector<PathRule> ProfilePaths(Profile profile);

struct ProfileTraits {
  bool starts_processes = false;             // fork and execve, of what a path rule lets it execute
  bool writes_files = false;                 // creates, renames, removes
  bool controls_devices = false;             // any ioctl but those of terminals; device files stay open
  bool renames_between_directories = false;  // impossible under Landlock's first version
};
ProfileTraits TraitsOf(Profile profile);

}  // namespace xpool::sandbox
