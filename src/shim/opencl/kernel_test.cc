#include "shim/opencl/kernel.h"

#include <cstring>

#include "shim/opencl/arg_types.h"
#include "shim/opencl/driver_info.h"
#include "shim/opencl/test_fixture.h"

namespace xpool::cl {
namespace {

constexpr char kSource[] = R"(
kernel void store(global ulong* out, ulong value, local int* scratch, constant int* table) { out[0] = value; }
kernel void image(read_only image2d_t in, sampler_t sampler, global float4* out) {
  out[0] = read_imagef(in, sampler, (int2)(0, 0));
}
)";

// Launches go straight to the driver here: what is tested is which arguments its kernel has.
class KernelTest : public SliceTest {
 protected:
  void SetUp() override {
    SliceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    program_ = Build(kSource);
    kernel_ = entry::clCreateKernel(program_, "store", nullptr);
    out_ = NewBuffer(64);
    ASSERT_NE(kernel_, nullptr);
    const Context& context = *FromHandle<Context>(context_);
    queue_ = context.api->clCreateCommandQueue(context.driver, context.devices[0]->driver, 0, nullptr);
    ASSERT_NE(queue_, nullptr);
  }
  void TearDown() override {
    if (queue_ != nullptr) Api().clReleaseCommandQueue(queue_);
    if (out_ != nullptr) entry::clReleaseMemObject(out_);
    if (kernel_ != nullptr) entry::clReleaseKernel(kernel_);
    if (program_ != nullptr) entry::clReleaseProgram(program_);
    SliceTest::TearDown();
  }

  const DispatchTable& Api() const { return *FromHandle<Context>(context_)->api; }
  static Kernel* Own(cl_kernel kernel) { return FromHandle<Kernel>(kernel); }

  void SetArgs(cl_kernel kernel, cl_ulong value) {
    EXPECT_EQ(entry::clSetKernelArg(kernel, 0, sizeof(out_), &out_), CL_SUCCESS);
    EXPECT_EQ(entry::clSetKernelArg(kernel, 1, sizeof(value), &value), CL_SUCCESS);
    EXPECT_EQ(entry::clSetKernelArg(kernel, 2, 16, nullptr), CL_SUCCESS);
    EXPECT_EQ(entry::clSetKernelArg(kernel, 3, sizeof(cl_mem), nullptr), CL_SUCCESS);
  }

  // What the kernel stores when the driver's |kernel| runs.
  cl_ulong Run(cl_kernel kernel) {
    const size_t one = 1;
    cl_ulong result = 0;
    const cl_mem buffer = FromHandle<Mem>(out_)->driver;
    EXPECT_EQ(Api().clEnqueueNDRangeKernel(queue_, kernel, 1, nullptr, &one, nullptr, 0, nullptr, nullptr), CL_SUCCESS);
    EXPECT_EQ(Api().clEnqueueReadBuffer(queue_, buffer, CL_TRUE, 0, sizeof(result), &result, 0, nullptr, nullptr),
              CL_SUCCESS);
    return result;
  }

