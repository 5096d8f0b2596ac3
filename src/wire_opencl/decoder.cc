#include "wire_opencl/decoder.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::wire_cl {
namespace {

// What the worker asks the driver about an image. |type| 0: it is none.
ImageShape ShapeOf(const cl::DispatchTable& api, cl_mem image) {
  ImageShape shape;
  shape.type = 0;
  if (api.clGetMemObjectInfo(image, CL_MEM_TYPE, sizeof(shape.type), &shape.type, nullptr) != CL_SUCCESS)
    shape.type = 0;
  const cl_int status =
      api.clGetImageInfo(image, CL_IMAGE_ELEMENT_SIZE, sizeof(shape.element_bytes), &shape.element_bytes, nullptr);
  if (status != CL_SUCCESS) shape.type = 0;
  return shape;
}

}  // namespace

Decoder::~Decoder() {
  if (gate_ != nullptr) server_.api().clReleaseEvent(gate_);
  if (in_.ok()) {
    for (const Promised& one : drained_) server_.DropBulk(one.transfer);
  }
  if (called_) return;
  for (CallbackRecord* record : callbacks_) server_.Drop(record);  // no driver has them
}

void Decoder::Fail(const char* param, const absl::Status& status) { in_.Fail(param, std::string(status.message())); }

bool Decoder::InRange(const char* param, uint64_t count, uint64_t max) {
  if (count > max) in_.Fail(param, absl::StrCat("has ", count, " elements; at most ", max, " can cross"));
  return in_.ok();
}

void* Decoder::Allocate(uint64_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  if (bytes <= kScratchBytes - scratch_used_) {
    void* const place = scratch_ + scratch_used_;
    scratch_used_ += bytes;
    std::memset(place, 0, bytes);
    return place;
  }
  overflow_.emplace_back(new std::byte[bytes]());
  return overflow_.back().get();
}

uint32_t Decoder::Presence(int count, uint32_t required) {
  const uint32_t given = in_.U32("presence");
  if (count < 32 && (given >> count) != 0) in_.Fail("presence", "has bits of parameters that the call lacks");
  if ((given & required) != required) in_.Fail("presence", "lacks a parameter that may not be NULL");
  return given;
}

void* Decoder::Find(const char* param, ValueKind kind, bool optional, cl_int invalid) {
  const wire::WireHandle handle = in_.Handle(param);
  if (!in_.ok()) return nullptr;
  if (trace_->subject.is_null()) trace_->subject = handle;
  if (handle.is_null()) {
    if (!optional && error_ == CL_SUCCESS) error_ = invalid;
    return nullptr;
  }
  const absl::StatusOr<void*> object = server_.objects().Find(kind, handle);
  if (!object.ok()) return Fail(param, object.status()), nullptr;
  if (*object == nullptr && error_ == CL_SUCCESS) error_ = invalid;
  return *object;
}

void* Decoder::Remove(const char* param, ValueKind kind) {
  const wire::WireHandle handle = in_.Handle(param);
  if (!in_.ok()) return nullptr;
  if (trace_->subject.is_null()) trace_->subject = handle;
  const absl::StatusOr<void*> object = server_.objects().Remove(kind, handle);
  if (!object.ok()) return Fail(param, object.status()), nullptr;
  if (kind == ValueKind::kContext) server_.svm().Forget(static_cast<cl_context>(*object));
  if (kind == ValueKind::kMem) server_.ForgetMappings(static_cast<cl_mem>(*object));
  return *object;
}

void* const* Decoder::FindAll(const char* param, ValueKind kind, uint64_t count, cl_int invalid) {
  const std::span<const wire::WireHandle> handles = in_.Elements<wire::WireHandle>(param, count);
  auto** const objects = static_cast<void**>(Allocate((handles.size() + 1) * sizeof(void*)));
  for (size_t i = 0; i < handles.size(); ++i) {
    if (handles[i].is_null()) continue;  // the driver says what it thinks of it
    const absl::StatusOr<void*> object = server_.objects().Find(kind, handles[i]);
    if (!object.ok()) return Fail(param, object.status()), objects;
    objects[i] = *object;
    if (*object == nullptr && error_ == CL_SUCCESS) error_ = invalid;
  }
  return objects;
}

