#include "generated/opencl/wire_fake.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace xpool::wire_cl {
namespace {

FakeDriver* driver = nullptr;  // behind the table's functions, which know nothing else

template <typename T>
T As(uint64_t bits) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<T>(bits);
  } else {
    return static_cast<T>(bits);
  }
}

template <typename T>
uint64_t Bits(T value) {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<uint64_t>(value);
  } else {
    return static_cast<uint64_t>(value);
  }
}

template <CallId id, auto encode, auto decode, typename Function>
struct Typed;

template <CallId id, auto encode, auto decode, typename Result, typename... Params>
struct Typed<id, encode, decode, Result(CL_API_CALL*)(Params...)> {
  static Result CL_API_CALL Fake(Params... params) {
    const std::array<uint64_t, sizeof...(Params)> args = {Bits(params)...};
    return As<Result>(driver->Call(id, args));
  }
  static absl::Status Encode(Args args, Encoder& call) {
    return [&]<size_t... i>(std::index_sequence<i...>) {
      return encode(As<Params>(args[i])..., call);
    }(std::index_sequence_for<Params...>());
  }
  static absl::StatusOr<cl_int> Decode(Args args, AnswerDecoder& answer) {
    return [&]<size_t... i>(std::index_sequence<i...>) {
      return decode(As<Params>(args[i])..., answer);
    }(std::index_sequence_for<Params...>());
  }
};

#define XPOOL_TYPED(name) \
  Typed<CallId::name, &EncodeCall_##name, &DecodeAnswer_##name, decltype(cl::DispatchTable::name)>
#define XPOOL_ROW(name) {CallId::name, &XPOOL_TYPED(name)::Encode, &XPOOL_TYPED(name)::Decode},
constexpr CodecRow kRows[] = {XPOOL_WIRE_CALLS(XPOOL_ROW)};

cl_int CL_API_CALL RetainEvent(cl_event event) {
  const uint64_t args[] = {Bits(event)};
  return static_cast<cl_int>(driver->Call(CallId::clRetainEvent, args));
}

template <typename T>
void PutAt(uint64_t pointer, T value) {
  if (pointer != 0) std::memcpy(reinterpret_cast<void*>(pointer), &value, sizeof(value));
}

// A region to map that no memory object here has.
bool TooLarge(const cl::CallInfo& info, Args args) {
  constexpr uint64_t kMaxMapped = 1 << 20;
  return IsHostMemory(info.returns_size.form) && LayoutOf(info.returns_size, info, args).bytes() > kMaxMapped;
}

std::vector<std::byte> Packed(const HostLayout& layout, const void* data) {
  std::vector<std::byte> bytes(layout.bytes());
  if (!bytes.empty()) Pack(layout, data, bytes.data());
  return bytes;
}

}  // namespace

std::span<const CodecRow> AllRows() { return kRows; }

FakeDriver::FakeDriver(uint64_t seed) : random_(seed) {
  driver = this;
#define XPOOL_INSTALL(name) table_.name = &XPOOL_TYPED(name)::Fake;
  XPOOL_WIRE_CALLS(XPOOL_INSTALL)
#undef XPOOL_INSTALL
  table_.clRetainEvent = &RetainEvent;
  svm_.Install(&table_);
}

FakeDriver::~FakeDriver() { driver = nullptr; }

void FakeDriver::Expect(CallId call) {
  tested_ = call;
  seen_.reset();
  wrote_.clear();
  made_.clear();
}

uint64_t FakeDriver::Call(CallId id, Args args) {
  if (id != tested_) return Support(id, args);
  if (id == CallId::clGetProgramInfo && (args[1] == CL_PROGRAM_BINARY_SIZES || args[1] == CL_PROGRAM_BINARIES))
    return ProgramInfo(args);
  const cl::CallInfo& info = *cl::FindCall(static_cast<uint32_t>(id));
  seen_ = DescribeIn(info, args);
  if (id == CallId::clSetEventCallback) {
    event_callback_ = As<cl::EventCallback>(args[2]);
    user_data_ = As<void*>(args[3]);
  }
  const cl_int status = std::exchange(status_, TooLarge(info, args) ? CL_INVALID_VALUE : status_);
  Write(info, args);
  const uint64_t result = Result(info, args);
  status_ = status;
  return result;
}

