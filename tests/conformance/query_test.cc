// Platform and device queries: sizes, every parameter clinfo asks for, NULL handles, wrong sizes.
#include <CL/cl_ext.h>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class QueryTest : public ClTest {};

struct Parameter {
  cl_uint name;
  size_t size;  // 0: depends on the device
  const char* text;
};
#define FIXED(name, type) \
  { name, sizeof(type), #name }
#define VARIES(name) \
  { name, 0, #name }

constexpr Parameter kPlatformParameters[] = {
    VARIES(CL_PLATFORM_PROFILE),
    VARIES(CL_PLATFORM_VERSION),
    VARIES(CL_PLATFORM_NAME),
    VARIES(CL_PLATFORM_VENDOR),
    VARIES(CL_PLATFORM_EXTENSIONS),
    VARIES(CL_PLATFORM_ICD_SUFFIX_KHR),
    FIXED(CL_PLATFORM_NUMERIC_VERSION, cl_version),
    VARIES(CL_PLATFORM_EXTENSIONS_WITH_VERSION),
    FIXED(CL_PLATFORM_HOST_TIMER_RESOLUTION, cl_ulong),
};

constexpr Parameter kDeviceParameters[] = {
    FIXED(CL_DEVICE_TYPE, cl_device_type),
    FIXED(CL_DEVICE_VENDOR_ID, cl_uint),
    FIXED(CL_DEVICE_MAX_COMPUTE_UNITS, cl_uint),
    FIXED(CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, cl_uint),
    VARIES(CL_DEVICE_MAX_WORK_ITEM_SIZES),
    FIXED(CL_DEVICE_MAX_WORK_GROUP_SIZE, size_t),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_INT, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, cl_uint),
    FIXED(CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, cl_uint),
    FIXED(CL_DEVICE_MAX_CLOCK_FREQUENCY, cl_uint),
    FIXED(CL_DEVICE_ADDRESS_BITS, cl_uint),
    FIXED(CL_DEVICE_MAX_MEM_ALLOC_SIZE, cl_ulong),
    FIXED(CL_DEVICE_IMAGE_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_MAX_READ_IMAGE_ARGS, cl_uint),
    FIXED(CL_DEVICE_MAX_WRITE_IMAGE_ARGS, cl_uint),
    FIXED(CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, cl_uint),
    FIXED(CL_DEVICE_IMAGE2D_MAX_WIDTH, size_t),
    FIXED(CL_DEVICE_IMAGE2D_MAX_HEIGHT, size_t),
    FIXED(CL_DEVICE_IMAGE3D_MAX_WIDTH, size_t),
    FIXED(CL_DEVICE_IMAGE3D_MAX_HEIGHT, size_t),
    FIXED(CL_DEVICE_IMAGE3D_MAX_DEPTH, size_t),
    FIXED(CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, size_t),
    FIXED(CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, size_t),
    FIXED(CL_DEVICE_MAX_SAMPLERS, cl_uint),
    FIXED(CL_DEVICE_MAX_PARAMETER_SIZE, size_t),
    FIXED(CL_DEVICE_MEM_BASE_ADDR_ALIGN, cl_uint),
    FIXED(CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, cl_uint),
    FIXED(CL_DEVICE_SINGLE_FP_CONFIG, cl_device_fp_config),
    FIXED(CL_DEVICE_DOUBLE_FP_CONFIG, cl_device_fp_config),
    FIXED(CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, cl_device_mem_cache_type),
    FIXED(CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, cl_uint),
    FIXED(CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, cl_ulong),
    FIXED(CL_DEVICE_GLOBAL_MEM_SIZE, cl_ulong),
    FIXED(CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, cl_ulong),
    FIXED(CL_DEVICE_MAX_CONSTANT_ARGS, cl_uint),
    FIXED(CL_DEVICE_LOCAL_MEM_TYPE, cl_device_local_mem_type),
    FIXED(CL_DEVICE_LOCAL_MEM_SIZE, cl_ulong),
    FIXED(CL_DEVICE_ERROR_CORRECTION_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_HOST_UNIFIED_MEMORY, cl_bool),
    FIXED(CL_DEVICE_PROFILING_TIMER_RESOLUTION, size_t),
    FIXED(CL_DEVICE_ENDIAN_LITTLE, cl_bool),
    FIXED(CL_DEVICE_AVAILABLE, cl_bool),
    FIXED(CL_DEVICE_COMPILER_AVAILABLE, cl_bool),
    FIXED(CL_DEVICE_LINKER_AVAILABLE, cl_bool),
    FIXED(CL_DEVICE_EXECUTION_CAPABILITIES, cl_device_exec_capabilities),
    FIXED(CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, cl_command_queue_properties),
    VARIES(CL_DEVICE_BUILT_IN_KERNELS),
    FIXED(CL_DEVICE_PLATFORM, cl_platform_id),
    VARIES(CL_DEVICE_NAME),
    VARIES(CL_DEVICE_VENDOR),
    VARIES(CL_DRIVER_VERSION),
    VARIES(CL_DEVICE_PROFILE),
    VARIES(CL_DEVICE_VERSION),
    VARIES(CL_DEVICE_OPENCL_C_VERSION),
    VARIES(CL_DEVICE_EXTENSIONS),
    FIXED(CL_DEVICE_PRINTF_BUFFER_SIZE, size_t),
    FIXED(CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, cl_bool),
    FIXED(CL_DEVICE_PARENT_DEVICE, cl_device_id),
    FIXED(CL_DEVICE_PARTITION_MAX_SUB_DEVICES, cl_uint),
    VARIES(CL_DEVICE_PARTITION_PROPERTIES),
    FIXED(CL_DEVICE_PARTITION_AFFINITY_DOMAIN, cl_device_affinity_domain),
    FIXED(CL_DEVICE_REFERENCE_COUNT, cl_uint),
};

constexpr Parameter kDevice3Parameters[] = {
    FIXED(CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, cl_command_queue_properties),
    FIXED(CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, cl_uint),
    FIXED(CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, cl_uint),
    FIXED(CL_DEVICE_MAX_ON_DEVICE_QUEUES, cl_uint),
    FIXED(CL_DEVICE_MAX_ON_DEVICE_EVENTS, cl_uint),
    FIXED(CL_DEVICE_SVM_CAPABILITIES, cl_device_svm_capabilities),
    FIXED(CL_DEVICE_MAX_PIPE_ARGS, cl_uint),
    FIXED(CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, cl_uint),
    FIXED(CL_DEVICE_PIPE_MAX_PACKET_SIZE, cl_uint),
    FIXED(CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, size_t),
    FIXED(CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, size_t),
    FIXED(CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, cl_uint),
    FIXED(CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, cl_uint),
    FIXED(CL_DEVICE_IMAGE_PITCH_ALIGNMENT, cl_uint),
    FIXED(CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, cl_uint),
    FIXED(CL_DEVICE_MAX_NUM_SUB_GROUPS, cl_uint),
    FIXED(CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, cl_bool),
    FIXED(CL_DEVICE_NUMERIC_VERSION, cl_version),
    VARIES(CL_DEVICE_IL_VERSION),
    VARIES(CL_DEVICE_ILS_WITH_VERSION),
    VARIES(CL_DEVICE_EXTENSIONS_WITH_VERSION),
    VARIES(CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION),
    VARIES(CL_DEVICE_OPENCL_C_ALL_VERSIONS),
    VARIES(CL_DEVICE_OPENCL_C_FEATURES),
    FIXED(CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES, cl_device_atomic_capabilities),
    FIXED(CL_DEVICE_ATOMIC_FENCE_CAPABILITIES, cl_device_atomic_capabilities),
    FIXED(CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, cl_device_device_enqueue_capabilities),
    FIXED(CL_DEVICE_PIPE_SUPPORT, cl_bool),
    FIXED(CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, size_t),
    VARIES(CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED),
};

// Asks for the size, then the value at that size, then at one byte less.
template <typename Handle, typename Function>
void CheckParameter(Function function, Handle handle, const Parameter& parameter) {
  SCOPED_TRACE(parameter.text);
  size_t size = 0;
  ASSERT_CL(function(handle, parameter.name, 0, nullptr, &size));
  if (parameter.size != 0) {
    ASSERT_EQ(parameter.size, size);
  }
  std::vector<char> value(size + 1, '\x5a');
  size_t written = 0;
  ASSERT_CL(function(handle, parameter.name, size, value.data(), &written));
  EXPECT_EQ(size, written);
  EXPECT_EQ('\x5a', value[size]) << "wrote past the end";
  if (size > 0) {
    EXPECT_EQ(CL_INVALID_VALUE, function(handle, parameter.name, size - 1, value.data(), nullptr));
  }
}

TEST_F(QueryTest, PlatformParameters) {
  for (const Parameter& parameter : kPlatformParameters) {
    if (parameter.name == CL_PLATFORM_HOST_TIMER_RESOLUTION && DriverDeviates(POCL)) continue;
    CheckParameter(clGetPlatformInfo, GetTarget().platform, parameter);
  }
}

TEST_F(QueryTest, DeviceParameters) {
  for (const Parameter& parameter : kDeviceParameters) CheckParameter(clGetDeviceInfo, device(), parameter);
}

TEST_F(QueryTest, DeviceParametersOfOpenCl3) {
  if (GetTarget().platform_version.rfind("OpenCL 3", 0) != 0) GTEST_SKIP() << GetTarget().platform_version;
  for (const Parameter& parameter : kDevice3Parameters) {
    // PoCL returns a cl_bool for it.
    if (parameter.name == CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES && DriverDeviates(POCL)) continue;
    CheckParameter(clGetDeviceInfo, device(), parameter);
  }
}

TEST_F(QueryTest, UnknownParameterIsInvalidValue) {
  char value[64];
  EXPECT_EQ(CL_INVALID_VALUE, clGetPlatformInfo(GetTarget().platform, 0x7777, sizeof(value), value, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clGetDeviceInfo(device(), 0x7777, sizeof(value), value, nullptr));
}

TEST_F(QueryTest, NullDeviceIsInvalid) {
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_DEVICE, clGetDeviceInfo(nullptr, CL_DEVICE_VENDOR_ID, sizeof(value), &value, nullptr));
  EXPECT_EQ(CL_INVALID_DEVICE, clRetainDevice(nullptr));
  EXPECT_EQ(CL_INVALID_DEVICE, clReleaseDevice(nullptr));
}

TEST_F(QueryTest, DeviceBelongsToItsPlatform) {
  EXPECT_EQ(GetTarget().platform, Query<cl_platform_id>(clGetDeviceInfo, device(), CL_DEVICE_PLATFORM));
  EXPECT_EQ(nullptr, Query<cl_device_id>(clGetDeviceInfo, device(), CL_DEVICE_PARENT_DEVICE));
}

TEST_F(QueryTest, DeviceTypesSelect) {
  auto type = Query<cl_device_type>(clGetDeviceInfo, device(), CL_DEVICE_TYPE);
  cl_uint count = 0;
  EXPECT_CL(clGetDeviceIDs(GetTarget().platform, type & ~cl_device_type{CL_DEVICE_TYPE_DEFAULT}, 0, nullptr, &count));
  EXPECT_GE(count, 1u);
  EXPECT_CL(clGetDeviceIDs(GetTarget().platform, CL_DEVICE_TYPE_DEFAULT, 0, nullptr, &count));
  EXPECT_EQ(1u, count);
  EXPECT_EQ(CL_DEVICE_NOT_FOUND, clGetDeviceIDs(GetTarget().platform, CL_DEVICE_TYPE_CUSTOM, 0, nullptr, &count));
  if (!DriverDeviates(POCL)) {  // PoCL says CL_DEVICE_NOT_FOUND
    EXPECT_EQ(CL_INVALID_DEVICE_TYPE, clGetDeviceIDs(GetTarget().platform, 0x4000, 0, nullptr, &count));
  }
  EXPECT_EQ(CL_INVALID_VALUE, clGetDeviceIDs(GetTarget().platform, CL_DEVICE_TYPE_ALL, 0, nullptr, nullptr));
  cl_device_id found = nullptr;
  EXPECT_EQ(CL_INVALID_VALUE, clGetDeviceIDs(GetTarget().platform, CL_DEVICE_TYPE_ALL, 0, &found, nullptr));
}

TEST_F(QueryTest, HandlesStayTheSame) {
  cl_platform_id platform = nullptr;
  cl_device_id again = nullptr;
  ASSERT_CL(clGetPlatformIDs(1, &platform, nullptr));
  ASSERT_CL(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &again, nullptr));
  EXPECT_EQ(GetTarget().platform, platform);
  EXPECT_EQ(device(), again);
}

