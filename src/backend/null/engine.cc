#include "backend/null/engine.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "backend/null/config.h"

namespace xpool::null_cl {
namespace {

std::atomic<Engine*> current_engine{nullptr};

bool Ended(const Event& event) { return event.status.load(std::memory_order_acquire) <= CL_COMPLETE; }

bool WaitsOver(const Command& command) {
  return std::all_of(command.waits.begin(), command.waits.end(), [](const auto& event) { return Ended(*event); });
}

bool WaitsFailed(const Command& command) {
  return std::any_of(command.waits.begin(), command.waits.end(), [](const auto& event) { return event->status < 0; });
}

}  // namespace

Engine& Engine::Get() {
  Engine* engine = current_engine.load(std::memory_order_acquire);
  if (engine != nullptr) return *engine;
  static std::mutex& making = *new std::mutex;
  const std::lock_guard lock(making);
  if (current_engine.load() == nullptr) {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { current_engine.store(new Engine); });
    (void)registered;
    current_engine.store(new Engine);
  }
  return *current_engine.load();
}

cl_int Engine::Submit(Queue* queue, cl_command_type type, const Sync& sync, Command::Order order,
                      std::function<cl_int()> work) {
  auto command = std::make_unique<Command>();
  command->order = order;
  command->work = std::move(work);
  for (cl_uint i = 0; i < sync.num_waits; ++i) command->waits.emplace_back(As<Event>(sync.waits[i]));
  auto* event = new Event(queue->context.get(), queue, type, CL_QUEUED);
  const Ref<Event> keep(event);
  event->times_ns[0] = MonotonicNowNs();
  command->event = keep;
  {
    const std::lock_guard lock(mutex_);
    command->sequence = next_sequence_++;
    queue->unfinished.fetch_add(1);
    queue->commands.push_back(std::move(command));
    if (std::find(queues_.begin(), queues_.end(), queue) == queues_.end()) queues_.push_back(queue);
  }
  Wake();
  if (sync.blocking) AwaitEvent(event);
  const cl_int status = event->status;
  if (sync.event != nullptr) {
    *sync.event = ToHandle(event);
  } else {
    Release<Event>(ToHandle(event));
  }
  return sync.blocking && status < 0 ? status : CL_SUCCESS;
}

void Engine::AwaitQueue(Queue* queue) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue->unfinished == 0; });
}

void Engine::AwaitEvent(Event* event) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return Ended(*event); });
}

bool Engine::EndUserEvent(Event* event, cl_int status) {
  {
    const std::lock_guard lock(mutex_);
    if (event->times_ns[3] != 0) return false;
    event->times_ns[3] = MonotonicNowNs();
  }
  Advance(event, status);
  Wake();
  return true;
}

void Engine::AddCallback(Event* event, const Event::Callback& callback) {
  {
    const std::lock_guard lock(mutex_);
    if (event->status > callback.status) {
      event->callbacks.push_back(callback);
      return;
    }
  }
  const cl_int status = event->status;
  callback.function(ToHandle(event), status < 0 ? status : callback.status, callback.user_data);
}

// Moves |event| to |status| and calls the callbacks that were waiting for it, with the lock free.
void Engine::Advance(Event* event, cl_int status) {
  std::vector<Event::Callback> due;
  {
    const std::lock_guard lock(mutex_);
    event->status.store(status, std::memory_order_release);
    if (status <= CL_COMPLETE && event->queue) event->queue->unfinished.fetch_sub(1);
    auto& callbacks = event->callbacks;
    const auto later = std::stable_partition(
        callbacks.begin(), callbacks.end(), [&](const Event::Callback& callback) { return callback.status >= status; });
    due.assign(callbacks.begin(), later);
    callbacks.erase(callbacks.begin(), later);
  }
  changed_.notify_all();
  for (const Event::Callback& callback : due) {
    callback.function(ToHandle(event), status < 0 ? status : callback.status, callback.user_data);
  }
}

// The first command of |queue| that may start. REQUIRES: |mutex_| is held.
std::unique_ptr<Command> Engine::TakeReadyOf(Queue* queue) {
  auto& commands = queue->commands;
  for (size_t i = 0; i < commands.size(); ++i) {
    const bool first = i == 0 || commands[i]->order == Command::Order::kNormal;
    if (first && WaitsOver(*commands[i])) {
      auto command = std::move(commands[i]);
      commands.erase(commands.begin() + static_cast<std::ptrdiff_t>(i));
      return command;
    }
    if (queue->InOrder() || commands[i]->order == Command::Order::kBarrier) break;
  }
  return nullptr;
}

// REQUIRES: |mutex_| is held.
std::unique_ptr<Command> Engine::TakeReady() {
  std::sort(queues_.begin(), queues_.end(), [](const Queue* a, const Queue* b) {
    return a->commands.front()->sequence < b->commands.front()->sequence;
  });
  for (size_t i = 0; i < queues_.size(); ++i) {
    auto command = TakeReadyOf(queues_[i]);
    if (command == nullptr) continue;
    if (queues_[i]->commands.empty()) queues_.erase(queues_.begin() + static_cast<std::ptrdiff_t>(i));
    return command;
  }
  return nullptr;
}

void Engine::Execute(std::unique_ptr<Command> command) {
  const Ref<Event> event = command->event;
  cl_int status = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
  event->times_ns[1] = event->times_ns[2] = MonotonicNowNs();
  if (!WaitsFailed(*command)) {
    Advance(event.get(), CL_SUBMITTED);
    Advance(event.get(), CL_RUNNING);
    status = command->work();
  }
  event->times_ns[3] = MonotonicNowNs();
  command.reset();  // what it kept alive goes before its end is known
  Advance(event.get(), status);
}

void Engine::Wake() {
  if (GetConfig().sync) return Drain();
  {
    const std::lock_guard lock(mutex_);
    if (!worker_started_) std::thread([this] { Work(); }).detach();
    worker_started_ = true;
  }
  changed_.notify_all();
}

void Engine::Drain() {
  std::unique_lock lock(mutex_);
  if (draining_) return;  // that thread takes what is ready by now, too
  draining_ = true;
  while (auto command = TakeReady()) {
    lock.unlock();
    Execute(std::move(command));
    lock.lock();
  }
  draining_ = false;
}

void Engine::Work() {
  pthread_setname_np(pthread_self(), "xpool-null");
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are the program's
  std::unique_lock lock(mutex_);
  while (true) {
    if (auto command = TakeReady()) {
      lock.unlock();
      Execute(std::move(command));
      lock.lock();
    } else {
      changed_.wait(lock);
    }
  }
}

bool CanRunInline(const Queue& queue, const Sync& sync) {
  if (!GetConfig().sync || queue.unfinished.load(std::memory_order_acquire) != 0) return false;
  for (cl_uint i = 0; i < sync.num_waits; ++i) {
    if (As<Event>(sync.waits[i])->status != CL_COMPLETE) return false;
  }
  return true;
}

void ReturnEndedEvent(Queue* queue, cl_command_type type, cl_int status, int64_t start_ns, cl_event* event) {
  auto* ended = new Event(queue->context.get(), queue, type, status);
  ended->times_ns[0] = ended->times_ns[1] = ended->times_ns[2] = start_ns;
  ended->times_ns[3] = MonotonicNowNs();
  *event = ToHandle(ended);
}

bool SameContext(const Queue& queue, const Sync& sync) {
  for (cl_uint i = 0; i < sync.num_waits; ++i) {
    if (As<Event>(sync.waits[i])->context.get() != queue.context.get()) return false;
  }
  return true;
}

}  // namespace xpool::null_cl
