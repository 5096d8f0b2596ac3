// Executes commands: one worker thread for the whole device takes, in the order of submission, the next command whose
// wait list is complete and whose queue lets it go. With XPOOL_NULL_SYNC there is no worker; whoever makes a command
// ready executes it. A forked child gets an engine of its own. Thread-safe; no lock is held while a command's work or a
// callback runs.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "backend/null/objects.h"
#include "base/clock.h"

namespace xpool::null_cl {

// The parts of an enqueue call that are the same everywhere.
struct Sync {
  cl_uint num_waits = 0;
  const cl_event* waits = nullptr;
  cl_event* event = nullptr;
  bool blocking = false;
};

class Engine {
 public:
  static Engine& Get();

  // Adds a command. When |sync| is blocking, returns after its end, with its error if it failed.
  cl_int Submit(Queue* queue, cl_command_type type, const Sync& sync, Command::Order order,
                std::function<cl_int()> work);

  // Waits for the end of everything enqueued on |queue|, or of |event|.
  void AwaitQueue(Queue* queue);
  void AwaitEvent(Event* event);

  // Ends a user event. False when it had ended.
  bool EndUserEvent(Event* event, cl_int status);

  // Registers |callback|, or calls it when its status has passed.
  void AddCallback(Event* event, const Event::Callback& callback);

 private:
  Engine() = default;

  std::unique_ptr<Command> TakeReady();
  std::unique_ptr<Command> TakeReadyOf(Queue* queue);
  void Execute(std::unique_ptr<Command> command);
  void Advance(Event* event, cl_int status);
  void Wake();
  void Drain();
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool worker_started_ = false;
  bool draining_ = false;
  uint64_t next_sequence_ = 0;
  std::vector<Queue*> queues_;  // those with commands that have not started
};

// Whether the commands of |sync| may run inside the call: nothing to wait for.
bool CanRunInline(const Queue& queue, const Sync& sync);

// Gives the program the event of a command that ran inside its call.
void ReturnEndedEvent(Queue* queue, cl_command_type type, cl_int status, int64_t start_ns, cl_event* event);

// Whether the events of |sync| are of the queue's context.
bool SameContext(const Queue& queue, const Sync& sync);

// Enqueues |work| (a callable that returns CL_SUCCESS or the command's error).
template <typename Work>
cl_int Enqueue(Queue* queue, cl_command_type type, const Sync& sync, Work work,
               Command::Order order = Command::Order::kNormal) {
  if (!SameContext(*queue, sync)) return CL_INVALID_CONTEXT;
  if (!CanRunInline(*queue, sync)) return Engine::Get().Submit(queue, type, sync, order, std::move(work));
  const int64_t start_ns = sync.event == nullptr ? 0 : MonotonicNowNs();
  const cl_int status = work();
  if (sync.event != nullptr) ReturnEndedEvent(queue, type, status, start_ns, sync.event);
  return sync.blocking ? status : CL_SUCCESS;
}

}  // namespace xpool::null_cl
