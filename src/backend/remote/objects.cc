#include "backend/remote/objects.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "backend/remote/callback_thread.h"
#include "backend/remote/cl_link.h"
#include "backend/remote/svm_space.h"

namespace xpool::remote {

using wire_cl::CallId;

namespace {

// Has |link|'s worker release |object|.
absl::Status EncodeRelease(CallId call, Object* object, wire_cl::Encoder& encoder) {
  switch (call) {
    case CallId::clReleaseDevice:
      return wire_cl::EncodeCall_clReleaseDevice(To<cl_device_id>(object), encoder);
    case CallId::clReleaseContext:
      return wire_cl::EncodeCall_clReleaseContext(To<cl_context>(object), encoder);
    case CallId::clReleaseCommandQueue:
      return wire_cl::EncodeCall_clReleaseCommandQueue(To<cl_command_queue>(object), encoder);
    case CallId::clReleaseMemObject:
      return wire_cl::EncodeCall_clReleaseMemObject(To<cl_mem>(object), encoder);
    case CallId::clReleaseSampler:
      return wire_cl::EncodeCall_clReleaseSampler(To<cl_sampler>(object), encoder);
    case CallId::clReleaseProgram:
      return wire_cl::EncodeCall_clReleaseProgram(To<cl_program>(object), encoder);
    case CallId::clReleaseKernel:
      return wire_cl::EncodeCall_clReleaseKernel(To<cl_kernel>(object), encoder);
    default:
      return wire_cl::EncodeCall_clReleaseEvent(To<cl_event>(object), encoder);
  }
}

}  // namespace

void Object::ReleaseParts(CallId call) {
  for (const Part& part : parts) {
    ClLink::CallOptions options;
    options.releases = part.handle;
    part.link->Call(call, options, [&](wire_cl::Encoder& encoder) { return EncodeRelease(call, this, encoder); })
        .IgnoreError();  // a link that is lost has nothing to release
  }
  parts.clear();
}

const InfoMemory::Bytes* InfoMemory::Find(uint64_t key) {
  MutexLock lock(&mutex_);
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : found->second.get();
}

const InfoMemory::Bytes* InfoMemory::Keep(uint64_t key, Bytes bytes) {
  MutexLock lock(&mutex_);
  std::unique_ptr<Bytes>& slot = known_[key];
  if (slot == nullptr) slot = std::make_unique<Bytes>(std::move(bytes));
  return slot.get();
}

void InfoMemory::Forget() {
  MutexLock lock(&mutex_);
  for (auto& [key, bytes] : known_) forgotten_.push_back(std::move(bytes));
  known_.clear();
}

namespace {

uint32_t NextDeviceNumber() {
  static std::atomic<uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

Device::Device(RemotePlatform* platform, ClLink* link, Device* parent)
    : Object(ValueKind::kDevice), platform(platform), link(link), parent(parent), number(NextDeviceNumber()) {}

Device::~Device() {
  if (parent != nullptr) ReleaseParts(CallId::clReleaseDevice);
}

Context::~Context() {
  {
    MutexLock lock(&movers_mutex);
    movers.clear();
  }
  SvmSpace::OfProcess().RemoveAll(this);
  ReleaseParts(CallId::clReleaseContext);
  for (size_t i = 0; i < callback_tokens.size(); ++i) links[i]->DropToken(callback_tokens[i]);
}

Mem::~Mem() {
  LiveArguments::Remove(this);
  ReleaseParts(CallId::clReleaseMemObject);
}

std::vector<HostMapping>::iterator Mem::FindMapping(const void* pointer) {
  return std::find_if(mappings.begin(), mappings.end(),
                      [pointer](const HostMapping& mapping) { return mapping.data == pointer; });
}

Sampler::~Sampler() {
  LiveArguments::Remove(this);
  ReleaseParts(CallId::clReleaseSampler);
}

Program::~Program() { ReleaseParts(CallId::clReleaseProgram); }

std::vector<ClLink*> Program::BuiltOn() {
  {
    MutexLock lock(&mutex);
    if (!built.empty()) return built;
  }
  std::vector<ClLink*> links;
  for (const Part& part : parts) links.push_back(part.link);
  return links;
}

Kernel::~Kernel() { ReleaseParts(CallId::clReleaseKernel); }

// --- Queues ---------------------------------------------------------------------------------------------------------

Queue::Queue(Context* context, Device* device, cl_command_queue_properties flags)
    : Object(ValueKind::kQueue), context(context), device(device), link(device->link), flags(flags) {}

Queue::~Queue() {
  LiveArguments::Remove(this);
  ReleaseParts(CallId::clReleaseCommandQueue);
}

DroppedEvents Queue::Add(Event* event) {
  // Nobody can ask for an event that is held here alone, unless it fails, which is the queue's error then.
  constexpr size_t kMostPending = 4096;
  DroppedEvents dropped;
  MutexLock lock(&mutex);
  while (!pending.empty() && pending.front()->complete()) {
    dropped.push_back(std::move(pending.front()));
    pending.pop_front();
  }
  const auto unobserved = [](const Ref<Event>& held) { return held->refs.load() == 1 && !held->brings_data; };
  while (pending.size() > kMostPending && unobserved(pending.front())) {
    dropped.push_back(std::move(pending.front()));
    pending.pop_front();
  }
  pending.emplace_back(event);
  return dropped;
}

void Queue::Complete(const wire_cl::Done& done) {
  const auto status_of = [&](uint64_t sequence) {
    const auto entry = std::find_if(done.entries.begin(), done.entries.end(),
                                    [&](const wire_cl::Done::Entry& e) { return e.sequence == sequence; });
    return entry == done.entries.end() ? cl_int{CL_COMPLETE} : cl_int{entry->status};
  };
  std::vector<std::pair<Ref<Event>, cl_int>> ended;
  {
    MutexLock lock(&mutex);
    std::deque<Ref<Event>> left;
    while (!pending.empty() && pending.front()->sequence <= done.through) {
      const cl_int status = status_of(pending.front()->sequence);
      if (pending.front()->brings_data && status >= 0) {
        left.push_back(std::move(pending.front()));
      } else {
        ended.emplace_back(std::move(pending.front()), status);
      }
      pending.pop_front();
    }
    pending.insert(pending.begin(), std::make_move_iterator(left.begin()), std::make_move_iterator(left.end()));
    for (const wire_cl::Done::Entry& entry : done.entries) {
      if (entry.sequence <= done.through) continue;
      const auto found = FindPending(entry.sequence);
      if (found == pending.end()) continue;
      if ((*found)->brings_data && entry.status >= 0) continue;
      ended.emplace_back(*found, entry.status);
      pending.erase(found);
    }
  }
  for (const auto& [event, status] : ended) {
    if (status < 0 && event->refs.load() == 1) SetError(status);
    event->End(status);
  }
}

std::deque<Ref<Event>>::iterator Queue::FindPending(uint64_t sequence) {
  const auto found = std::lower_bound(pending.begin(), pending.end(), sequence,
                                      [](const Ref<Event>& e, uint64_t wanted) { return e->sequence < wanted; });
  return found == pending.end() || (*found)->sequence != sequence ? pending.end() : found;
}

void Queue::Note(const wire_cl::Times& times) {
  Ref<Event> event;
  {
    MutexLock lock(&mutex);
    const auto found = FindPending(times.sequence);
    if (found == pending.end()) return;
    event = *found;
  }
  MutexLock lock(&event->mutex);
  event->times = std::make_unique<wire_cl::EventTimes>(times.times);
}

void Queue::Fail(uint64_t sequence, cl_int status) {
  Ref<Event> event;
  {
    MutexLock lock(&mutex);
    const auto found = std::lower_bound(pending.begin(), pending.end(), sequence,
                                        [](const Ref<Event>& e, uint64_t s) { return e->sequence < s; });
    if (found != pending.end() && (*found)->sequence == sequence) {
      event = *found;
      pending.erase(found);
    }
  }
  // An event that the program has given away cannot tell.
  if (!event || event->refs.load() == 1) SetError(status);
  if (event) event->End(status);
}

void Queue::FailAll(cl_int status) {
  std::deque<Ref<Event>> all;
  {
    MutexLock lock(&mutex);
    all.swap(pending);
  }
  for (const Ref<Event>& event : all) event->End(status);
}

std::vector<Ref<Event>> Queue::AwaitingData() {
  std::vector<Ref<Event>> found;
  MutexLock lock(&mutex);
  for (const Ref<Event>& event : pending) {
    if (event->brings_data && !event->complete()) found.push_back(event);
  }
  return found;
}

// --- Events ---------------------------------------------------------------------------------------------------------

Event::~Event() { ReleaseParts(CallId::clReleaseEvent); }

void Event::Watch() {
  if (complete() || watched.exchange(true)) return;
  queue->link->link().ExpectNews();
  // It may have ended before End() could see this.
  if (complete() && watched.exchange(false)) queue->link->link().NewsCame();
}

bool Event::End(cl_int with) {
  std::vector<Registered> called;
  {
    MutexLock lock(&mutex);
    if (complete()) return false;
    status.store(with);
    called.swap(callbacks);
  }
  if (watched.exchange(false)) queue->link->link().NewsCame();
  for (const Registered& one : called) {
    RunCallback([keep = Ref<Event>(this), one, with] {
      one.callback(To<cl_event>(keep.get()), with < 0 ? with : one.when, one.user_data);
    });
  }
  return true;
}

void Event::AddCallback(cl_int when, Callback callback, void* user_data) {
  cl_int now;
  {
    MutexLock lock(&mutex);
    now = status.load(std::memory_order_relaxed);
    if (now > CL_COMPLETE && when < CL_SUBMITTED) {
      callbacks.push_back({when, callback, user_data});
      return;
    }
  }
  RunCallback([keep = Ref<Event>(this), callback, user_data, told = now < 0 ? now : when] {
    callback(To<cl_event>(keep.get()), told, user_data);
  });
}

// --- Live arguments -------------------------------------------------------------------------------------------------

namespace {

struct LiveSet {
  Mutex mutex;
  absl::flat_hash_map<const void*, ValueKind> objects ABSL_GUARDED_BY(mutex);
};
LiveSet& TheLive() {
  static LiveSet& live = *new LiveSet;
  return live;
}

}  // namespace

void LiveArguments::Add(const Object* object) {
  MutexLock lock(&TheLive().mutex);
  TheLive().objects[object] = object->kind;
}

void LiveArguments::Remove(const Object* object) {
  MutexLock lock(&TheLive().mutex);
  TheLive().objects.erase(object);
}

ValueKind LiveArguments::KindOf(const void* pointer) {
  MutexLock lock(&TheLive().mutex);
  const auto found = TheLive().objects.find(pointer);
  return found == TheLive().objects.end() ? ValueKind::kNone : found->second;
}

}  // namespace xpool::remote