// What the codec asks by itself.
uint64_t FakeDriver::Support(CallId id, Args args) {
  const uint32_t image = NameOf(As<const void*>(args[0])).index;
  if (id == CallId::clGetMemObjectInfo && args[1] == CL_MEM_TYPE) {
    PutAt(args[3], ShapeOfImage(image).type);
  } else if (id == CallId::clGetImageInfo && args[1] == CL_IMAGE_ELEMENT_SIZE) {
    PutAt(args[3], ShapeOfImage(image).element_bytes);
  } else if ((id == CallId::clGetCommandQueueInfo && args[1] == CL_QUEUE_CONTEXT) ||
             (id == CallId::clGetKernelInfo && args[1] == CL_KERNEL_CONTEXT)) {
    PutAt(args[3], DriverObject(ValueKind::kContext, NameOf(As<const void*>(args[0])).index));
  } else if (id == CallId::clRetainEvent) {
    ++retained_events_;
  } else {
    return Bits(CL_INVALID_OPERATION);
  }
  return CL_SUCCESS;
}

// Two binaries, of 3 and of 5 bytes.
uint64_t FakeDriver::ProgramInfo(Args args) {
  constexpr size_t kSizes[] = {3, 5};
  PutAt(args[4], sizeof(kSizes));
  if (args[3] == 0) return CL_SUCCESS;
  if (args[2] < sizeof(kSizes)) return Bits(CL_INVALID_VALUE);
  if (args[1] == CL_PROGRAM_BINARY_SIZES) {
    std::memcpy(As<void*>(args[3]), kSizes, sizeof(kSizes));
    return CL_SUCCESS;
  }
  for (size_t i = 0; i < 2; ++i) std::memset(As<void**>(args[3])[i], 'A' + static_cast<int>(i), kSizes[i]);
  return CL_SUCCESS;
}

void FakeDriver::Randomize(void* data, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes; ++i) static_cast<std::byte*>(data)[i] = static_cast<std::byte>(random_());
}

uint64_t FakeDriver::Result(const cl::CallInfo& info, Args args) {
  uint64_t result = info.returns == "cl_int" ? Bits(status_) : 0;
  if (info.returns_handle != ValueKind::kNone) result = status_ == CL_SUCCESS ? Bits(made_.front()) : 0;
  if (IsHostMemory(info.returns_size.form) && status_ == CL_SUCCESS) {
    const HostLayout layout = LayoutOf(info.returns_size, info, args);
    const uint64_t end = layout.slices * layout.slice_pitch + layout.rows * layout.row_pitch + layout.row_bytes;
    mapped_ = std::make_unique<std::byte[]>(end);
    Randomize(mapped_.get(), end);
    result = Bits(mapped_.get());
  }
  if (status_ == CL_SUCCESS) wrote_ = DescribeOut(info, args, result);
  return result;
}

void FakeDriver::Write(const cl::CallInfo& info, Args args) {
  for (size_t i = 0; i < info.params.size(); ++i) {
    if (info.params[i].name == "errcode_ret") PutAt(args[i], status_);
  }
  if (status_ != CL_SUCCESS) return;
  if (info.returns_handle != ValueKind::kNone) Fresh(info.returns_handle);
  for (size_t i = 0; i < info.params.size(); ++i) {
    if (info.params[i].direction == cl::Direction::kOut && args[i] != 0 && info.params[i].name != "errcode_ret")
      WriteOut(info, args, i);
  }
}

