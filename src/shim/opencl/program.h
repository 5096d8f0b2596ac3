// A program. The driver compiles it; to builds from source the shim adds -cl-kernel-arg-info, so that the kinds of
// kernel arguments are known, and hides that from the program. Immutable after creation but for |mutex|'s members.
#pragma once

#include <atomic>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "shim/opencl/context.h"

namespace xpool::cl {

struct Program : Object {
  static constexpr Kind kKind = Kind::kProgram;
  using Handle = cl_program;
  static constexpr cl_int kInvalid = CL_INVALID_PROGRAM;
  using ReleaseCallback = void(CL_CALLBACK*)(cl_program, void*);

  Program(Context* context, cl_program driver, bool from_source);
  ~Program();

  const Ref<Context> context;
  const DispatchTable* const api;
  const cl_program driver;
  const bool from_source;
  std::atomic<bool> options_extended{false};  // the last build got -cl-kernel-arg-info from the shim
  Mutex mutex;
  std::vector<std::pair<ReleaseCallback, void*>> release_callbacks ABSL_GUARDED_BY(mutex);
};

// The program behind |handle| when it may be used in this process; nullptr otherwise (then CL_INVALID_PROGRAM).
inline Program* UsableProgram(cl_program handle) {
  Program* program = FromHandle<Program>(handle);
  return program != nullptr && OfThisProcess(*program) ? program : nullptr;
}

}  // namespace xpool::cl
