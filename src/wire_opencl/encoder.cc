#include "wire_opencl/encoder.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "opencl/image.h"

namespace xpool::wire_cl {
namespace {

uint64_t WordAt(const std::byte* list, size_t index) {
  uint64_t word = 0;
  std::memcpy(&word, list + index * sizeof(word), sizeof(word));
  return word;
}

// Words of a partition with its terminators; more than kMaxProperties if they are not in sight.
size_t PartitionWords(const cl_device_partition_property* list) {
  if (list[0] == 0) return 1;
  if (list[0] != CL_DEVICE_PARTITION_BY_COUNTS) return list[2] == 0 ? 3 : kMaxProperties + 1;
  size_t words = 1;
  while (words < kMaxProperties && list[words] != CL_DEVICE_PARTITION_BY_COUNTS_LIST_END) ++words;
  return words + 2;
}

}  // namespace

void Encoder::Refuse(const char* param, std::string_view why) {
  if (status_.ok())
    status_ = absl::InvalidArgumentError(absl::StrCat(std::string(call_), ": ", param, " ", std::string(why)));
}

void Encoder::Presence(std::initializer_list<bool> given) {
  uint32_t bits = 0, bit = 1;
  for (const bool one : given) {
    if (one) bits |= bit;
    bit <<= 1;
  }
  out_.U32(bits);
}

wire::WireHandle Encoder::HandleOf(const char* param, ValueKind kind, const void* object) {
  if (object == nullptr) return {};
  const wire::WireHandle handle = client_.HandleOf(kind, object);
  if (handle.is_null()) Refuse(param, "is no object of this session");
  return handle;
}

bool Encoder::InRange(const char* param, uint64_t count, uint64_t max) {
  if (count > max) Refuse(param, absl::StrCat("has ", count, " elements; at most ", max, " can cross"));
  return ok();
}

void Encoder::Mint(const char* param, ValueKind kind, bool wanted) {
  if (!wanted) return;
  if (minted_.empty() || minted_.front().type() != TypeOf(kind)) return Refuse(param, "has no new handle of its type");
  out_.Handle(minted_.front());
  minted_ = minted_.subspan(1);
}

void Encoder::MintArray(const char* param, ValueKind kind, bool wanted, uint64_t max) {
  if (!wanted) return;
  const size_t count = std::min<uint64_t>(minted_.size(), max);
  for (size_t i = 0; i < count; ++i) {
    if (minted_[i].type() != TypeOf(kind)) return Refuse(param, "has a new handle of another type");
  }
  if (!InRange(param, count, kMaxElements)) return;
  out_.Array(minted_.data(), count);
  minted_ = minted_.subspan(count);
}

void Encoder::String(const char* param, const char* text) {
  if (text == nullptr) return;
  const size_t length = strnlen(text, kMaxStringBytes + 1);
  if (length > kMaxStringBytes) return Refuse(param, absl::StrCat("is longer than ", kMaxStringBytes, " characters"));
  out_.CString(text);
}

void Encoder::StringOf(const char* param, const void* text, size_t length, bool terminated) {
  if (text == nullptr) return Refuse(param, "has a NULL among its elements");
  if (terminated && length == 0) length = std::strlen(static_cast<const char*>(text));
  Data(param, text, DenseLayout(length));
}

void Encoder::Properties(const char* param, const std::byte* list, Values values) {
  size_t pairs = 0;
  while (pairs <= kMaxProperties && WordAt(list, 2 * pairs) != 0) ++pairs;
  if (!InRange(param, pairs, kMaxProperties)) return;
  out_.U32(static_cast<uint32_t>(pairs));
  for (size_t i = 0; i < pairs; ++i) {
    const uint64_t key = WordAt(list, 2 * i), value = WordAt(list, 2 * i + 1);
    const ValueKind kind = KindOf(values, key);
    out_.U64(key);
    if (IsHandle(kind)) {
      Handle(param, kind, reinterpret_cast<const void*>(value));
    } else if (kind == ValueKind::kNone) {
      out_.U64(value);
    } else {
      Refuse(param, "holds an address in the program's memory, which cannot cross");
    }
  }
}

void Encoder::PartitionList(const char* param, const cl_device_partition_property* list) {
  if (list == nullptr) return;
  const size_t words = PartitionWords(list);
  if (InRange(param, words, kMaxProperties)) out_.Array(list, words);
}

void Encoder::SubBufferInfo(const char* param, cl_buffer_create_type type, const void* info) {
  if (info == nullptr) return;
  if (type != CL_BUFFER_CREATE_TYPE_REGION) return Refuse(param, "is of a buffer_create_type that is not known");
  cl_buffer_region region;
  std::memcpy(&region, info, sizeof(region));
  Value(region.origin);
  Value(region.size);
}

void Encoder::FillColor(const char* param, cl_mem image, const void* color) {
  if (color == nullptr || !ok()) return;
  const absl::StatusOr<ImageShape> shape = client_.ShapeOf(image);
  if (!shape.ok()) return Refuse(param, std::string(shape.status().message()));
  uint32_t words[4] = {};
  std::memcpy(words, color, shape->depth ? sizeof(cl_float) : sizeof(words));
  out_.Elements(words, 4);
}

void Encoder::ImageFormat(const char*, const cl_image_format* format) {
  if (format == nullptr) return;
  Value(format->image_channel_order);
  Value(format->image_channel_data_type);
}

void Encoder::ImageDesc(const char* param, const cl_image_desc* desc, bool packed) {
  if (desc == nullptr) return;
  Value(desc->image_type);
  for (const size_t size : {desc->image_width, desc->image_height, desc->image_depth, desc->image_array_size})
    Value(size);
  Value(packed ? size_t{0} : desc->image_row_pitch);
  Value(packed ? size_t{0} : desc->image_slice_pitch);
  Value(desc->num_mip_levels);
  Value(desc->num_samples);
  Handle(param, ValueKind::kMem, desc->mem_object);
}

void Encoder::Argument(const char* param, cl_kernel kernel, cl_uint index, size_t size, const void* value) {
  if (value == nullptr || !ok()) return;
  const ValueKind kind = client_.ArgumentKind(kernel, index);
  if (!IsHandle(kind)) {
    if (!InRange(param, size, kMaxArgumentBytes)) return;
    out_.U8(kArgumentBytes);
    return out_.Raw({static_cast<const std::byte*>(value), size});
  }
  if (size != sizeof(void*)) return Refuse(param, absl::StrCat("has ", size, " bytes; a handle has ", sizeof(void*)));
  void* object = nullptr;
  std::memcpy(&object, value, sizeof(object));
  out_.U8(TypeOf(kind));
  Handle(param, kind, object);
}

void Encoder::Token(const char* param, uint64_t token) {
  if (token == 0) return Refuse(param, "has no token");
  out_.U64(token);
}

void Encoder::HostPointer(const char* param, cl_mem_flags flags, const void* host_ptr) {
  if ((flags & CL_MEM_USE_HOST_PTR) != 0 && client_.HostMemoryIsShared()) {
    in_place_ = true;
  } else if ((flags & CL_MEM_USE_HOST_PTR) != 0) {
    Refuse(param,
           "is memory that the object would use in place (CL_MEM_USE_HOST_PTR); send CL_MEM_COPY_HOST_PTR instead");
  } else if (host_ptr != nullptr && (flags & CL_MEM_COPY_HOST_PTR) == 0) {
    Refuse(param, "is given without CL_MEM_COPY_HOST_PTR");
  }
}

void Encoder::Data(const char* param, const void* data, const absl::StatusOr<HostLayout>& layout) {
  if (data == nullptr || !ok()) return;
  if (!layout.ok()) return Refuse(param, std::string(layout.status().message()));
  if (in_place_) {
    out_.U8(static_cast<uint8_t>(Where::kShared));
    out_.U64(layout->bytes());
    return out_.U64(reinterpret_cast<uint64_t>(data));
  }
  if (inline_bytes_ + layout->bytes() > client_.max_inline_bytes()) {
    const absl::StatusOr<uint64_t> sequence = client_.SendBulk({data, *layout});
    if (!sequence.ok()) {
      status_ = sequence.status();
      return;
    }
    out_.U8(static_cast<uint8_t>(Where::kBulk));
    out_.U64(layout->bytes());
    return out_.U64(*sequence);
  }
  inline_bytes_ += layout->bytes();
  out_.U8(static_cast<uint8_t>(Where::kInline));
  out_.U64(layout->bytes());
  ForEachPiece(*layout, static_cast<const std::byte*>(data), [this](const std::byte* piece, uint64_t bytes) {
    out_.Raw({piece, bytes});
  });
}

void Encoder::Expect(const char* param, void* data, const absl::StatusOr<HostLayout>& layout) {
  if (!ok()) return;
  if (!layout.ok()) return Refuse(param, std::string(layout.status().message()));
  wants_answer_ = true;
  expected_.target = {data, *layout};
  if (layout->bytes() > client_.max_inline_bytes()) {
    const absl::StatusOr<uint64_t> sequence = client_.ExpectBulk(expected_.target);
    if (!sequence.ok()) {
      status_ = sequence.status();
      return;
    }
    expected_.sequence = *sequence;
  }
  out_.U64(expected_.sequence);
}

void Encoder::Map(cl_mem mem, const absl::StatusOr<HostLayout>& layout, cl_map_flags flags, bool blocking) {
  if (!ok()) return;
  if (!layout.ok()) return Refuse("region", std::string(layout.status().message()));
  const absl::StatusOr<ClientMapping> mapping = client_.BeginMapping(mem, *layout, flags);
  if (!mapping.ok()) {
    status_ = mapping.status();
    return;
  }
  Token("mapping", mapping->token);
  if ((flags & CL_MAP_WRITE_INVALIDATE_REGION) == 0) return Expect("mapping", mapping->data, mapping->layout);
  expected_.target = {mapping->data, mapping->layout};
  wants_answer_ |= blocking;  // for its status alone
  out_.U64(0);
}

void Encoder::MapBuffer(cl_mem buffer, size_t size, cl_map_flags flags, bool blocking) {
  Map(buffer, DenseLayout(size), flags, blocking);
}

void Encoder::MapImage(cl_mem image, const size_t* region, size_t* row_pitch, size_t* slice_pitch, cl_map_flags flags,
                       bool blocking) {
  const absl::StatusOr<HostLayout> layout = ImageRegion(image, region, 0, 0);
  Map(image, layout, flags, blocking);
  if (!ok()) return;
  const cl_mem_object_type type = client_.ShapeOf(image)->type;
  const HostLayout& mapped = expected_.target.layout;
  if (row_pitch != nullptr) *row_pitch = mapped.row_pitch;
  if (slice_pitch == nullptr) return;
  const size_t pitch = type == CL_MEM_OBJECT_IMAGE1D_ARRAY ? mapped.row_pitch : mapped.slice_pitch;
  *slice_pitch = HasSlices(type) ? pitch : 0;
}

void Encoder::Unmap(const char* param, cl_mem mem, void* pointer) {
  if (!ok()) return;
  const absl::StatusOr<ClientContext::EndedMapping> mapping = client_.EndMapping(mem, pointer);
  if (!mapping.ok()) return Refuse(param, std::string(mapping.status().message()));
  Token(param, mapping->token);
  out_.Bool(mapping->source.data != nullptr);
  Data(param, mapping->source.data, mapping->source.layout);
}

absl::StatusOr<HostLayout> Encoder::ImageRegion(cl_mem image, const size_t* region, size_t row_pitch,
                                                size_t slice_pitch) {
  const absl::StatusOr<ImageShape> shape = client_.ShapeOf(image);
  if (!shape.ok()) return shape.status();
  return ImageRegionLayout(*shape, region, row_pitch, slice_pitch);
}

}  // namespace xpool::wire_cl
