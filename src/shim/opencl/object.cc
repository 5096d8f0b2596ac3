#include "shim/opencl/object.h"

#include <pthread.h>

#include "generated/opencl/icd_dispatch.h"

namespace xpool::cl {
namespace {

std::atomic<uint32_t> generation{0};

// Registered before the first object exists; the handler only counts.
void CountForks() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  static_cast<void>(registered);
}

}  // namespace

uint32_t ForkGeneration() { return generation.load(std::memory_order_relaxed); }

Object::Object(Kind kind)
    : icd_dispatch(&kIcdDispatch), kind(kind), fork_generation((CountForks(), ForkGeneration())) {}

}  // namespace xpool::cl
