// A program. The driver compiles it; the shim adds -cl-kernel-arg-info so that the kinds of kernel arguments are known,
// and remembers the options as the program gave them.
#pragma once

#include <atomic>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "shim/opencl/context.h"

namespace xpool::cl {

struct Program : Object {
  static constexpr Kind kKind = Kind::kProgram;
  using Handle = cl_program;
  static constexpr cl_int kInvalid = CL_INVALID_PROGRAM;

  Program(Context* context, cl_program driver, bool from_source);
  ~Program();

  const Ref<Context> context;
  const DispatchTable* const api;
  const cl_program driver;
  const bool from_source;
  absl::Mutex mutex;
  bool options_extended ABSL_GUARDED_BY(mutex) = false;  // the last build got -cl-kernel-arg-info from the shim
  std::string options ABSL_GUARDED_BY(mutex);            // ... and these are the program's own
};

}  // namespace xpool::cl
