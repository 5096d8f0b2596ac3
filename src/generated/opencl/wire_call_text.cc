#include "generated/opencl/wire_call_text.h"

#include <CL/cl.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "wire_opencl/call_values.h"

namespace xpool::wire_cl {
namespace {

constexpr uint64_t kProgramBase = uint64_t{0x11} << 40;
constexpr uint64_t kDriverBase = uint64_t{0x22} << 40;

uint64_t AddressOf(uint64_t base, ValueKind kind, uint32_t index) {
  return base | uint64_t{static_cast<uint8_t>(kind)} << 32 | uint64_t{index} << 4;
}

std::string ObjectText(const void* object) {
  if (object == nullptr) return "null";
  const Named name = NameOf(object);
  return name.kind == ValueKind::kNone ? "no object" : absl::StrCat(static_cast<int>(name.kind), "#", name.index);
}

uint64_t WordAt(const void* data, size_t index) {
  uint64_t word = 0;
  std::memcpy(&word, static_cast<const std::byte*>(data) + index * sizeof(word), sizeof(word));
  return word;
}

const void* PointerAt(const void* data, size_t index) { return reinterpret_cast<const void*>(WordAt(data, index)); }

// The places in a size expression that describe gaps.
std::vector<int> GapPlaces(SizeForm form) {
  switch (form) {
    case SizeForm::kRect:
      return {0, 2, 3};
    case SizeForm::kImageRegion:
      return {2, 3};
    case SizeForm::kImageRows:
      return {3};
    case SizeForm::kImageSlices:
      return {4, 5};
    default:
      return {};
  }
}

bool IsGap(const CallInfo& info, int index) {
  const auto says = [&](const cl::SizeExpr& size) {
    for (const int place : GapPlaces(size.form)) {
      if (size.arg[place] == index) return true;
    }
    return false;
  };
  if (says(info.returns_size)) return true;
  for (const ParamInfo& param : info.params) {
    if (says(param.size)) return true;
  }
  return false;
}

bool IsLengths(const CallInfo& info, int index) {
  for (const ParamInfo& param : info.params) {
    if (param.each_lengths == index) return true;
  }
  return false;
}

bool IsUserData(const CallInfo& info, int index) {
  for (const ParamInfo& param : info.params) {
    if (param.user_data == index) return true;
  }
  return false;
}

// Parameters that the worker may pass otherwise than the program did.
bool IsFree(const CallInfo& info, int index) {
  const ParamInfo& param = info.params[index];
  if (param.blocking || param.name == "errcode_ret" || param.size.form == SizeForm::kOpaque) return true;
  if (param.handle == ValueKind::kEvent && param.direction == cl::Direction::kOut) return true;
  return IsGap(info, index) || IsLengths(info, index) || IsUserData(info, index) || CountedBy(info, index) >= 0;
}

bool HasHostPtr(const CallInfo& info, Args args) {
  for (size_t i = 0; i < info.params.size(); ++i) {
    if (info.params[i].name == "host_ptr") return args[i] != 0;
  }
  return false;
}

std::string DescText(const cl_image_desc& desc, bool packed) {
  std::string text = absl::StrCat(desc.image_type, " ", desc.image_width, "x", desc.image_height, "x", desc.image_depth, "x",
                                  desc.image_array_size, " ", desc.num_mip_levels, " ", desc.num_samples, " ",
                                  ObjectText(desc.mem_object));
  if (!packed) absl::StrAppend(&text, " ", desc.image_row_pitch, " ", desc.image_slice_pitch);
  return text;
}

std::string PropertiesText(const ParamInfo& param, const void* list) {
  std::string text;
  for (size_t i = 0; WordAt(list, i) != 0; i += 2) {
    const bool handle = IsHandle(KindOf(param.values, WordAt(list, i)));
    absl::StrAppend(&text, WordAt(list, i), ":",
                    handle ? ObjectText(PointerAt(list, i + 1)) : absl::StrCat(WordAt(list, i + 1)), " ");
  }
  return text;
}

std::string PartitionText(const void* list) {
  const bool counts = WordAt(list, 0) == CL_DEVICE_PARTITION_BY_COUNTS;
  size_t words = 1;
  while (WordAt(list, words - 1) != 0) ++words;
  return Hex(list, (counts ? words + 1 : words) * sizeof(uint64_t));
}

std::string StringsText(const ParamInfo& param, const void* strings, uint64_t count, Args args) {
  const auto* const lengths =
      param.each_lengths < 0 ? nullptr : reinterpret_cast<const void*>(args[static_cast<size_t>(param.each_lengths)]);
  std::string text;
  for (uint64_t i = 0; i < count; ++i) {
    size_t length = lengths == nullptr ? 0 : WordAt(lengths, i);
    if (length == 0 && param.each != cl::EachForm::kBytes) length = std::strlen(static_cast<const char*>(PointerAt(strings, i)));
    absl::StrAppend(&text, Hex(PointerAt(strings, i), length), " ");
  }
  return text;
}

std::string ElementsText(const CallInfo& info, const ParamInfo& param, const void* data, uint64_t count, Args args) {
  if (param.each != cl::EachForm::kNone) return StringsText(param, data, count, args);
  if (!param.fields.empty()) return DescText(*static_cast<const cl_image_desc*>(data), HasHostPtr(info, args));
  if (param.handle == ValueKind::kNone) return Hex(data, count * param.bytes);
  std::string text;
  for (uint64_t i = 0; i < count; ++i) absl::StrAppend(&text, ObjectText(PointerAt(data, i)), " ");
  return text;
}

std::string PackedText(const HostLayout& layout, const void* data) {
  std::vector<std::byte> packed(layout.bytes());
  if (!packed.empty()) Pack(layout, data, packed.data());
  return Hex(packed.data(), packed.size());
}

uint64_t CountOf(const CallInfo& info, const ParamInfo& param, Args args) {
  return param.size.arg[0] >= 0 ? ValueAt(info, args, param.size.arg[0]) : param.size.count;
}

std::string InText(const CallInfo& info, const ParamInfo& param, Args args, const void* data) {
  switch (param.size.form) {
    case SizeForm::kElements:
      return ElementsText(info, param, data, CountOf(info, param, args), args);
    case SizeForm::kString:
      return static_cast<const char*>(data);
    case SizeForm::kPropertyList:
      return PropertiesText(param, data);
    case SizeForm::kPartitionList:
      return PartitionText(data);
    case SizeForm::kSubBufferInfo:
      return Hex(data, sizeof(cl_buffer_region));
    case SizeForm::kFillColor:
      return Hex(data, ShapeOfImage(NameOf(reinterpret_cast<void*>(args[param.size.arg[0]])).index).depth ? 4 : 16);
    default:
      if (param.argument && ArgumentKindOf(static_cast<uint32_t>(args[1])) != ValueKind::kNone) return ObjectText(PointerAt(data, 0));
      return PackedText(LayoutOf(param.size, info, args), data);
  }
}

ValueKind SelectedKind(const ParamInfo& param, Args args) {
  return param.selector < 0 ? ValueKind::kNone : KindOf(param.values, args[static_cast<size_t>(param.selector)]);
}

std::string OutText(const CallInfo& info, const ParamInfo& param, Args args, const void* data) {
  const uint64_t count = CountOf(info, param, args);
  const ValueKind kind = SelectedKind(param, args);
  if (IsHandle(kind)) {
    std::string text;
    for (uint64_t i = 0; i < count / sizeof(void*); ++i) absl::StrAppend(&text, ObjectText(PointerAt(data, i)), " ");
    return text;
  }
  if (kind == ValueKind::kPropertyList) {
    return count < 24 ? "" : absl::StrCat(WordAt(data, 0), ":", ObjectText(PointerAt(data, 1)), " ", WordAt(data, 2));
  }
  if (param.size.form == SizeForm::kElements) return ElementsText(info, param, data, count, args);
  return PackedText(LayoutOf(param.size, info, args), data);
}

}  // namespace

void* ProgramObject(ValueKind kind, uint32_t index) { return reinterpret_cast<void*>(AddressOf(kProgramBase, kind, index)); }
void* DriverObject(ValueKind kind, uint32_t index) { return reinterpret_cast<void*>(AddressOf(kDriverBase, kind, index)); }

Named NameOf(const void* object) {
  const auto address = reinterpret_cast<uint64_t>(object);
  const uint64_t base = address >> 40 << 40;
  const auto kind = static_cast<ValueKind>(address >> 32 & 0xff);
  if ((base != kProgramBase && base != kDriverBase) || !IsHandle(kind)) return {};
  return {kind, static_cast<uint32_t>(address) >> 4};
}

ImageShape ShapeOfImage(uint32_t index) {
  constexpr cl_mem_object_type kTypes[] = {CL_MEM_OBJECT_IMAGE2D, CL_MEM_OBJECT_IMAGE3D, CL_MEM_OBJECT_IMAGE1D_ARRAY};
  return {kTypes[index % 3], 4, index % 4 == 3};
}

ValueKind ArgumentKindOf(uint32_t index) {
  constexpr ValueKind kKinds[] = {ValueKind::kMem, ValueKind::kSampler, ValueKind::kQueue, ValueKind::kNone};
  return kKinds[index % 4];
}

int CountedBy(const CallInfo& info, int index) {
  for (size_t i = 0; i < info.params.size(); ++i) {
    if (info.params[i].filled == index) return static_cast<int>(i);
  }
  return -1;
}

bool IsHostMemory(SizeForm form) {
  return form == SizeForm::kBytes || form == SizeForm::kRect || form == SizeForm::kImageRegion ||
         form == SizeForm::kImageData || form == SizeForm::kImageRows || form == SizeForm::kImageSlices;
}

uint64_t ValueAt(const CallInfo& info, Args args, int index) {
  const ParamInfo& param = info.params[static_cast<size_t>(index)];
  const uint64_t value = args[static_cast<size_t>(index)];
  return param.pointer && param.direction == cl::Direction::kOut && value != 0 ? WordAt(reinterpret_cast<void*>(value), 0)
                                                                              : value;
}

HostLayout LayoutOf(const cl::SizeExpr& size, const CallInfo& info, Args args) {
  const auto value = [&](int place) { return ValueAt(info, args, size.arg[place]); };
  const auto sizes = [&](int place) { return reinterpret_cast<const size_t*>(args[size.arg[place]]); };
  const auto format = [&] { return *reinterpret_cast<const cl_image_format*>(args[size.arg[0]]); };
  absl::StatusOr<HostLayout> layout;
  switch (size.form) {
    case SizeForm::kRect:
      layout = RectLayout(sizes(0), sizes(1), value(2), value(3));
      break;
    case SizeForm::kImageRegion:
      layout = ImageRegionLayout(ShapeOfImage(NameOf(reinterpret_cast<void*>(args[size.arg[0]])).index), sizes(1), value(2),
                                 value(3));
      break;
    case SizeForm::kImageData:
      layout = ImageDataLayout(format(), *reinterpret_cast<const cl_image_desc*>(args[size.arg[1]]));
      break;
    case SizeForm::kImageRows:
      layout = ImageRowsLayout(format(), value(1), value(2), value(3));
      break;
    case SizeForm::kImageSlices:
      layout = ImageSlicesLayout(format(), value(1), value(2), value(3), value(4), value(5));
      break;
    default:
      return DenseLayout(value(0));
  }
  return layout.ok() ? *layout : DenseLayout(0);
}

std::string Hex(const void* data, size_t bytes) {
  return absl::BytesToHexString(absl::string_view(static_cast<const char*>(data), bytes));
}

std::string DescribeIn(const CallInfo& info, Args args) {
  std::string text = absl::StrCat(std::string(info.name), ": ");
  for (size_t i = 0; i < info.params.size(); ++i) {
    const ParamInfo& param = info.params[i];
    const auto* const data = reinterpret_cast<const void*>(args[i]);
    absl::StrAppend(&text, std::string(param.name), "=");
    if (IsFree(info, static_cast<int>(i))) {
      absl::StrAppend(&text, "*");
    } else if (param.callback || (param.pointer && param.direction != cl::Direction::kIn)) {
      absl::StrAppend(&text, data == nullptr ? "null" : "given");
    } else if (!param.pointer) {
      absl::StrAppend(&text, param.handle == ValueKind::kNone ? absl::StrCat(args[i]) : ObjectText(data));
    } else {
      absl::StrAppend(&text, data == nullptr ? "null" : InText(info, param, args, data));
    }
    absl::StrAppend(&text, "; ");
  }
  return text;
}

std::string DescribeOut(const CallInfo& info, Args args, uint64_t result) {
  std::string text;
  for (size_t i = 0; i < info.params.size(); ++i) {
    const ParamInfo& param = info.params[i];
    if (!param.pointer || param.direction == cl::Direction::kIn || IsFree(info, static_cast<int>(i))) continue;
    const auto* const data = reinterpret_cast<const void*>(args[i]);
    absl::StrAppend(&text, std::string(param.name), "=", data == nullptr ? "null" : OutText(info, param, args, data), "; ");
  }
  if (IsHostMemory(info.returns_size.form)) {
    absl::StrAppend(&text, "mapping=", PackedText(LayoutOf(info.returns_size, info, args), reinterpret_cast<void*>(result)));
  }
  return text;
}

}  // namespace xpool::wire_cl