wire::WireHandle Decoder::Minted(const char* param, ValueKind kind, bool wanted) {
  if (!wanted) return {};
  const wire::WireHandle handle = in_.Handle(param);
  if (!in_.ok()) return {};
  if (absl::Status status = server_.objects().CanAdd(kind, handle); !status.ok()) return Fail(param, status), handle;
  for (const Expecting& other : expecting_) {
    if (other.handle == handle) in_.Fail(param, "is the handle of two objects");
  }
  if (trace_->minted.is_null()) trace_->minted = handle;
  expecting_.push_back({kind, handle});
  return handle;
}

std::span<const wire::WireHandle> Decoder::MintedArray(const char* param, ValueKind kind, bool wanted, uint64_t max) {
  if (!wanted) return {};
  const std::span<const wire::WireHandle> handles = in_.Array<wire::WireHandle>(param, std::min(max, kMaxElements));
  for (const wire::WireHandle handle : handles) {
    if (absl::Status status = server_.objects().CanAdd(kind, handle); !status.ok()) Fail(param, status);
  }
  return handles;
}

const char* Decoder::String(const char* param, bool given) {
  if (!given) return nullptr;
  const char* const text = in_.CString(param, kMaxStringBytes);
  if (text == nullptr) in_.Fail(param, "is given and NULL");
  return text;
}

Decoder::StringArray Decoder::Strings(const char* param, bool given, uint64_t count) {
  if (!given || !InRange(param, count, kMaxElements)) return {};
  if (count > in_.left()) return in_.Fail(param, "has more elements than bytes are left"), StringArray();
  auto** const data = static_cast<const void**>(Allocate((count + 1) * sizeof(void*)));
  auto* const lengths = static_cast<size_t*>(Allocate((count + 1) * sizeof(size_t)));
  for (uint64_t i = 0; i < count && in_.ok(); ++i) {
    uint64_t none = 0;
    Storage text = TakeData(param, kAnySize, /*promised=*/false, &none);
    lengths[i] = text.size;
    data[i] = text.bytes.get();
    overflow_.push_back(std::move(text.bytes));
  }
  return {data, lengths};
}

const uint64_t* Decoder::Properties(const char* param, Values values) {
  const uint32_t pairs = in_.Count(param, kMaxProperties, 2 * sizeof(uint64_t));
  auto* const list = static_cast<uint64_t*>(Allocate((2 * uint64_t{pairs} + 1) * sizeof(uint64_t)));
  for (uint32_t i = 0; i < pairs && in_.ok(); ++i) {
    const uint64_t key = in_.U64(param);
    const ValueKind kind = KindOf(values, key);
    list[2 * i] = key;
    if (key == 0) in_.Fail(param, "has a key of 0");
    if (!IsHandle(kind) && kind != ValueKind::kNone) in_.Fail(param, "holds an address");
    list[2 * i + 1] =
        IsHandle(kind) ? reinterpret_cast<uint64_t>(Find(param, kind, true, CL_INVALID_VALUE)) : in_.U64(param);
  }
  return list;
}

const cl_device_partition_property* Decoder::PartitionList(const char* param, bool given) {
  if (!given) return nullptr;
  const auto words = in_.Array<cl_device_partition_property>(param, kMaxProperties);
  // Two zeros more than the client sent: the driver finds the end of any list.
  auto* const list = static_cast<cl_device_partition_property*>(Allocate((words.size() + 2) * sizeof(words[0])));
  if (!words.empty()) std::memcpy(list, words.data(), words.size_bytes());
  return list;
}

const void* Decoder::SubBufferInfo(const char* param, bool given, cl_buffer_create_type type) {
  if (!given) return nullptr;
  if (type != CL_BUFFER_CREATE_TYPE_REGION) in_.Fail(param, "is of a buffer_create_type that is not known");
  auto* const region = static_cast<cl_buffer_region*>(Allocate(sizeof(cl_buffer_region)));
  region->origin = Value<size_t>(param);
  region->size = Value<size_t>(param);
  return region;
}

const void* Decoder::FillColor(const char* param, bool given) { return Elements<uint32_t>(param, given, 4); }