void FakeDriver::WriteOut(const cl::CallInfo& info, Args args, size_t index) {
  const ParamInfo& param = info.params[index];
  if (const int array = CountedBy(info, static_cast<int>(index)); array >= 0) {
    const auto& size = info.params[static_cast<size_t>(array)].size;
    const uint64_t there = args[static_cast<size_t>(array)] == 0 ? 3 : args[size.arg[0]] - std::min(less_, args[size.arg[0]]);
    return param.bytes == 4 ? PutAt(args[index], static_cast<uint32_t>(there)) : PutAt(args[index], there);
  }
  if (param.filled >= 0) return WriteFilled(info, args, index);
  if (param.handle == ValueKind::kEvent) return PutAt(args[index], Fresh(param.handle));
  for (const int8_t pitch : {info.returns_size.arg[2], info.returns_size.arg[3]}) {
    if (pitch < 0 || static_cast<size_t>(pitch) != index) continue;
    const auto* const region = As<const size_t*>(args[info.returns_size.arg[1]]);
    const size_t row = region[0] * 4 + 8;
    return PutAt(args[index], pitch == info.returns_size.arg[2] ? row : row * region[1] + 16);
  }
  if (param.size.form != SizeForm::kElements) {
    const HostLayout layout = LayoutOf(param.size, info, args);
    std::vector<std::byte> bytes(layout.bytes());
    Randomize(bytes.data(), bytes.size());
    return Unpack(layout, bytes.data(), As<void*>(args[index]));
  }
  Randomize(As<void*>(args[index]), param.bytes * (param.size.arg[0] >= 0 ? args[param.size.arg[0]] : param.size.count));
}

void FakeDriver::WriteFilled(const cl::CallInfo& info, Args args, size_t index) {
  const ParamInfo& param = info.params[index];
  const uint64_t capacity = args[param.size.arg[0]];
  auto** const objects = As<void**>(args[index]);
  const ValueKind kind = param.selector < 0 ? ValueKind::kNone : KindOf(param.values, args[static_cast<size_t>(param.selector)]);
  if (param.handle != ValueKind::kNone) {
    for (uint64_t i = 0; i < capacity; ++i)
      objects[i] = param.handle == ValueKind::kKernel ? Fresh(param.handle) : DriverObject(param.handle, random_() % 8);
  } else if (IsHandle(kind)) {
    for (uint64_t i = 0; i < capacity / sizeof(void*); ++i) objects[i] = DriverObject(kind, random_() % 8);
  } else if (kind == ValueKind::kPropertyList) {
    std::memset(objects, 0, capacity);
    if (capacity < 24) return;
    objects[0] = As<void*>(uint64_t{CL_CONTEXT_PLATFORM});
    objects[1] = DriverObject(ValueKind::kPlatform, 1);
  } else {
    Randomize(objects, capacity * param.bytes);
  }
}

wire::WireHandle FakeClient::HandleOf(ValueKind kind, const void* object) {
  const Named name = NameOf(object);
  return name.kind == kind ? wire::WireHandle::Make(TypeOf(kind), 1, name.index) : wire::WireHandle{};
}

void* FakeClient::ObjectOf(ValueKind kind, wire::WireHandle handle) {
  return handle.type() == TypeOf(kind) ? ProgramObject(kind, handle.index()) : nullptr;
}

absl::StatusOr<uint64_t> FakeClient::SendBulk(const HostSource& source) {
  return to_server_.Send(Packed(source.layout, source.data));
}

absl::StatusOr<uint64_t> FakeClient::ExpectBulk(const HostTarget& target) {
  const uint64_t sequence = 1000 + expected_.size();
  expected_[sequence] = target;
  return sequence;
}

