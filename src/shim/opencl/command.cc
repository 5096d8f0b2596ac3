#include "shim/opencl/command.h"

namespace xpool::cl {

Readiness ReadinessOf(const Queue& queue, const std::vector<Ref<Event>>& wait_list) {
  Readiness readiness = Readiness::kReady;
  for (const Ref<Event>& event : wait_list) {
    const Event::Outlook outlook = event->OutlookFor(queue);
    if (outlook.stage == Event::Stage::kEnded && outlook.end_status < 0) return Readiness::kFailed;
    if (outlook.stage == Event::Stage::kQueued) readiness = Readiness::kNotYet;
  }
  return readiness;
}

}  // namespace xpool::cl