const cl_image_format* Decoder::ImageFormat(const char* param, bool given) {
  if (!given) return nullptr;
  auto* const format = static_cast<cl_image_format*>(Allocate(sizeof(cl_image_format)));
  format->image_channel_order = Value<cl_channel_order>(param);
  format->image_channel_data_type = Value<cl_channel_type>(param);
  return format;
}

const cl_image_desc* Decoder::ImageDesc(const char* param, bool given) {
  if (!given) return nullptr;
  auto* const desc = static_cast<cl_image_desc*>(Allocate(sizeof(cl_image_desc)));
  desc->image_type = Value<cl_mem_object_type>(param);
  desc->image_width = Value<size_t>(param);
  desc->image_height = Value<size_t>(param);
  desc->image_depth = Value<size_t>(param);
  desc->image_array_size = Value<size_t>(param);
  desc->image_row_pitch = Value<size_t>(param);
  desc->image_slice_pitch = Value<size_t>(param);
  desc->num_mip_levels = Value<cl_uint>(param);
  desc->num_samples = Value<cl_uint>(param);
  desc->mem_object = Handle<cl_mem>(param, ValueKind::kMem, true, CL_INVALID_IMAGE_DESCRIPTOR);
  return desc;
}

const void* Decoder::Argument(const char* param, bool given, cl_kernel kernel, cl_uint index, size_t size) {
  if (!given) return nullptr;
  const uint8_t kind = in_.U8(param);
  if (kind == kArgumentBytes) {
    if (!InRange(param, size, kMaxArgumentBytes)) return nullptr;
    if (kernel != nullptr && !server_.TakesBytes(kernel, index))
      in_.Fail(param, "is bytes where the kernel takes an object");
    const auto bytes = in_.Raw(param, size);
    void* const copy = Allocate(size + 1);  // aligned as the kernel may want it
    if (!bytes.empty()) std::memcpy(copy, bytes.data(), bytes.size());
    return copy;
  }
  const auto of = static_cast<ValueKind>(kind);
  if (of != ValueKind::kMem && of != ValueKind::kSampler && of != ValueKind::kQueue)
    in_.Fail(param, "is of no kind that there is");
  if (size != sizeof(void*)) in_.Fail(param, "is a handle of another size than handles have");
  if (!in_.ok()) return nullptr;
  auto* const place = static_cast<void**>(Allocate(sizeof(void*)));
  *place = Find(param, of, true, CL_INVALID_ARG_VALUE);
  return place;
}

CallbackRecord* Decoder::Callback(const char* param, bool given, CallId call) {
  if (!given) return nullptr;
  const uint64_t token = in_.U64(param);
  if (token == 0) in_.Fail(param, "has no token");
  if (!in_.ok()) return nullptr;
  callbacks_.push_back(server_.Add(call, token));
  return callbacks_.back();
}

void Decoder::HostPointer(const char* param, cl_mem_flags flags, bool given) {
  in_place_ = given && (flags & CL_MEM_USE_HOST_PTR) != 0;
  if (given && !in_place_ && (flags & CL_MEM_COPY_HOST_PTR) == 0)
    in_.Fail(param, "is given without CL_MEM_COPY_HOST_PTR");
}

// In the context that the call is about.
const void* Decoder::SharedData(const char* param, uint64_t bytes) {
  const uint8_t where = in_.U8(param);
  const uint64_t size = in_.U64(param), address = in_.U64(param);
  if (where != static_cast<uint8_t>(Where::kShared) || size != bytes)
    in_.Fail(param, "is to be used in place (CL_MEM_USE_HOST_PTR), which only shared memory can be");
  const absl::StatusOr<void*> context = server_.objects().Find(ValueKind::kContext, trace_->subject);
  if (!in_.ok() || !context.ok()) return nullptr;
  shared_ = server_.svm().Find(static_cast<cl_context>(*context), address, bytes);
  if (shared_ == nullptr && error_ == CL_SUCCESS) error_ = CL_INVALID_HOST_PTR;
  return shared_.get();
}