  cl_program program_ = nullptr;
  cl_kernel kernel_ = nullptr;
  cl_mem out_ = nullptr;
  cl_command_queue queue_ = nullptr;  // the driver's
};

TEST_F(KernelTest, KnowsWhatArgumentsTake) {
  EXPECT_EQ(Own(kernel_)->takes,
            (std::vector<ArgTakes>{ArgTakes::kMem, ArgTakes::kBytes, ArgTakes::kBytes, ArgTakes::kMem}));
  cl_kernel image = entry::clCreateKernel(program_, "image", nullptr);
  EXPECT_EQ(Own(image)->takes, (std::vector<ArgTakes>{ArgTakes::kMem, ArgTakes::kSampler, ArgTakes::kMem}));
  entry::clReleaseKernel(image);
}

TEST_F(KernelTest, UlongThatEqualsALiveHandleStaysANumber) {
  cl_ulong value = 0;
  std::memcpy(&value, &out_, sizeof(value));
  SetArgs(kernel_, value);
  EXPECT_EQ(Run(Own(kernel_)->driver), value);
}

// The driver without clGetKernelArgInfo: as for a program from a binary.
TEST_F(KernelTest, ProbesWhereTheDriverHasNoArgumentInfo) {
  DispatchTable without_info = Api();
  without_info.clGetKernelArgInfo = [](cl_kernel, cl_uint, cl_kernel_arg_info, size_t, void*, size_t*) -> cl_int {
    return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
  };
  const cl_program program = FromHandle<Program>(program_)->driver;
  const std::vector<ArgTakes> takes = FindArgTypes(without_info, program, Own(kernel_)->driver, "store");
  ASSERT_EQ(takes.size(), 4u);
  EXPECT_EQ(takes[0], ArgTakes::kMem);
  EXPECT_EQ(takes[1], ArgTakes::kMaybeNotPointer);  // a buffer's handle is no value for it
  EXPECT_EQ(takes[2], ArgTakes::kBytes);
  EXPECT_EQ(takes[3], ArgTakes::kMem);

  Own(kernel_)->takes = takes;
  cl_ulong value = 0;
  std::memcpy(&value, &out_, sizeof(value));
  SetArgs(kernel_, value);
  EXPECT_EQ(Run(Own(kernel_)->driver), value);
}

TEST_F(KernelTest, UnknownArgumentsMatchLiveHandles) {
  Own(kernel_)->takes.assign(4, ArgTakes::kMaybe);
  SetArgs(kernel_, 5);
  EXPECT_EQ(Run(Own(kernel_)->driver), 5u);
}

TEST_F(KernelTest, BadHandlesHaveTheirOwnErrors) {
  const cl_mem not_a_mem = reinterpret_cast<cl_mem>(context_);
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 0, sizeof(cl_mem), &not_a_mem), CL_INVALID_MEM_OBJECT);
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 9, sizeof(cl_mem), &out_), CL_INVALID_ARG_INDEX);
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 1, 3, &out_), CL_INVALID_ARG_SIZE);
  EXPECT_EQ(entry::clSetKernelArg(nullptr, 0, sizeof(cl_mem), &out_), CL_INVALID_KERNEL);
  cl_kernel image = entry::clCreateKernel(program_, "image", nullptr);
  EXPECT_EQ(entry::clSetKernelArg(image, 1, sizeof(cl_sampler), &out_), CL_INVALID_SAMPLER);
  entry::clReleaseKernel(image);
}

// The size is the driver's to judge, so nothing past the value is read before it has.
TEST_F(KernelTest, HugeSizeIsRefusedUnread) {
  const char byte = 0;
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 1, size_t{1} << 40, &byte), CL_INVALID_ARG_SIZE);
}

TEST_F(KernelTest, SnapshotIsSharedUntilAnArgumentChanges) {
  SetArgs(kernel_, 1);
  const auto first = Own(kernel_)->Snapshot();
  EXPECT_EQ(first->status, CL_SUCCESS);
  SetArgs(kernel_, 1);
  EXPECT_EQ(Own(kernel_)->Snapshot(), first);
  SetArgs(kernel_, 2);
  EXPECT_NE(Own(kernel_)->Snapshot(), first);
}

TEST_F(KernelTest, ShadowHasTheSnapshotsArguments) {
  SetArgs(kernel_, 1);
  const auto first = Own(kernel_)->Snapshot();
  SetArgs(kernel_, 2);
  const auto second = Own(kernel_)->Snapshot();
  for (int round = 0; round < 2; ++round) {  // the second time with a shadow from the pool
    ShadowKernel shadow = Own(kernel_)->AcquireShadow(*first);
    ASSERT_EQ(shadow.status(), CL_SUCCESS);
    EXPECT_EQ(Run(shadow.driver()), 1u);
    ShadowKernel other = Own(kernel_)->AcquireShadow(*second);
    EXPECT_NE(other.driver(), shadow.driver());
    EXPECT_EQ(Run(other.driver()), 2u);
  }
  EXPECT_EQ(Run(Own(kernel_)->driver), 2u);
}

