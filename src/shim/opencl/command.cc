#include "shim/opencl/command.h"

namespace xpool::cl {

Readiness ReadinessOf(const std::vector<Ref<Event>>& wait_list) {
  Readiness readiness = Readiness::kReady;
  for (const Ref<Event>& event : wait_list) {
    const Event::Stage stage = event->stage.load();
    if (stage == Event::Stage::kEnded && event->end_status < 0) return Readiness::kFailed;
    if (stage == Event::Stage::kQueued) readiness = Readiness::kNotYet;
  }
  return readiness;
}

}  // namespace xpool::cl
