// Callbacks on the worker's side. A program's callback crosses as a token; the driver is given one of the functions
// here, which reports that the callback is due. How that reaches the client is the worker's concern.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"
#include "generated/opencl/dispatch_table.h"
#include "wire_opencl/call_values.h"

namespace xpool::wire_cl {

struct CallbackFired {
  CallId call;  // that registered it
  uint64_t token = 0;
  cl_int status = 0;         // of an event
  std::string_view message;  // of a context; valid during Fired() only
};

class CallbackTable;

// The user_data of a driver's callback.
struct CallbackRecord {
  CallbackTable* table;
  CallId call;
  uint64_t token;
};

// The callbacks of one session that the driver may still call. Thread-safe. Outlives the driver's last callback.
class CallbackTable {
 public:
  virtual ~CallbackTable() = default;

  CallbackRecord* Add(CallId call, uint64_t token);
  // It has been called for the only time, or no driver got it. It may be gone already.
  void Drop(CallbackRecord* record);

  // The callback is due. Called on any thread, the driver's among them; must not call the driver.
  virtual void Fired(const CallbackFired& fired) = 0;

 private:
  Mutex mutex_;
  absl::flat_hash_map<CallbackRecord*, std::unique_ptr<CallbackRecord>> records_ ABSL_GUARDED_BY(mutex_);
};

// The function that is given to the driver for a callback of type Function; nullptr if |record| is.
template <typename Function>
Function Trampoline(const CallbackRecord* record);

template <>
cl::ContextCallback Trampoline<cl::ContextCallback>(const CallbackRecord* record);  // fires any number of times
template <>
cl::ContextDestructorCallback Trampoline<cl::ContextDestructorCallback>(const CallbackRecord* record);
template <>
cl::MemDestructorCallback Trampoline<cl::MemDestructorCallback>(const CallbackRecord* record);
template <>
cl::ProgramCallback Trampoline<cl::ProgramCallback>(const CallbackRecord* record);
template <>
cl::EventCallback Trampoline<cl::EventCallback>(const CallbackRecord* record);

}  // namespace xpool::wire_cl