TEST_F(KernelTest, UnsetArgumentMakesTheSnapshotUnusable) {
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 0, sizeof(out_), &out_), CL_SUCCESS);
  const auto snapshot = Own(kernel_)->Snapshot();
  EXPECT_EQ(snapshot->status, CL_INVALID_KERNEL_ARGS);
  EXPECT_EQ(Own(kernel_)->AcquireShadow(*snapshot).status(), CL_INVALID_KERNEL_ARGS);
}

TEST_F(KernelTest, ArgumentDoesNotKeepItsBufferButASnapshotDoes) {
  const uint64_t before = UsedBytes();
  cl_mem buffer = NewBuffer(1 << 16);
  SetArgs(kernel_, 1);
  EXPECT_EQ(entry::clSetKernelArg(kernel_, 0, sizeof(buffer), &buffer), CL_SUCCESS);
  auto snapshot = Own(kernel_)->Snapshot();
  entry::clReleaseMemObject(buffer);
  EXPECT_EQ(UsedBytes(), before + (1 << 16));
  snapshot.reset();
  EXPECT_EQ(UsedBytes(), before);
  EXPECT_EQ(Own(kernel_)->Snapshot()->status, CL_INVALID_KERNEL_ARGS);
}

TEST_F(KernelTest, CloneHasTheArgumentsOfItsSource) {
  SetArgs(kernel_, 7);
  cl_int error = CL_INVALID_VALUE;
  cl_kernel clone = entry::clCloneKernel(kernel_, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  SetArgs(kernel_, 8);
  EXPECT_EQ(Run(Own(clone)->driver), 7u);
  EXPECT_EQ(Run(Own(clone)->AcquireShadow(*Own(clone)->Snapshot()).driver()), 7u);
  entry::clReleaseKernel(clone);
}

TEST_F(KernelTest, InfoHasOwnHandles) {
  cl_program program = nullptr;
  cl_context context = nullptr;
  EXPECT_EQ(entry::clGetKernelInfo(kernel_, CL_KERNEL_PROGRAM, sizeof(program), &program, nullptr), CL_SUCCESS);
  EXPECT_EQ(entry::clGetKernelInfo(kernel_, CL_KERNEL_CONTEXT, sizeof(context), &context, nullptr), CL_SUCCESS);
  EXPECT_EQ(program, program_);
  EXPECT_EQ(context, context_);
}

TEST_F(KernelTest, AllKernelsOfAProgram) {
  cl_uint count = 0;
  ASSERT_EQ(entry::clCreateKernelsInProgram(program_, 0, nullptr, &count), CL_SUCCESS);
  ASSERT_EQ(count, 2u);
  cl_kernel kernels[2] = {};
  EXPECT_EQ(entry::clCreateKernelsInProgram(program_, 1, kernels, nullptr), CL_INVALID_VALUE);
  EXPECT_EQ(entry::clCreateKernelsInProgram(program_, 2, kernels, nullptr), CL_SUCCESS);
  for (cl_kernel kernel : kernels) EXPECT_EQ(entry::clReleaseKernel(kernel), CL_SUCCESS);
}

TEST(ArgTypesTest, QualifierAndTypeNameTell) {
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_GLOBAL, "float*"), ArgTakes::kMem);
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_CONSTANT, "my_pointer"), ArgTakes::kMem);
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_LOCAL, "float*"), ArgTakes::kBytes);
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_PRIVATE, "ulong"), ArgTakes::kBytes);
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_PRIVATE, "sampler_t"), ArgTakes::kSampler);
  EXPECT_EQ(TakesByInfo(CL_KERNEL_ARG_ADDRESS_PRIVATE, "queue_t"), ArgTakes::kQueue);
}

}  // namespace
}  // namespace xpool::cl
