// Platform and device queries of the null driver, and its extension look-up.
#include <unistd.h>

#include <map>

#include "backend/null/config.h"
#include "backend/null/engine.h"
#include "opencl/info.h"

namespace xpool::null_cl {
namespace {

using InfoTable = std::map<cl_uint, std::string>;  // raw bytes by query

template <typename T>
std::string Raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
std::string RawArray(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string Text(const std::string& text) { return text + '\0'; }

constexpr cl_version kVersion = CL_MAKE_VERSION(3, 0, 0);

cl_name_version Named(const char* name, cl_version version) {
  cl_name_version named{};
  named.version = version;
  std::strncpy(named.name, name, sizeof(named.name) - 1);
  return named;
}

const char kExtensions[] =
    "cl_khr_icd cl_khr_global_int32_base_atomics cl_khr_global_int32_extended_atomics "
    "cl_khr_local_int32_base_atomics cl_khr_local_int32_extended_atomics cl_khr_byte_addressable_store cl_khr_fp64";

std::vector<cl_name_version> VersionedExtensions() {
  std::vector<cl_name_version> result;
  std::string name;
  for (const char c : std::string(kExtensions) + ' ') {
    if (c != ' ') {
      name += c;
      continue;
    }
    result.push_back(Named(name.c_str(), CL_MAKE_VERSION(1, 0, 0)));
    name.clear();
  }
  return result;
}

InfoTable PlatformInfo() {
  return {
      {CL_PLATFORM_PROFILE, Text("FULL_PROFILE")},
      {CL_PLATFORM_VERSION, Text("OpenCL 3.0 xpool null driver")},
      {CL_PLATFORM_NAME, Text("xpool null platform (tests only)")},
      {CL_PLATFORM_VENDOR, Text("xpool")},
      {CL_PLATFORM_EXTENSIONS, Text(kExtensions)},
      {CL_PLATFORM_ICD_SUFFIX_KHR, Text("XPOOLNULL")},
      {CL_PLATFORM_HOST_TIMER_RESOLUTION, Raw(cl_ulong{1})},
      {CL_PLATFORM_NUMERIC_VERSION, Raw(kVersion)},
      {CL_PLATFORM_EXTENSIONS_WITH_VERSION, RawArray(VersionedExtensions())},
  };
}

void AddIdentity(InfoTable* table) {
  table->insert({
      {CL_DEVICE_TYPE, Raw(cl_device_type{CL_DEVICE_TYPE_ACCELERATOR})},
      {CL_DEVICE_VENDOR_ID, Raw(cl_uint{0x7870})},
      {CL_DEVICE_NAME, Text("xpool null device (tests only)")},
      {CL_DEVICE_VENDOR, Text("xpool")},
      {CL_DRIVER_VERSION, Text("1.0")},
      {CL_DEVICE_PROFILE, Text("FULL_PROFILE")},
      {CL_DEVICE_VERSION, Text("OpenCL 3.0 xpool null device")},
      {CL_DEVICE_NUMERIC_VERSION, Raw(kVersion)},
      {CL_DEVICE_OPENCL_C_VERSION, Text("OpenCL C 1.2 xpool null device")},
      {CL_DEVICE_OPENCL_C_ALL_VERSIONS,
       RawArray(std::vector<cl_name_version>{
           Named("OpenCL C", CL_MAKE_VERSION(1, 0, 0)), Named("OpenCL C", CL_MAKE_VERSION(1, 1, 0)),
           Named("OpenCL C", CL_MAKE_VERSION(1, 2, 0)), Named("OpenCL C", CL_MAKE_VERSION(3, 0, 0))})},
      {CL_DEVICE_OPENCL_C_FEATURES, RawArray(std::vector<cl_name_version>{Named("__opencl_c_images", kVersion)})},
      {CL_DEVICE_EXTENSIONS, Text(kExtensions)},
      {CL_DEVICE_EXTENSIONS_WITH_VERSION, RawArray(VersionedExtensions())},
      {CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, Text("")},
      {CL_DEVICE_IL_VERSION, Text("")},
      {CL_DEVICE_ILS_WITH_VERSION, ""},
      {CL_DEVICE_BUILT_IN_KERNELS, Text("")},
      {CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, ""},
      {CL_DEVICE_PLATFORM, Raw(ToHandle(Platform::Get()))},
      {CL_DEVICE_PARENT_DEVICE, Raw(cl_device_id{nullptr})},
      {CL_DEVICE_REFERENCE_COUNT, Raw(cl_uint{1})},
  });
}

void AddMemory(InfoTable* table) {
  const cl_ulong memory = GetConfig().memory_bytes;
  table->insert({
      {CL_DEVICE_GLOBAL_MEM_SIZE, Raw(memory)},
      {CL_DEVICE_MAX_MEM_ALLOC_SIZE, Raw(memory / 2)},
      {CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, Raw(cl_device_mem_cache_type{CL_READ_WRITE_CACHE})},
      {CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, Raw(cl_uint{64})},
      {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, Raw(cl_ulong{1 << 20})},
      {CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, Raw(cl_ulong{64 << 10})},
      {CL_DEVICE_MAX_CONSTANT_ARGS, Raw(cl_uint{8})},
      {CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, Raw(size_t{0})},
      {CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, Raw(size_t{0})},
      {CL_DEVICE_LOCAL_MEM_TYPE, Raw(cl_device_local_mem_type{CL_LOCAL})},
      {CL_DEVICE_LOCAL_MEM_SIZE, Raw(cl_ulong{48 << 10})},
      {CL_DEVICE_ERROR_CORRECTION_SUPPORT, Raw(cl_bool{CL_FALSE})},
      {CL_DEVICE_HOST_UNIFIED_MEMORY, Raw(cl_bool{CL_FALSE})},
      {CL_DEVICE_MEM_BASE_ADDR_ALIGN, Raw(cl_uint{1024})},
      {CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, Raw(cl_uint{128})},
      {CL_DEVICE_SVM_CAPABILITIES, Raw(cl_device_svm_capabilities{CL_DEVICE_SVM_COARSE_GRAIN_BUFFER})},
      {CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES,
       Raw(cl_device_atomic_capabilities{CL_DEVICE_ATOMIC_ORDER_RELAXED | CL_DEVICE_ATOMIC_SCOPE_WORK_GROUP})},
      {CL_DEVICE_ATOMIC_FENCE_CAPABILITIES,
       Raw(cl_device_atomic_capabilities{CL_DEVICE_ATOMIC_ORDER_RELAXED | CL_DEVICE_ATOMIC_ORDER_ACQ_REL |
                                         CL_DEVICE_ATOMIC_SCOPE_WORK_GROUP})},
  });
}

void AddImages(InfoTable* table) {
  table->insert({
      {CL_DEVICE_IMAGE_SUPPORT, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_MAX_READ_IMAGE_ARGS, Raw(cl_uint{128})},
      {CL_DEVICE_MAX_WRITE_IMAGE_ARGS, Raw(cl_uint{64})},
      {CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, Raw(cl_uint{0})},
      {CL_DEVICE_IMAGE2D_MAX_WIDTH, Raw(size_t{16384})},
      {CL_DEVICE_IMAGE2D_MAX_HEIGHT, Raw(size_t{16384})},
      {CL_DEVICE_IMAGE3D_MAX_WIDTH, Raw(size_t{2048})},
      {CL_DEVICE_IMAGE3D_MAX_HEIGHT, Raw(size_t{2048})},
      {CL_DEVICE_IMAGE3D_MAX_DEPTH, Raw(size_t{2048})},
      {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, Raw(size_t{1 << 20})},
      {CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, Raw(size_t{2048})},
      {CL_DEVICE_IMAGE_PITCH_ALIGNMENT, Raw(cl_uint{1})},
      {CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, Raw(cl_uint{1})},
      {CL_DEVICE_MAX_SAMPLERS, Raw(cl_uint{16})},
      {CL_DEVICE_MAX_PIPE_ARGS, Raw(cl_uint{0})},
      {CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, Raw(cl_uint{0})},
      {CL_DEVICE_PIPE_MAX_PACKET_SIZE, Raw(cl_uint{0})},
      {CL_DEVICE_PIPE_SUPPORT, Raw(cl_bool{CL_FALSE})},
  });
}

void AddCompute(InfoTable* table) {
  const cl_device_fp_config fp =
      CL_FP_FMA | CL_FP_ROUND_TO_NEAREST | CL_FP_ROUND_TO_ZERO | CL_FP_ROUND_TO_INF | CL_FP_INF_NAN | CL_FP_DENORM;
  table->insert({
      {CL_DEVICE_MAX_COMPUTE_UNITS, Raw(cl_uint{16})},
      {CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, Raw(cl_uint{3})},
      {CL_DEVICE_MAX_WORK_ITEM_SIZES, RawArray(std::vector<size_t>{1024, 1024, 64})},
      {CL_DEVICE_MAX_WORK_GROUP_SIZE, Raw(size_t{1024})},
      {CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, Raw(size_t{32})},
      {CL_DEVICE_MAX_NUM_SUB_GROUPS, Raw(cl_uint{0})},
      {CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, Raw(cl_bool{CL_FALSE})},
      {CL_DEVICE_MAX_CLOCK_FREQUENCY, Raw(cl_uint{1000})},
      {CL_DEVICE_ADDRESS_BITS, Raw(cl_uint{64})},
      {CL_DEVICE_MAX_PARAMETER_SIZE, Raw(size_t{4096})},
      {CL_DEVICE_SINGLE_FP_CONFIG, Raw(fp)},
      {CL_DEVICE_DOUBLE_FP_CONFIG, Raw(fp)},
      {CL_DEVICE_HALF_FP_CONFIG, Raw(cl_device_fp_config{0})},
      {CL_DEVICE_PROFILING_TIMER_RESOLUTION, Raw(size_t{1})},
      {CL_DEVICE_ENDIAN_LITTLE, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_AVAILABLE, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_COMPILER_AVAILABLE, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_LINKER_AVAILABLE, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_EXECUTION_CAPABILITIES, Raw(cl_device_exec_capabilities{CL_EXEC_KERNEL | CL_EXEC_NATIVE_KERNEL})},
      {CL_DEVICE_PRINTF_BUFFER_SIZE, Raw(size_t{1 << 20})},
      {CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, Raw(cl_bool{CL_TRUE})},
      {CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, Raw(cl_bool{CL_FALSE})},
      {CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, Raw(cl_bool{CL_FALSE})},
      {CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, Raw(cl_uint{0})},
      {CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, Raw(cl_uint{0})},
      {CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, Raw(cl_uint{0})},
  });
}

void AddQueuesAndPartitions(InfoTable* table) {
  const cl_command_queue_properties host = CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
  table->insert({
      {CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, Raw(host)},
      {CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, Raw(cl_command_queue_properties{0})},
      {CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, Raw(cl_uint{0})},
      {CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, Raw(cl_uint{0})},
      {CL_DEVICE_MAX_ON_DEVICE_QUEUES, Raw(cl_uint{0})},
      {CL_DEVICE_MAX_ON_DEVICE_EVENTS, Raw(cl_uint{0})},
      {CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, Raw(cl_device_device_enqueue_capabilities{0})},
      {CL_DEVICE_PARTITION_MAX_SUB_DEVICES, Raw(cl_uint{0})},
      {CL_DEVICE_PARTITION_PROPERTIES, Raw(cl_device_partition_property{0})},
      {CL_DEVICE_PARTITION_AFFINITY_DOMAIN, Raw(cl_device_affinity_domain{0})},
      {CL_DEVICE_PARTITION_TYPE, ""},
  });
}

void AddVectorWidths(InfoTable* table) {
  for (cl_uint query = CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR; query <= CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE;
       ++query) {
    table->emplace(query, Raw(cl_uint{1}));
  }
  for (cl_uint query = CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR; query <= CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE; ++query) {
    table->emplace(query, Raw(cl_uint{1}));
  }
  table->emplace(CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, Raw(cl_uint{0}));
  table->emplace(CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, Raw(cl_uint{0}));
}

InfoTable DeviceInfo() {
  InfoTable table;
  AddIdentity(&table);
  AddMemory(&table);
  AddImages(&table);
  AddCompute(&table);
  AddQueuesAndPartitions(&table);
  AddVectorWidths(&table);
  return table;
}

cl_int Answer(const InfoTable& table, cl_uint query, const InfoOut& reply) {
  const auto found = table.find(query);
  return found == table.end() ? CL_INVALID_VALUE : reply.Bytes(found->second.data(), found->second.size());
}

// One of one: the platform or the device.
template <typename Handle>
cl_int List(cl_uint num_entries, Handle* handles, cl_uint* count, Handle only) {
  if ((handles == nullptr && count == nullptr) || (handles != nullptr && num_entries == 0)) return CL_INVALID_VALUE;
  if (handles != nullptr) handles[0] = only;
  if (count != nullptr) *count = 1;
  return CL_SUCCESS;
}

}  // namespace

Platform* Platform::Get() {
  static Platform* const platform = new Platform;
  return platform;
}

Device* Device::Get() {
  static Device* const device = new Device;
  return device;
}

namespace impl {

cl_int clGetPlatformIDs(cl_uint num_entries, cl_platform_id* platforms, cl_uint* num_platforms) {
  return List(num_entries, platforms, num_platforms, ToHandle(Platform::Get()));
}

cl_int clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id* platforms, cl_uint* num_platforms) {
  return impl::clGetPlatformIDs(num_entries, platforms, num_platforms);
}

cl_int clGetPlatformInfo(cl_platform_id, cl_platform_info param_name, size_t param_value_size, void* param_value,
                         size_t* param_value_size_ret) {
  static const InfoTable& table = *new InfoTable(PlatformInfo());
  return Answer(table, param_name, InfoOut(param_value_size, param_value, param_value_size_ret));
}

cl_int clUnloadPlatformCompiler(cl_platform_id) { return CL_SUCCESS; }
cl_int clUnloadCompiler() { return CL_SUCCESS; }

void* clGetExtensionFunctionAddressForPlatform(cl_platform_id, const char* func_name) {
  return FindNullFunction(func_name);
}
void* clGetExtensionFunctionAddress(const char* func_name) { return FindNullFunction(func_name); }

cl_int clGetDeviceIDs(cl_platform_id, cl_device_type device_type, cl_uint num_entries, cl_device_id* devices,
                      cl_uint* num_devices) {
  constexpr cl_device_type kKnown = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU |
                                    CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_CUSTOM;
  if (device_type != CL_DEVICE_TYPE_ALL && (device_type == 0 || (device_type & ~kKnown) != 0)) {
    return CL_INVALID_DEVICE_TYPE;
  }
  const cl_int error = List(num_entries, devices, num_devices, ToHandle(Device::Get()));
  if (error != CL_SUCCESS || (device_type & (CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_ACCELERATOR)) != 0) return error;
  if (num_devices != nullptr) *num_devices = 0;
  return CL_DEVICE_NOT_FOUND;
}

cl_int clGetDeviceInfo(cl_device_id, cl_device_info param_name, size_t param_value_size, void* param_value,
                       size_t* param_value_size_ret) {
  static const InfoTable& table = *new InfoTable(DeviceInfo());
  return Answer(table, param_name, InfoOut(param_value_size, param_value, param_value_size_ret));
}

cl_int clGetDeviceAndHostTimer(cl_device_id, cl_ulong* device_timestamp, cl_ulong* host_timestamp) {
  *device_timestamp = *host_timestamp = static_cast<cl_ulong>(MonotonicNowNs());
  return CL_SUCCESS;
}

cl_int clGetHostTimer(cl_device_id, cl_ulong* host_timestamp) {
  *host_timestamp = static_cast<cl_ulong>(MonotonicNowNs());
  return CL_SUCCESS;
}

}  // namespace impl
}  // namespace xpool::null_cl