Storage Decoder::TakeData(const char* param, uint64_t bytes, bool promised, uint64_t* transfer) {
  const uint8_t where = in_.U8(param);
  const uint64_t size = in_.U64(param);
  if (!in_.ok()) return {};
  if (!any_size_ && bytes != kAnySize && size != bytes) {
    in_.Fail(param, absl::StrCat("has ", size, " bytes where the call's other parameters say ", bytes));
    return {};
  }
  if (size > server_.limits().max_data_bytes - data_bytes_) {
    in_.Fail(param,
             absl::StrCat("has ", size, " bytes; at most ", server_.limits().max_data_bytes, " can cross in one call"));
    return {};
  }
  data_bytes_ += size;
  absl::StatusOr<Storage> storage;
  if (where == static_cast<uint8_t>(Where::kInline)) {
    const std::span<const std::byte> data = in_.Raw(param, size);
    if (!in_.ok()) return {};
    storage = MakeStorage(size, server_.limits().max_data_bytes);
    if (storage.ok() && !data.empty()) std::memcpy(storage->bytes.get(), data.data(), data.size());
  } else if (where == static_cast<uint8_t>(Where::kBulk)) {
    const uint64_t number = in_.U64(param);
    if (number == 0) in_.Fail(param, "names no transfer");
    if (!in_.ok()) return {};
    if (promised) *transfer = number;
    storage = promised ? MakeStorage(size, server_.limits().max_data_bytes) : server_.TakeBulk(number, size);
    if (storage.ok() && storage->size != size) storage = absl::InternalError("came from the bulk lane in another size");
  } else {
    storage = absl::InvalidArgumentError("is neither in the frame nor in bulk frames");
  }
  if (absl::IsResourceExhausted(storage.status())) {
    if (*transfer != 0) drained_.push_back({{}, *transfer});
    if (error_ == CL_SUCCESS) error_ = CL_OUT_OF_HOST_MEMORY;
    return {};
  }
  if (!storage.ok()) return Fail(param, storage.status()), Storage();
  return *std::move(storage);
}

Decoder::Promised Decoder::PromisedData(const char* param, bool given, uint64_t bytes) {
  Promised promised;
  if (!given) return promised;
  promised.storage = TakeData(param, bytes, /*promised=*/true, &promised.transfer);
  if (in_.ok() && promised.transfer != 0 && promised.storage.bytes != nullptr) drained_.push_back(promised);
  return promised;
}

Decoder::Waits Decoder::WithGate(cl_event gate, cl_uint count, const cl_event* events) {
  if (gate == nullptr) return {count, events};
  gate_ = gate;
  auto* const all = static_cast<cl_event*>(Allocate((uint64_t{count} + 1) * sizeof(cl_event)));
  for (cl_uint i = 0; events != nullptr && i < count; ++i) all[i] = events[i];
  all[events == nullptr ? 0 : count] = gate;
  return {events == nullptr ? 1 : count + 1, all};
}

Decoder::Waits Decoder::WaitsFor(const Promised& promised, cl_command_queue queue, cl_uint count,
                                 const cl_event* events) {
  if (promised.transfer == 0) return {count, events};
  drained_.clear();
  const Storage& storage = promised.storage;
  return WithGate(
      server_.ReceiveBulk(promised.transfer, {storage.bytes.get(), storage.size}, queue, [keep = storage] {}), count,
      events);
}

Decoder::Waits Decoder::WaitsForBytesAt(const std::shared_ptr<std::byte[]>& target, const Promised& promised,
                                        cl_command_queue queue, cl_uint count, const cl_event* events) {
  const Storage& storage = promised.storage;
  if (promised.transfer == 0) {
    if (storage.size != 0) std::memcpy(target.get(), storage.bytes.get(), storage.size);
    return {count, events};
  }
  drained_.clear();
  return WithGate(server_.ReceiveBulk(promised.transfer, {target.get(), storage.size}, queue, [keep = target] {}),
                  count, events);
}

