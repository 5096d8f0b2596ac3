#include "base/thread.h"

#include <pthread.h>

#include <system_error>
#include <thread>
#include <utility>

namespace xpool {

bool StartDetached(const char* name, absl::AnyInvocable<void()> work) {
  try {
    std::thread([name, work = std::move(work)]() mutable {
      pthread_setname_np(pthread_self(), name);
      work();
    }).detach();
    return true;
  } catch (const std::system_error&) {  // the one way in which std::thread says so
    return false;
  }
}

}  // namespace xpool
