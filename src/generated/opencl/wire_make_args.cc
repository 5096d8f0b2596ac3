// Written by hand: the arguments that a program may pass to any call (MakeArgs of wire_call_text.h).
#include <CL/cl.h>

#include <cstring>

#include "generated/opencl/wire_call_text.h"
#include "wire_opencl/call_values.h"

namespace xpool::wire_cl {
namespace {

constexpr size_t kHostBytes = 8192;  // more than any region that is made up here, gaps and all

class ArgsMaker {
 public:
  ArgsMaker(const CallInfo& info, std::mt19937_64& random, Scratch& scratch, void* mapped)
      : info_(info), random_(random), scratch_(scratch), mapped_(mapped), args_(info.params.size()) {}

  std::vector<uint64_t> Make() {
    for (size_t i = 0; i < args_.size(); ++i) given_.push_back(!info_.params[i].optional || Below(3) != 0);
    for (size_t i = 0; i < args_.size(); ++i) {
      if (!info_.params[i].pointer) args_[i] = Value(static_cast<int>(i));
    }
    for (size_t i = 0; i < args_.size(); ++i) {
      const ParamInfo& param = info_.params[i];
      if (param.pointer) args_[i] = given_[i] ? reinterpret_cast<uint64_t>(Pointer(static_cast<int>(i))) : 0;
      if (param.callback && !given_[i]) args_[i] = 0;
    }
    for (size_t i = 0; i < args_.size(); ++i) Pitches(info_.params[i].size);
    return args_;
  }

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  std::byte* Random(size_t bytes) {
    std::byte* const data = scratch_.Allocate(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(random_());
    return data;
  }
  void* Object(ValueKind kind) { return ProgramObject(kind, static_cast<uint32_t>(Below(8))); }

  bool HasHostPtr() const {
    for (size_t i = 0; i < args_.size(); ++i) {
      if (info_.params[i].name == "host_ptr") return given_[i];
    }
    return false;
  }

  // The parameter whose elements (or bytes, if |form| is kBytes) are counted by |index|, or nullptr.
  const ParamInfo* Counted(int index, SizeForm form) const {
    for (const ParamInfo& param : info_.params) {
      if (param.size.form == form && param.size.arg[0] == index) return &param;
    }
    return nullptr;
  }

  uint64_t Selector(const ParamInfo& selected) {
    const bool out = selected.direction == cl::Direction::kOut;
    const cl::InnerValue& value = selected.values[Below(selected.values.size())];
    const bool crosses = IsHandle(value.kind) || (out && value.kind == ValueKind::kPropertyList);
    return crosses && Below(4) != 0 ? value.selector : 0x7777;
  }

  uint64_t Value(int index) {
    const ParamInfo& param = info_.params[static_cast<size_t>(index)];
    if (param.handle != ValueKind::kNone)
      return given_[static_cast<size_t>(index)] ? reinterpret_cast<uint64_t>(Object(param.handle)) : 0;
    if (param.callback) return 0x1234;  // never called
    for (const ParamInfo& other : info_.params) {
      if (other.selector == index) return Selector(other);
    }
    if (param.name == "work_dim") return 1 + Below(3);
    if (Counted(index, SizeForm::kElements) != nullptr) return Below(4);
    if (const ParamInfo* counted = Counted(index, SizeForm::kBytes); counted != nullptr)
      return counted->argument || counted->selector >= 0 ? 8 + (counted->argument ? 0 : 8 * Below(3)) : Below(40);
    if (param.type == "cl_mem_flags") return HasHostPtr() ? CL_MEM_COPY_HOST_PTR : CL_MEM_READ_WRITE;
    if (param.type == "cl_map_flags") return 1 + Below(4);
    if (param.type == "cl_buffer_create_type") return CL_BUFFER_CREATE_TYPE_REGION;
    if (param.type == "cl_bool") return Below(2);
    return param.name.find("pitch") != std::string_view::npos ? 0 : 1 + Below(6);
  }

  std::byte* Sizes(uint64_t least, uint64_t most, size_t count) {
    std::byte* const data = scratch_.Allocate(count * sizeof(size_t));
    for (size_t i = 0; i < count; ++i) Put(data, i, least + Below(most - least + 1));
    return data;
  }
  static void Put(std::byte* data, size_t index, uint64_t word) { std::memcpy(data + index * 8, &word, sizeof(word)); }

  std::byte* Objects(ValueKind kind, uint64_t count) {
    std::byte* const data = scratch_.Allocate(count * sizeof(void*));
    for (uint64_t i = 0; i < count; ++i) Put(data, i, reinterpret_cast<uint64_t>(Object(kind)));
    return data;
  }

  void* Strings(const ParamInfo& param, uint64_t count) {
    std::byte* const data = scratch_.Allocate(count * sizeof(void*));
    for (uint64_t i = 0; i < count; ++i) {
      std::byte* const text = scratch_.Allocate(40);  // zeroed: any length up to it ends with a NUL
      const size_t length = param.each == cl::EachForm::kString ? Below(20) : 30;
      for (size_t at = 0; at < length; ++at) text[at] = static_cast<std::byte>('a' + Below(26));
      Put(data, i, reinterpret_cast<uint64_t>(text));
    }
    return data;
  }

  void* Properties(const ParamInfo& param) {
    const uint64_t pairs = Below(4);
    std::byte* const data = scratch_.Allocate((2 * pairs + 1) * sizeof(uint64_t));
    for (uint64_t i = 0; i < pairs; ++i) {
      const bool known = !param.values.empty() && Below(2) == 0;
      Put(data, 2 * i, known ? param.values[0].selector : 0x5000 + Below(9));
      Put(data, 2 * i + 1, known ? reinterpret_cast<uint64_t>(Object(param.values[0].kind)) : random_());
    }
    return data;
  }

  void* Partition() {
    static constexpr cl_device_partition_property kLists[3][6] = {
        {CL_DEVICE_PARTITION_EQUALLY, 4, 0},
        {CL_DEVICE_PARTITION_BY_COUNTS, 3, 1, CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0},
        {CL_DEVICE_PARTITION_BY_AFFINITY_DOMAIN, CL_DEVICE_AFFINITY_DOMAIN_NUMA, 0}};
    std::byte* const data = scratch_.Allocate(sizeof(kLists[0]));
    std::memcpy(data, kLists[Below(3)], sizeof(kLists[0]));
    return data;
  }

  void* Desc() {
    constexpr cl_mem_object_type kTypes[] = {CL_MEM_OBJECT_IMAGE1D, CL_MEM_OBJECT_IMAGE2D, CL_MEM_OBJECT_IMAGE3D,
                                             CL_MEM_OBJECT_IMAGE1D_ARRAY, CL_MEM_OBJECT_IMAGE2D_ARRAY};
    auto* const desc = reinterpret_cast<cl_image_desc*>(scratch_.Allocate(sizeof(cl_image_desc)));
    *desc = cl_image_desc{};
    desc->image_type = kTypes[Below(5)];
    desc->image_width = 1 + Below(4);
    desc->image_height = 1 + Below(4);
    desc->image_depth = 1 + Below(4);
    desc->image_array_size = 1 + Below(4);
    if (Below(2) == 0) {
      desc->image_row_pitch = 4 * desc->image_width + Below(9);
      desc->image_slice_pitch = desc->image_row_pitch * desc->image_height + Below(9);
    }
    if (Below(2) == 0) desc->mem_object = static_cast<cl_mem>(Object(ValueKind::kMem));
    return desc;
  }

  void* Format() {
    const cl_image_format format{CL_RGBA, CL_UNORM_INT8};
    std::byte* const data = scratch_.Allocate(sizeof(format));
    std::memcpy(data, &format, sizeof(format));
    return data;
  }

  void* Elements(const ParamInfo& param, uint64_t count) {
    if (param.each != cl::EachForm::kNone) return Strings(param, count);
    if (!param.fields.empty()) return Desc();
    if (param.type == "const cl_image_format *") return Format();
    if (param.handle != ValueKind::kNone) return Objects(param.handle, count);
    if (param.name == "region") return Sizes(1, 4, count);
    if (param.name == "lengths") return Sizes(param.optional ? 0 : 1, 30, count);
    return param.bytes == sizeof(size_t) ? Sizes(0, 3, count) : Random(count * param.bytes);
  }

  void* Pointer(int index) {
    const ParamInfo& param = info_.params[static_cast<size_t>(index)];
    const uint64_t count = param.size.arg[0] >= 0 && !info_.params[param.size.arg[0]].pointer ? args_[param.size.arg[0]]
                                                                                              : param.size.count;
    if (param.size.form == SizeForm::kOpaque) return mapped_;
    if (param.direction != cl::Direction::kIn) return scratch_.Allocate(kHostBytes);
    switch (param.size.form) {
      case SizeForm::kElements:
        return Elements(param, count);
      case SizeForm::kString: {
        std::byte* const text = scratch_.Allocate(20);
        std::memset(text, 'x', Below(19));
        return text;
      }
      case SizeForm::kPropertyList:
        return Properties(param);
      case SizeForm::kPartitionList:
        return Partition();
      default:
        if (param.argument && ArgumentKindOf(static_cast<uint32_t>(args_[1])) != ValueKind::kNone)
          return Objects(ArgumentKindOf(static_cast<uint32_t>(args_[1])), 1);
        return Random(param.size.form == SizeForm::kFillColor || param.size.form == SizeForm::kSubBufferInfo ? 16 : kHostBytes);
    }
  }

  // Pitches that fit the region, or 0.
  void Pitches(const cl::SizeExpr& size) {
    if (Below(2) == 0) return;
    if (size.form == SizeForm::kRect || size.form == SizeForm::kImageRegion) {
      const auto* const region = reinterpret_cast<const size_t*>(args_[size.arg[1]]);
      const size_t row = region[0] * (size.form == SizeForm::kRect ? 1 : 4) + Below(9);
      SetPitches(size.arg[2], row, size.arg[3], row * region[1] + Below(9));
    } else if (size.form == SizeForm::kImageRows) {
      SetPitches(size.arg[3], 4 * args_[size.arg[1]] + Below(9), -1, 0);
    } else if (size.form == SizeForm::kImageSlices) {
      const size_t row = 4 * args_[size.arg[1]] + Below(9);
      SetPitches(size.arg[4], row, size.arg[5], row * args_[size.arg[2]] + Below(9));
    }
  }
  void SetPitches(int row, size_t row_pitch, int slice, size_t slice_pitch) {
    args_[static_cast<size_t>(row)] = row_pitch;
    if (slice >= 0) args_[static_cast<size_t>(slice)] = slice_pitch;
  }

  const CallInfo& info_;
  std::mt19937_64& random_;
  Scratch& scratch_;
  void* const mapped_;
  std::vector<uint64_t> args_;
  std::vector<bool> given_;
};

}  // namespace

std::vector<uint64_t> MakeArgs(const CallInfo& info, std::mt19937_64& random, Scratch& scratch, void* mapped) {
  return ArgsMaker(info, random, scratch, mapped).Make();
}

}  // namespace xpool::wire_cl