TEST_F(QueryTest, LargestAllocationFitsIntoMemory) {
  auto global = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_GLOBAL_MEM_SIZE);
  auto largest = Query<cl_ulong>(clGetDeviceInfo, device(), CL_DEVICE_MAX_MEM_ALLOC_SIZE);
  EXPECT_LE(largest, global);
  EXPECT_GT(largest, 0u);
}

TEST_F(QueryTest, RootDeviceRetainAndReleaseDoNothing) {
  ASSERT_CL(clRetainDevice(device()));
  ASSERT_CL(clReleaseDevice(device()));
  ASSERT_CL(clReleaseDevice(device()));
  EXPECT_EQ(1u, Query<cl_uint>(clGetDeviceInfo, device(), CL_DEVICE_REFERENCE_COUNT));
}

TEST_F(QueryTest, ExtensionFunctionsOfUnknownNamesAreNull) {
  EXPECT_EQ(nullptr, clGetExtensionFunctionAddressForPlatform(GetTarget().platform, "clNoSuchFunctionKHR"));
}

TEST_F(QueryTest, UnloadCompilerSucceeds) { EXPECT_CL(clUnloadPlatformCompiler(GetTarget().platform)); }

TEST_F(QueryTest, HostTimersRunForward) {
  cl_ulong device_before = 0, host_before = 0, device_after = 0, host_after = 0;
  cl_int status = clGetDeviceAndHostTimer(device(), &device_before, &host_before);
  if (status == CL_INVALID_OPERATION) GTEST_SKIP() << "the device has no host timer";
  ASSERT_CL(status);
  ASSERT_CL(clGetDeviceAndHostTimer(device(), &device_after, &host_after));
  EXPECT_LE(device_before, device_after);
  EXPECT_LE(host_before, host_after);
}

}  // namespace
}  // namespace xpool::conformance
