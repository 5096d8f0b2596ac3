// The remote driver as the shim finds it: a library (libxpool-remote.so, beside the shim) that is loaded only by
// programs whose slices are on other nodes, for local ones need no wire and no TLS. Across the border between the two
// libraries go C types and these classes, no statuses and no containers. Thread-safe.
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstdint>

namespace xpool::cl {
struct DispatchTable;
}

namespace xpool::remote {

// A slice on another node.
class Slice {
 public:
  virtual ~Slice() = default;

  virtual cl_device_id device() = 0;
  virtual uint64_t memory_limit_bytes() const = 0;  // as of now: a resize changes it
  // What this process has of the slice's memory, after all that was called before; asks the worker. False when lost().
  virtual bool AskMemoryUsed(uint64_t* bytes) = 0;
  // The slice is gone for good: every call fails.
  virtual bool lost() const = 0;
};

// A platform whose devices are the slices. Never destroyed.
class Driver {
 public:
  virtual ~Driver() = default;

  virtual const cl::DispatchTable& api() const = 0;
  virtual cl_platform_id platform() = 0;
  virtual size_t slice_count() const = 0;
  virtual Slice* slice(size_t index) = 0;

  // Calls |function|(|data|) soon, on the thread of the program's callbacks.
  virtual void CallSoon(void (*function)(void*), void* data) = 0;

  // The process ends: the workers need not wait for it.
  virtual void Leave() = 0;
};

// What the library exports, by the name kAttachName: connects to the slices that the file |path| names (slice_file.h).
// nullptr with a sentence in |error|. A child of fork() attaches anew.
using AttachFunction = Driver* (*)(const char* path, char* error, size_t error_bytes);
inline constexpr char kAttachName[] = "xpool_remote_attach";
inline constexpr char kLibraryName[] = "libxpool-remote.so";

}  // namespace xpool::remote