// Straight to the mapping if its bytes lie in one piece.
Decoder::Waits Decoder::WaitsForWrittenBack(cl_command_queue queue, cl_uint count, const cl_event* events) {
  if (written_back_.storage.bytes == nullptr && written_back_.transfer == 0) return {count, events};
  const Mapping& mapping = server_.mappings().find(unmapped_)->second;
  const Storage storage = written_back_.storage;
  if (written_back_.transfer == 0) {
    Unpack(mapping.layout, storage.bytes.get(), mapping.data);
    return {count, events};
  }
  drained_.clear();
  auto* const data = static_cast<std::byte*>(mapping.data);
  if (mapping.layout.dense()) {
    const std::span<std::byte> target(data + mapping.layout.offset, mapping.layout.bytes());
    return WithGate(server_.ReceiveBulk(written_back_.transfer, target, queue, [] {}), count, events);
  }
  return WithGate(
      server_.ReceiveBulk(written_back_.transfer, {storage.bytes.get(), storage.size}, queue,
                          [storage, layout = mapping.layout, data] { Unpack(layout, storage.bytes.get(), data); }),
      count, events);
}

const void* Decoder::Data(const char* param, bool given, uint64_t bytes) {
  if (!given) return nullptr;
  if (in_place_) return SharedData(param, bytes);
  uint64_t none = 0;
  Storage data = TakeData(param, bytes, /*promised=*/false, &none);
  if (data.bytes == nullptr) return nullptr;
  overflow_.push_back(std::move(data.bytes));
  return overflow_.back().get();
}

uint64_t Decoder::Sequence(const char* param, uint64_t bytes) {
  const uint64_t transfer = in_.U64(param);
  if (transfer == 0 && bytes > server_.limits().max_inline_bytes)
    in_.Fail(param, "has no transfer, and is too long for an answer");
  return transfer;
}

uint64_t Decoder::NamedTransfer(const char* param, uint64_t bytes) {
  const uint8_t where = in_.U8(param);
  const uint64_t size = in_.U64(param);
  const uint64_t transfer = in_.U64(param);
  if (where != static_cast<uint8_t>(Where::kBulk) || size != bytes || transfer == 0)
    in_.Fail(param, absl::StrCat("is no transfer of ", bytes, " bytes"));
  return in_.ok() ? transfer : 0;
}

uint64_t Decoder::MappingToken(const char* param) {
  const uint64_t token = in_.U64(param);
  if (token == 0 || server_.mappings().contains(token)) in_.Fail(param, "is no new token");
  if (server_.mappings().size() >= server_.limits().max_mappings) in_.Fail(param, "is one mapping too many");
  return token;
}

const Mapping* Decoder::Unmapped(const char* param, cl_mem mem) {
  const uint64_t token = in_.U64(param);
  const bool written = in_.Bool(param);
  const auto found = server_.mappings().find(token);
  const bool known = found != server_.mappings().end();
  unmapped_ = token;
  if (!known && error_ == CL_SUCCESS) error_ = CL_INVALID_VALUE;  // the mapping failed
  if (known && mem != nullptr && found->second.mem != mem) in_.Fail(param, "is a mapping of another memory object");
  if (known && written && (found->second.flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) == 0)
    in_.Fail(param, "was not mapped for writing");
  written_back_ = PromisedData(param, written, known ? found->second.layout.bytes() : kAnySize);
  return in_.ok() && known ? &found->second : nullptr;
}

uint64_t Decoder::Size(const char* param, const absl::StatusOr<HostLayout>& layout) {
  if (layout.ok()) return layout->bytes();
  Fail(param, layout.status());
  return 0;
}

uint64_t Decoder::RectBytes(const char* param, const size_t* region) {
  constexpr size_t kOrigin[3] = {};
  return region == nullptr ? 0 : Size(param, RectLayout(kOrigin, region, 0, 0));
}

uint64_t Decoder::ImageRegionBytes(const char* param, cl_mem image, const size_t* region) {
  any_size_ = image == nullptr;
  if (!in_.ok() || image == nullptr || region == nullptr) return 0;
  const ImageShape shape = ShapeOf(server_.api(), image);
  if (shape.type == 0) {
    any_size_ = true;
    if (error_ == CL_SUCCESS) error_ = CL_INVALID_MEM_OBJECT;
    return 0;
  }
  return Size(param, ImageRegionLayout(shape, region, 0, 0));
}

