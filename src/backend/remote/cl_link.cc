#include "backend/remote/cl_link.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backend/remote/callback_thread.h"
#include "backend/remote/program_output.h"
#include "base/status.h"
#include "wire/reader.h"

namespace xpool::remote {

using wire_cl::CallId;
using wire_cl::Notice;

namespace {

constexpr size_t kKinds = static_cast<size_t>(ValueKind::kEvent);

// Bytes that calls which this thread has posted are still to send by the bulk lane.
struct PendingBulk {
  uint64_t transfer;
  std::span<const std::byte> bytes;
  std::shared_ptr<std::byte[]> packed;  // owns |bytes|, or is empty and they are the program's
};
thread_local std::vector<PendingBulk> pending_bulk;

// The source's bytes in one piece: where they are, or packed.
absl::StatusOr<PendingBulk> Dense(const wire_cl::HostSource& source) {
  const auto* const data = static_cast<const std::byte*>(source.data);
  PendingBulk bulk{0, {data + source.layout.offset, source.layout.bytes()}, {}};
  if (source.layout.dense()) return bulk;
  bulk.packed.reset(new (std::nothrow) std::byte[source.layout.bytes()]);
  if (bulk.packed == nullptr)
    return absl::ResourceExhaustedError(absl::StrCat("no memory to pack ", source.layout.bytes(), " bytes"));
  wire_cl::Pack(source.layout, source.data, bulk.packed.get());
  bulk.bytes = {bulk.packed.get(), source.layout.bytes()};
  return bulk;
}

}  // namespace

cl_int ErrorOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return CL_SUCCESS;
    case absl::StatusCode::kInvalidArgument:
      return CL_INVALID_VALUE;
    case absl::StatusCode::kResourceExhausted:
      return CL_OUT_OF_HOST_MEMORY;
    default:
      return CL_OUT_OF_RESOURCES;
  }
}

ClLink::ClLink() : registry_(kKinds + 1) {
  for (size_t kind = 1; kind <= kKinds; ++kind) minters_.emplace_back(static_cast<wire::HandleType>(kind));
}

absl::StatusOr<std::unique_ptr<ClLink>> ClLink::Open(LinkOptions options) {
  std::unique_ptr<ClLink> made(new ClLink);
  ASSIGN_OR_RETURN(made->link_, Link::Open(std::move(options), made.get()));
  made->memory_limit_bytes_.store(made->link_->attached().memory_limit_bytes);
  return made;
}

// --- Calls ----------------------------------------------------------------------------------------------------------

