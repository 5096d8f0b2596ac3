#include "shim/opencl/queue.h"

#include <utility>

#include "base/clock.h"
#include "shim/opencl/pump.h"
#include "shim/opencl/ticket.h"
#include "slice/slice_session.h"

namespace xpool::cl {

// A completion that the driver will report: of a batch of one queue, or (without a queue) of what a deleted one left.
struct Queue::Observation {
  Queue* queue = nullptr;  // referenced
  LeaseGate* gate = nullptr;
  BatchEnd batch;
  uint64_t key = 0;
};

DurationModel& Durations() {
  static auto& model = *new DurationModel;
  return model;
}

Estimate EstimateOf(const Work& work) {
  if (work.key == 0) return {work.assumed_ns, true};
  const std::optional<int64_t> known = Durations().EstimateNs(work.key);
  return known.has_value() ? Estimate{*known, true} : Estimate{work.assumed_ns, !work.measure};
}

Queue::Queue(Context* context, Device* device, cl_command_queue driver, cl_command_queue_properties flags,
             std::vector<cl_queue_properties> properties, SliceSession* session)
    : LiveObject(kKind, driver, &DestroyLive<Queue>),
      context(context),
      device(device),
      api(context->api),
      driver(driver),
      flags(flags),
      properties(std::move(properties)),
      limits(QueryDeviceLimits(*api, device->driver)),
      session(session),
      gate(session->gate()) {
  ++context->queues;
  RegisterQueue(this, session);
}

Queue::~Queue() {
  --context->queues;
  if (!OfThisProcess(*this)) return;
  UnregisterQueue(this);
  SetReadyWaiting(false);
  LeaveCompletionBehind();
  api->clReleaseCommandQueue(driver);
}

// --- The token ------------------------------------------------------------------------------------------------------

// Takes the token whatever the software queue holds; when somebody has it, makes them look again.
bool Queue::TryEnter() {
  uint32_t state = state_.load(std::memory_order_relaxed);
  while (true) {
    const bool free = (state & kToken) == 0;
    if (state_.compare_exchange_weak(state, state | (free ? kToken : kAgain))) return free;
  }
}

// Gives the token back; true when somebody asked to look again.
bool Queue::LeaveOrAgain() { return (state_.fetch_and(~(kToken | kAgain)) & kAgain) != 0; }

void Queue::LeaveAndDrain() {
  LeaveOrAgain();
  Drain();
}

void Queue::Drain(bool observe) {
  const Ref<Queue> self(this);  // the last command may hold the last other reference
  bool woke_others = false;
  bool again = true;
  while (again && TryEnter()) {
    woke_others |= ForwardReady();
    if (observe || gate.MustTrack()) ObserveRest();
    again = LeaveOrAgain();
  }
  if (woke_others) CommandsBecameReady();
}

// --- The software queue ---------------------------------------------------------------------------------------------

cl_int Queue::Append(std::unique_ptr<Command> command) {
  if (session->lost()) return CL_OUT_OF_RESOURCES;
  {
    MutexLock lock(&mutex_);
    while (commands_.size() >= kRoom && ready_waiting_ && !InDriverCallback()) changed_.Wait(&mutex_);
    if (commands_.size() >= kMostCommands) return CL_OUT_OF_HOST_MEMORY;
    command->index = next_index_++;
    command->recorded_ns = MonotonicNowNs();
    commands_.push_back(std::move(command));
    state_.fetch_or(kPending);
  }
  Drain();
  return CL_SUCCESS;
}

void Queue::AwaitForwarded() {
  MutexLock lock(&mutex_);
  const uint64_t end = next_index_;
  while (!commands_.empty() && commands_.front()->index < end) changed_.Wait(&mutex_);
}

// Forwards from the software queue while the gate admits. Returns whether commands elsewhere may have become ready.
// REQUIRES: the token is held.
bool Queue::ForwardReady() {
  if ((state_.load() & kPending) == 0) return false;
  bool woke_others = false;
  bool forwarded = false;
  bool waiting = false;
  size_t at = 0;
  while (Command* command = NextReady(&at)) {
    cl_int status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
    if (ReadinessOf(*this, command->wait_list) == Readiness::kReady) {
      const Estimate estimate = Expect(command->work);
      const LeaseGate::Verdict verdict = gate.Admit(estimate.ns);
      if (verdict != LeaseGate::Verdict::kWait) {
        status = ForwardCommand(*command, verdict, estimate);
        forwarded = true;
      } else if (session->lost()) {
        status = CL_OUT_OF_RESOURCES;  // no lease will ever come
      } else {
        waiting = true;
        break;
      }
      if (status != CL_SUCCESS && !command->event) error_.store(status);
    }
    if (status != CL_SUCCESS && command->event) command->event->End(status);
    woke_others |= command->event && command->event->awaited.load();
    Remove(at);
  }
  const bool began_waiting = SetReadyWaiting(waiting) && waiting;
  if (forwarded) api->clFlush(driver);
  if (began_waiting) KickPump();  // which finds out what is still running
  return woke_others;
}

// The next command to forward or to fail, or nullptr. Stays valid until Remove(): only the token's holder removes.
Command* Queue::NextReady(size_t* at) {
  MutexLock lock(&mutex_);
  const auto next = NextForwardable(
      commands_, out_of_order(),
      [this](const std::unique_ptr<Command>& c) { return ReadinessOf(*this, c->wait_list) != Readiness::kNotYet; },
      [](const std::unique_ptr<Command>& c) { return c->ordering; });
  if (!next.has_value()) return nullptr;
  *at = *next;
  return commands_[*next].get();
}

cl_int Queue::ForwardCommand(Command& command, LeaseGate::Verdict verdict, const Estimate& estimate) {
  absl::InlinedVector<cl_event, 16> waits;
  for (const Ref<Event>& event : command.wait_list) {
    if (event->OutlookFor(*this).stage == Event::Stage::kForwarded) waits.push_back(event->driver);
  }
  const Forwarded result =
      ForwardAdmitted(verdict, command.work, estimate, static_cast<bool>(command.event), [&](cl_event* driver_event) {
        return command.forward(driver, static_cast<cl_uint>(waits.size()), waits.empty() ? nullptr : waits.data(),
                               driver_event);
      });
  if (result.status == CL_SUCCESS && command.event) {
    command.event->BecomeForwarded(result.driver_event, result.mark, MonotonicNowNs() - command.recorded_ns);
  }
  return result.status;
}

void Queue::Remove(size_t at) {
  std::unique_ptr<Command> done;  // dropped without the lock: its references may be the last
  MutexLock lock(&mutex_);
  done = std::move(commands_[at]);
  commands_.erase(commands_.begin() + static_cast<std::ptrdiff_t>(at));
  if (commands_.empty()) state_.fetch_and(~kPending);
  changed_.SignalAll();
}

// Notes whether ready commands wait for the gate; true when that is a change.
bool Queue::SetReadyWaiting(bool waiting) {
  MutexLock lock(&mutex_);
  if (ready_waiting_ == waiting) return false;
  ready_waiting_ = waiting;
  AddReadyWaiting(waiting ? 1 : -1);
  changed_.SignalAll();
  return true;
}

// --- Completion -----------------------------------------------------------------------------------------------------

void Queue::Complete(const Mark& mark) {
  const Mark news = tracker_.CompleteThrough(mark);
  if (news.commands == 0) return;
  if (gate.Complete(static_cast<uint32_t>(news.commands), news.estimate_ns, AnyReadyWaiting())) KickPump();
}

// The driver refused a command that the gate had admitted.
void Queue::Refused(int64_t estimate_ns) { gate.Complete(1, estimate_ns, AnyReadyWaiting()); }

void CL_CALLBACK Queue::OnObserved(cl_event, cl_int status, void* data) {
  const auto seen = RedeemTicket<Observation>(data);
  DriverCallbackScope scope;
  if (seen.queue == nullptr) {
    const auto commands = static_cast<uint32_t>(seen.batch.end.commands);
    if (seen.gate->Complete(commands, seen.batch.end.estimate_ns, AnyReadyWaiting())) KickPump();
    return;
  }
  Queue& queue = *seen.queue;
  std::optional<int64_t> duration;
  {
    MutexLock lock(&queue.mutex_);
    duration = queue.meter_.BatchCompleted(seen.batch, MonotonicNowNs());
  }
  if (duration.has_value() && seen.key != 0 && status == CL_COMPLETE) Durations().Record(seen.key, *duration);
  queue.Complete(seen.batch.end);
  UnrefInCallback(&queue);
}

// Has the completion of |batch|, whose last command |driver_event| belongs to, reported. In an out-of-order queue the
// end of one command says nothing of those before it, so there a marker tells. REQUIRES: the token is held.
void Queue::Observe(cl_event driver_event, const BatchEnd& batch, uint64_t key) {
  const cl_event marker = out_of_order() ? PutMarker() : nullptr;
  ObserveBy(marker != nullptr ? marker : driver_event, batch, key);
  if (marker != nullptr) api->clReleaseEvent(marker);
}

void Queue::ObserveBy(cl_event covering_event, const BatchEnd& batch, uint64_t key) {
  refs.fetch_add(1, std::memory_order_relaxed);  // the observation's
  observed_ = batch.end;
  auto ticket = IssueTicket(Observation{this, &gate, batch, key});
  if (api->clSetEventCallback(covering_event, CL_COMPLETE, &OnObserved, ticket.get()) == CL_SUCCESS) {
    static_cast<void>(ticket.release());  // OnObserved redeems it
    api->clFlush(driver);
  } else {  // a driver without event callbacks: nothing better than to take it for done
    refs.fetch_sub(1, std::memory_order_acq_rel);
    Complete(batch.end);
  }
}

// Makes sure that the completion of all that was forwarded will be reported. REQUIRES: the token is held.
void Queue::ObserveRest() {
  const Mark last = tracker_.Last();
  if (observed_.commands == last.commands || tracker_.AllComplete()) return;
  const cl_event marker = PutMarker();
  if (marker == nullptr) return;
  ObserveBy(marker, {observed_, last, last.estimate_ns - observed_.estimate_ns, MonotonicNowNs(), true}, 0);
  api->clReleaseEvent(marker);
}

// A driver event that completes when all that was forwarded has; nullptr when the driver refuses.
cl_event Queue::PutMarker() {
  cl_event marker = nullptr;
  if (api->clEnqueueMarkerWithWaitList(driver, 0, nullptr, &marker) == CL_SUCCESS) return marker;
  return api->clEnqueueMarker(driver, &marker) == CL_SUCCESS ? marker : nullptr;
}

// The queue goes while commands of it run: their completion is still owed to the gate.
void Queue::LeaveCompletionBehind() {
  const Mark rest = tracker_.CompleteThrough(tracker_.Last());
  if (rest.commands == 0 || remote()) return;
  const cl_event marker = PutMarker();
  auto ticket = IssueTicket(Observation{nullptr, &gate, {{}, rest, 0, 0, true}, 0});
  if (marker != nullptr && api->clSetEventCallback(marker, CL_COMPLETE, &OnObserved, ticket.get()) == CL_SUCCESS) {
    static_cast<void>(ticket.release());
    api->clFlush(driver);
  } else {
    gate.Complete(static_cast<uint32_t>(rest.commands), rest.estimate_ns, AnyReadyWaiting());
  }
  if (marker != nullptr) api->clReleaseEvent(marker);
}

}  // namespace xpool::cl