uint64_t Decoder::ImageDataBytes(const char* param, const cl_image_format* format, const cl_image_desc* desc) {
  if (format == nullptr || desc == nullptr) return 0;
  if (desc->image_row_pitch != 0 || desc->image_slice_pitch != 0) in_.Fail(param, "has pitches and is packed");
  return Size(param, ImageDataLayout(*format, *desc));
}

uint64_t Decoder::ImageRowsBytes(const char* param, const cl_image_format* format, size_t width, size_t height) {
  return format == nullptr ? 0 : Size(param, ImageRowsLayout(*format, width, height, 0));
}

uint64_t Decoder::ImageSlicesBytes(const char* param, const cl_image_format* format, size_t width, size_t height,
                                   size_t depth) {
  return format == nullptr ? 0 : Size(param, ImageSlicesLayout(*format, width, height, depth, 0, 0));
}

bool Decoder::Ready() { return called_ = in_.Finish().ok() && error_ == CL_SUCCESS; }

absl::StatusOr<Served> Decoder::Refuse(Answer& answer) {
  if (!in_.ok()) return in_.status();
  return Refuse(answer, error_);
}

absl::StatusOr<Served> Decoder::Refuse(Answer& answer, cl_int error) {
  for (const Expecting& minted : expecting_)
    static_cast<void>(server_.objects().Add(minted.kind, minted.handle, nullptr));
  expecting_.clear();
  answer.Status(error);
  return Served::kNow;
}

void Decoder::Made(ValueKind kind, wire::WireHandle handle, void* object) {
  if (handle.is_null()) {
    if (kind == ValueKind::kEvent && object != nullptr) server_.TakeEvent(static_cast<cl_event>(object));
    return;
  }
  static_cast<void>(server_.objects().Add(kind, handle, object));  // CanAdd() said yes in Minted()
  if (kind == ValueKind::kMem && object != nullptr && shared_ != nullptr) KeepShared(static_cast<cl_mem>(object));
}

// Memory that a memory object uses lives as long as that.
void Decoder::KeepShared(cl_mem mem) {
  using Kept = std::shared_ptr<std::byte[]>;
  const auto drop = [](cl_mem, void* kept) { delete static_cast<Kept*>(kept); };
  auto kept = std::make_unique<Kept>(shared_);
  if (server_.api().clSetMemObjectDestructorCallback(mem, drop, kept.get()) == CL_SUCCESS)
    static_cast<void>(kept.release());
}

absl::StatusOr<Served> Decoder::Started(Answer& answer, cl_int status, wire::WireHandle minted, cl_event event,
                                        bool blocking, Storage keep, Reply reply) {
  if (!minted.is_null()) Made(ValueKind::kEvent, minted, status == CL_SUCCESS ? event : nullptr);
  if (status != CL_SUCCESS) {
    answer.Status(status);
    return Served::kNow;
  }
  if (!minted.is_null() && event != nullptr) server_.api().clRetainEvent(event);
  const bool later = blocking || reply.data != nullptr;
  server_.WhenDone({event, later, std::move(keep), reply});
  if (later) return Served::kLater;
  answer.Status(CL_SUCCESS);
  return Served::kNow;
}

absl::StatusOr<Mapping> Decoder::MapOf(cl_mem image, void* data, const size_t* region, size_t row_pitch,
                                       size_t slice_pitch, cl_map_flags flags) const {
  ASSIGN_OR_RETURN(const HostLayout layout,
                   ImageRegionLayout(ShapeOf(server_.api(), image), region, row_pitch, slice_pitch));
  return Mapping{image, data, layout, flags};
}

absl::StatusOr<Served> Decoder::Mapped(Answer& answer, cl_int status, wire::WireHandle minted, cl_event event,
                                       bool blocking, uint64_t token, const absl::StatusOr<Mapping>& mapping,
                                       uint64_t sequence) {
  if (status == CL_SUCCESS && (!mapping.ok() || mapping->data == nullptr)) status = CL_MAP_FAILURE;
  Reply reply;
  if (status == CL_SUCCESS) {
    server_.mappings()[token] = *mapping;
    const bool filled = (mapping->flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0;
    if (filled) reply = {static_cast<const std::byte*>(mapping->data), mapping->layout, sequence};
  }
  return Started(answer, status, minted, event, blocking, {}, reply);
}

}  // namespace xpool::wire_cl