absl::Status FakeClient::AwaitBulk(uint64_t sequence, uint64_t bytes) {
  const std::vector<std::byte>& arrived = to_client_.frames[sequence];
  const HostTarget& target = expected_[sequence];
  if (arrived.size() != bytes || target.layout.bytes() != bytes) return absl::InvalidArgumentError("of another size");
  Unpack(target.layout, arrived.data(), target.data);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::byte>> FakeClient::TakeBulk(uint64_t sequence, uint64_t) {
  return to_client_.frames[sequence];
}

absl::StatusOr<ClientMapping> FakeClient::BeginMapping(cl_mem mem, const HostLayout& layout, cl_map_flags flags) {
  mappings_.push_back(std::make_unique<Mapped>(
      Mapped{mappings_.size() + 1, mem, layout, flags, std::vector<std::byte>(layout.bytes() + 1)}));
  return ClientMapping{mappings_.back()->token, mappings_.back()->bytes.data(), layout};
}

absl::StatusOr<ClientContext::EndedMapping> FakeClient::EndMapping(cl_mem mem, void* pointer) {
  for (const auto& mapped : mappings_) {
    if (mapped->bytes.data() != pointer || mapped->mem != mem) continue;
    const bool writes = (mapped->flags & CL_MAP_READ) == 0;
    return EndedMapping{mapped->token, {writes ? pointer : nullptr, mapped->layout}};
  }
  return absl::NotFoundError("is no mapping of this object");
}

absl::StatusOr<Storage> FakeServer::TakeBulk(uint64_t sequence, uint64_t bytes) {
  const auto found = to_server_.frames.find(sequence);
  if (found == to_server_.frames.end() || found->second.size() != bytes) return absl::InvalidArgumentError("never came");
  absl::StatusOr<Storage> storage = MakeStorage(bytes, limits().max_data_bytes);
  if (storage.ok() && bytes > 0) std::memcpy(storage->bytes.get(), found->second.data(), bytes);
  return storage;
}

cl_event FakeServer::ReceiveBulk(uint64_t transfer, std::span<std::byte> target, cl_command_queue,
                                 absl::AnyInvocable<void()> arrived) {
  std::vector<std::byte> bytes = to_server_.frames[transfer];
  bytes.resize(target.size());
  std::copy(bytes.begin(), bytes.end(), target.begin());
  arrived();
  return nullptr;
}

absl::StatusOr<uint64_t> FakeServer::SendBulk(std::span<const std::byte> bytes) {
  return to_client_.Send({bytes.begin(), bytes.end()});
}

void FakeServer::Finish(cl_int status, wire::Writer& answer) {
  for (const Completion& completion : waiting) {
    const Reply& reply = completion.reply;
    if (reply.data != nullptr && reply.sequence != 0) to_client_.frames[reply.sequence] = Packed(reply.layout, reply.data);
    if (completion.answer) AnswerDone(completion, status, answer);
  }
  waiting.clear();
}

void FakeServer::AddObjects() {
  for (wire::HandleType type = 1; type <= TypeOf(ValueKind::kEvent); ++type) {
    const auto kind = static_cast<ValueKind>(type);
    for (uint32_t i = 0; i < 8; ++i)
      static_cast<void>(objects().Add(kind, wire::WireHandle::Make(type, 1, i), DriverObject(kind, i)));
  }
}

std::vector<wire::WireHandle> MintFor(const cl::CallInfo& info, Args args) {
  std::vector<wire::WireHandle> minted;
  const auto mint = [&](ValueKind kind, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i)
      minted.push_back(wire::WireHandle::Make(TypeOf(kind), 1, 100 + static_cast<uint32_t>(minted.size())));
  };
  if (info.returns_handle != ValueKind::kNone) mint(info.returns_handle, 1);
  for (size_t i = 0; i < info.params.size(); ++i) {
    const ParamInfo& param = info.params[i];
    if (param.direction != cl::Direction::kOut || param.handle == ValueKind::kNone || args[i] == 0) continue;
    mint(param.handle, param.size.arg[0] >= 0 ? args[param.size.arg[0]] : param.size.count);
  }
  return minted;
}

}  // namespace xpool::wire_cl
