#include "worker/queue_tails.h"

#include <utility>

#include "worker/queue_order.h"

namespace xpool::worker {

bool QueueTails::Wants(wire::WireHandle queue) const {
  const auto found = tails_.find(queue.bits);
  return found != tails_.end() && found->second.commands < kMostCommands;
}

void QueueTails::Served(wire::WireHandle queue, cl_event event) {
  const auto found = tails_.find(queue.bits);
  const bool known = found != tails_.end();
  const cl_event unused = known ? std::exchange(found->second.last, event) : event;
  if (unused != nullptr) api_.clReleaseEvent(unused);
  if (known) ++found->second.commands;
}

cl_event QueueTails::Finish(wire::WireHandle queue, cl_command_queue driver_queue) {
  auto found = tails_.find(queue.bits);
  if (found == tails_.end()) {
    if (!KeepsOrder(api_, driver_queue)) return nullptr;
    found = tails_.try_emplace(queue.bits).first;
  }
  found->second.commands = 0;
  return std::exchange(found->second.last, nullptr);
}

void QueueTails::Forget(wire::WireHandle queue) {
  const auto found = tails_.find(queue.bits);
  if (found == tails_.end()) return;
  if (found->second.last != nullptr) api_.clReleaseEvent(found->second.last);
  tails_.erase(found);
}

}  // namespace xpool::worker