absl::Status ClLink::Encode(const CallOptions& options, wire::Writer& writer, uint64_t sequence,
                            absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode, DroppedEvents* dropped) {
  absl::InlinedVector<wire::WireHandle, 4> minted;
  absl::Status status;
  for (Object* const object : options.makes) {
    const absl::StatusOr<wire::WireHandle> handle = minters_[static_cast<size_t>(object->kind) - 1].Mint();
    if (!handle.ok()) {
      status = handle.status();
      break;
    }
    minted.push_back(*handle);
  }
  if (status.ok()) {
    encoding_ = &options;
    wire_cl::Encoder encoder(writer, *this, minted);
    status = encode(encoder);
    if (options.expected != nullptr) *options.expected = encoder.expected();
    encoding_ = nullptr;
  }
  if (!status.ok()) {
    for (const wire::WireHandle handle : minted) minters_[handle.type() - 1].Recycle(handle);
    return status;
  }
  for (size_t i = 0; i < minted.size(); ++i) {
    options.makes[i]->parts.push_back({this, minted[i]});
    Register(minted[i], options.makes[i]);
  }
  if (!options.releases.is_null()) {
    Unregister(options.releases);
    minters_[options.releases.type() - 1].Recycle(options.releases);
  }
  if (options.event != nullptr) {
    options.event->sequence = sequence;
    *dropped = options.event->queue->Add(options.event);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> ClLink::Call(CallId id, const CallOptions& options,
                                      absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode) {
  DroppedEvents dropped;  // releasing one is a call: not while the lane's lock is held
  return link_->Post(
      static_cast<uint16_t>(id), options.urgency, options.answer,
      [&](wire::Writer& writer, uint64_t sequence) { return Encode(options, writer, sequence, encode, &dropped); });
}

cl_int ClLink::Ask(CallId id, const CallOptions& options, absl::FunctionRef<absl::Status(wire_cl::Encoder&)> encode,
                   absl::FunctionRef<absl::StatusOr<cl_int>(wire_cl::AnswerDecoder&)> decode) {
  DroppedEvents dropped;
  cl_int sent = CL_SUCCESS;
  const absl::StatusOr<std::vector<std::byte>> payload = link_->Ask(
      static_cast<uint16_t>(id),
      [&](wire::Writer& writer, uint64_t sequence) { return Encode(options, writer, sequence, encode, &dropped); },
      [&] { sent = SendPending(); });
  if (sent != CL_SUCCESS) return sent;
  if (!payload.ok()) return ErrorOf(payload.status());
  wire::Reader reader(*payload, "answer");
  wire_cl::AnswerDecoder decoder(reader, *this);
  const absl::StatusOr<cl_int> status = decode(decoder);
  return status.ok() ? *status : CL_OUT_OF_RESOURCES;
}

absl::StatusOr<std::vector<std::byte>> ClLink::AskNotice(Notice notice, wire::WireHandle about) {
  return link_->Ask(static_cast<uint16_t>(notice), [&](wire::Writer& writer, uint64_t) {
    if (!about.is_null()) writer.Handle(about);
    return absl::OkStatus();
  });
}

uint64_t ClLink::PendingBytes() {
  uint64_t bytes = 0;
  for (const PendingBulk& bulk : pending_bulk) bytes += bulk.bytes.size();
  return bytes;
}

cl_int ClLink::SendPending() {
  absl::Status status;
  for (const PendingBulk& bulk : std::exchange(pending_bulk, {})) {
    const absl::Status sent = link_->SendBulk(bulk.transfer, bulk.bytes);
    if (status.ok()) status = sent;
  }
  return ErrorOf(status);
}

void ClLink::SendPendingLater(std::function<void()> released) {
  std::vector<PendingBulk> pending = std::exchange(pending_bulk, {});
  if (pending.empty()) return released();
  const auto shared = std::make_shared<std::function<void()>>(std::move(released));
  for (size_t i = 0; i < pending.size(); ++i) {
    const bool last = i + 1 == pending.size();
    link_->SendBulkLater(pending[i].transfer, pending[i].bytes, [packed = pending[i].packed, shared, last] {
      if (last) (*shared)();
    });
  }
}

absl::StatusOr<uint64_t> ClLink::Stage(const wire_cl::HostSource& source) {
  ASSIGN_OR_RETURN(const PendingBulk bulk, Dense(source));
  const uint64_t transfer = next_transfer_.fetch_add(1);
  Post(Notice::kStage, wire_cl::Staged{transfer, bulk.bytes.size()}, Link::Urgency::kNow);
  RETURN_IF_ERROR(link_->SendBulk(transfer, bulk.bytes));
  return transfer;
}

// --- Objects --------------------------------------------------------------------------------------------------------

void ClLink::Register(wire::WireHandle handle, Object* object) {
  MutexLock lock(&registry_mutex_);
  std::vector<Slot>& slots = registry_[handle.type()];
  if (handle.index() >= slots.size()) slots.resize(std::max<size_t>(64, 2 * size_t{handle.index()}));
  slots[handle.index()] = {handle, object};
}

void ClLink::Unregister(wire::WireHandle handle) {
  MutexLock lock(&registry_mutex_);
  std::vector<Slot>& slots = registry_[handle.type()];
  if (handle.index() < slots.size() && slots[handle.index()].handle == handle) slots[handle.index()] = {};
}

void ClLink::Abandon(Object* object) {
  const wire::WireHandle handle = object->HandleOn(this);
  object->parts.clear();
  if (!handle.is_null()) Unregister(handle);  // its index is not used again: the lane's lock is not held here
}

Ref<Object> ClLink::Find(wire::WireHandle handle) {
  if (handle.is_null() || handle.type() > kKinds) return {};
  MutexLock lock(&registry_mutex_);
  const std::vector<Slot>& slots = registry_[handle.type()];
  if (handle.index() >= slots.size() || slots[handle.index()].handle != handle) return {};
  Object* const object = slots[handle.index()].object;
  // It may be on its way out: then its count is 0 and stays so.
  uint32_t refs = object == nullptr ? 0 : object->refs.load(std::memory_order_relaxed);
  while (refs != 0) {
    if (object->refs.compare_exchange_weak(refs, refs + 1, std::memory_order_acq_rel))
      return Ref<Object>::Adopt(object);
  }
  return {};
}

wire::WireHandle ClLink::HandleOf(ValueKind, const void* object) {
  return static_cast<const Object*>(object)->HandleOn(this);
}

void* ClLink::ObjectOf(ValueKind, wire::WireHandle handle) {
  MutexLock lock(&registry_mutex_);
  if (handle.type() > kKinds) return nullptr;
  const std::vector<Slot>& slots = registry_[handle.type()];
  const bool known = handle.index() < slots.size() && slots[handle.index()].handle == handle;
  return known ? slots[handle.index()].object : nullptr;
}

uint64_t ClLink::CallbackToken(CallId, void (*)(), void*) { return encoding_->token; }

ValueKind ClLink::ArgumentKind(cl_kernel, cl_uint) { return encoding_->argument; }

absl::StatusOr<wire_cl::ImageShape> ClLink::ShapeOf(cl_mem image) {
  const Mem* const mem = From<Mem>(image);
  if (mem->element_bytes == 0) return absl::InvalidArgumentError("is no image");
  return wire_cl::ImageShape{mem->type, mem->element_bytes, mem->format.image_channel_order == CL_DEPTH};
}

uint64_t ClLink::BinaryBytes(cl_program program, size_t index) {
  Program* const own = From<Program>(program);
  MutexLock lock(&own->mutex);
  const auto sizes = own->binary_sizes.find(this);
  return sizes != own->binary_sizes.end() && index < sizes->second.size() ? sizes->second[index] : 0;
}

// --- The codec's bulk -----------------------------------------------------------------------------------------------

absl::StatusOr<uint64_t> ClLink::SendBulk(const wire_cl::HostSource& source) {
  if (encoding_->staged != 0) return encoding_->staged;
  ASSIGN_OR_RETURN(PendingBulk bulk, Dense(source));
  bulk.transfer = next_transfer_.fetch_add(1);
  pending_bulk.push_back(bulk);
  return bulk.transfer;
}

absl::StatusOr<uint64_t> ClLink::ExpectBulk(const wire_cl::HostTarget& target) {
  const uint64_t transfer = next_transfer_.fetch_add(1);
  auto* const data = static_cast<std::byte*>(target.data);
  if (target.layout.dense()) {
    link_->bulk().Expect(transfer, {data + target.layout.offset, target.layout.bytes()}, encoding_->bulk_arrived);
    return transfer;
  }
  std::shared_ptr<std::byte[]> packed(new (std::nothrow) std::byte[target.layout.bytes()]);
  if (packed == nullptr)
    return absl::ResourceExhaustedError(absl::StrCat("no memory to unpack ", target.layout.bytes(), " bytes"));
  link_->bulk().Expect(
      transfer, {packed.get(), target.layout.bytes()},
      [packed, data, layout = target.layout, then = encoding_->bulk_arrived](const absl::Status& status) {
        if (status.ok()) wire_cl::Unpack(layout, packed.get(), data);
        then(status);
      });
  return transfer;
}

absl::StatusOr<std::vector<std::byte>> ClLink::TakeBulk(uint64_t sequence, uint64_t bytes) {
  constexpr uint64_t kMost = uint64_t{1} << 30;
  if (bytes > kMost) return absl::ResourceExhaustedError(absl::StrCat("an answer of ", bytes, " bytes is too long"));
  std::vector<std::byte> data(bytes);
  std::atomic<bool> arrived{false};
  absl::Status status;
  link_->bulk().Expect(sequence, data, [&](const absl::Status& with) {
    status = with;
    Link* const link = link_.get();
    arrived.store(true, std::memory_order_release);
    link->Progress();
  });
  const auto done = [&] { return arrived.load(std::memory_order_acquire); };
  while (!done()) link_->AwaitOther(done).IgnoreError();
  RETURN_IF_ERROR(status);
  return data;
}

// Who asked for data looks after its arrival (CallOptions::bulk_arrived).
absl::Status ClLink::AwaitBulk(uint64_t, uint64_t) { return absl::OkStatus(); }

absl::StatusOr<wire_cl::ClientMapping> ClLink::BeginMapping(cl_mem, const wire_cl::HostLayout& layout,
                                                            cl_map_flags flags) {
  HostMapping& mapping = *encoding_->mapping;
  mapping.token = next_token_.fetch_add(1);
  mapping.writes = (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0;
  if (mapping.data == nullptr) {
    mapping.layout = layout;
    mapping.owned.reset(new (std::nothrow) std::byte[layout.bytes() + 1]);
    mapping.data = mapping.owned.get();
    if (mapping.data == nullptr)
      return absl::ResourceExhaustedError(absl::StrCat("no memory to map ", layout.bytes(), " bytes"));
  }
  return wire_cl::ClientMapping{mapping.token, mapping.data, mapping.layout};
}

absl::StatusOr<wire_cl::ClientContext::EndedMapping> ClLink::EndMapping(cl_mem mem, void* pointer) {
  Mem* const own = From<Mem>(mem);
  MutexLock lock(&own->mutex);
  const auto mapping = own->FindMapping(pointer);
  if (mapping == own->mappings.end()) return absl::NotFoundError("is not mapped");
  // A program that has not waited for its map has not written either, and what is here is not what was there.
  const bool written = mapping->writes && (!mapping->filled || mapping->filled->complete());
  return EndedMapping{mapping->token, {written ? mapping->data : nullptr, mapping->layout}};
}

// --- Notices --------------------------------------------------------------------------------------------------------

absl::Status ClLink::OnNotice(uint16_t call, std::span<const std::byte> payload) {
  switch (static_cast<Notice>(call)) {
    case Notice::kDone: {
      ASSIGN_OR_RETURN(const wire_cl::Done done, wire_cl::Read<wire_cl::Done>(payload));
      return OnDone(done);
    }
    case Notice::kTimes: {
      ASSIGN_OR_RETURN(const wire_cl::Times times, wire_cl::Read<wire_cl::Times>(payload));
      return OnTimes(times);
    }
    case Notice::kFired: {
      ASSIGN_OR_RETURN(const wire_cl::Fired fired, wire_cl::Read<wire_cl::Fired>(payload));
      return OnFired(fired);
    }
    case Notice::kFailed: {
      ASSIGN_OR_RETURN(const wire_cl::Failed failed, wire_cl::Read<wire_cl::Failed>(payload));
      return OnFailed(failed);
    }
    case Notice::kSlice: {
      ASSIGN_OR_RETURN(const wire_cl::SliceState state, wire_cl::Read<wire_cl::SliceState>(payload));
      SetMemoryLimit(state.memory_limit_bytes);
      return absl::OkStatus();
    }
    case Notice::kOutput: {
      ASSIGN_OR_RETURN(const wire_cl::Output output, wire_cl::Read<wire_cl::Output>(payload));
      ProgramOutput::OfProcess().Add(output.bytes);
      return absl::OkStatus();
    }
    default:
      return absl::InvalidArgumentError(absl::StrCat("notice ", call, " is none that a server sends"));
  }
}

absl::Status ClLink::OnDone(const wire_cl::Done& done) {
  const Ref<Object> queue = Find(done.queue);
  if (queue && queue->kind == ValueKind::kQueue) static_cast<Queue*>(queue.get())->Complete(done);
  return absl::OkStatus();
}

absl::Status ClLink::OnTimes(const wire_cl::Times& times) {
  const Ref<Object> queue = Find(times.queue);
  if (queue && queue->kind == ValueKind::kQueue) static_cast<Queue*>(queue.get())->Note(times);
  return absl::OkStatus();
}

absl::Status ClLink::OnFired(const wire_cl::Fired& fired) {
  std::shared_ptr<std::function<void(const wire_cl::Fired&)>> function;
  {
    MutexLock lock(&token_mutex_);
    const auto found = tokens_.find(fired.token);
    if (found == tokens_.end()) return absl::OkStatus();
    function = found->second.fired;
    if (found->second.fires == Fires::kOnce) {
      tokens_.erase(found);
      link_->NewsCame();
    }
  }
  RunCallback([function, fired] { (*function)(fired); });
  return absl::OkStatus();
}

// A command's failure is its event's, or its queue's; anything else's is that of what it was about and of what it
// should have made.
absl::Status ClLink::OnFailed(const wire_cl::Failed& failed) {
  const Ref<Object> subject = Find(failed.subject), minted = Find(failed.minted);
  cl_int none = CL_SUCCESS;
  if (subject && subject->kind == ValueKind::kQueue) {
    static_cast<Queue*>(subject.get())->Fail(failed.sequence, failed.status);
  } else if (subject && subject->kind == ValueKind::kKernel) {
    subject->error.compare_exchange_strong(none, failed.status);
  }
  none = CL_SUCCESS;
  if (minted && minted->kind != ValueKind::kEvent) minted->error.compare_exchange_strong(none, failed.status);
  return absl::OkStatus();
}

uint64_t ClLink::NewToken(std::function<void(const wire_cl::Fired&)> fired, Fires fires) {
  const uint64_t token = next_token_.fetch_add(1);
  {
    MutexLock lock(&token_mutex_);
    tokens_[token] = {std::make_shared<std::function<void(const wire_cl::Fired&)>>(std::move(fired)), fires};
  }
  if (fires == Fires::kOnce) link_->ExpectNews();
  return token;
}

void ClLink::DropToken(uint64_t token) {
  MutexLock lock(&token_mutex_);
  const auto found = tokens_.find(token);
  if (found == tokens_.end()) return;
  if (found->second.fires == Fires::kOnce) link_->NewsCame();
  tokens_.erase(found);
}

void ClLink::SetLossListener(std::function<void(const absl::Status&)> listener) {
  MutexLock lock(&token_mutex_);
  loss_listener_ = std::move(listener);
}

void ClLink::OnLosing(const absl::Status& why) {
  std::function<void(const absl::Status&)> listener;
  {
    MutexLock lock(&token_mutex_);
    listener = loss_listener_;
  }
  if (listener) listener(why);
}

void ClLink::OnLost(const absl::Status&) {
  std::vector<Ref<Queue>> queues;
  {
    MutexLock lock(&registry_mutex_);
    for (const Slot& slot : registry_[static_cast<size_t>(ValueKind::kQueue)]) {
      uint32_t refs = slot.object == nullptr ? 0 : slot.object->refs.load();
      while (refs != 0 && !slot.object->refs.compare_exchange_weak(refs, refs + 1)) {
      }
      if (refs != 0) queues.push_back(Ref<Queue>::Adopt(static_cast<Queue*>(slot.object)));
    }
  }
  for (const Ref<Queue>& queue : queues) queue->FailAll(CL_OUT_OF_RESOURCES);
}

}  // namespace xpool::remote
