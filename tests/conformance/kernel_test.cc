// Kernels: creation, queries, argument information, clones, work sizes, wrong arguments.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class KernelTest : public ClTest {};

TEST_F(KernelTest, ReportsNameContextAndProgram) {
  Owned<cl_kernel> kernel = NewKernel("fill");
  char name[32] = {};
  ASSERT_CL(clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof(name), name, nullptr));
  EXPECT_STREQ("fill", name);
  EXPECT_EQ(context(), Query<cl_context>(clGetKernelInfo, kernel.get(), CL_KERNEL_CONTEXT));
  EXPECT_EQ(program(), Query<cl_program>(clGetKernelInfo, kernel.get(), CL_KERNEL_PROGRAM));
  EXPECT_EQ(1u, Query<cl_uint>(clGetKernelInfo, kernel.get(), CL_KERNEL_REFERENCE_COUNT));
}

TEST_F(KernelTest, CountsItsArguments) {
  NEEDS_RESULTS();
  EXPECT_EQ(2u, Query<cl_uint>(clGetKernelInfo, NewKernel("fill").get(), CL_KERNEL_NUM_ARGS));
  EXPECT_EQ(3u, Query<cl_uint>(clGetKernelInfo, NewKernel("sum_local").get(), CL_KERNEL_NUM_ARGS));
}

// What comes to the process's standard output meanwhile.
class Printed {
 public:
  Printed() : file_(std::tmpfile()), before_(dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    dup2(fileno(file_), STDOUT_FILENO);
  }
  ~Printed() { std::fclose(file_); }
  std::string Take() {
    dup2(before_, STDOUT_FILENO);
    close(before_);
    std::string text(static_cast<size_t>(lseek(fileno(file_), 0, SEEK_END)), 0);
    const ssize_t got = pread(fileno(file_), text.data(), text.size(), 0);
    EXPECT_EQ(static_cast<ssize_t>(text.size()), got);
    return text;
  }

 private:
  FILE* const file_;
  const int before_;
};

constexpr char kPrinting[] = R"(
kernel void say(int number) { printf("kernel %d\n", number); }
kernel void say_much(int lines) { for (int i = 0; i < lines; ++i) printf("line %d of many\n", i); })";

TEST_F(KernelTest, HasPrintedWhenItsQueueIsFinished) {
  NEEDS_RESULTS();
  Owned<cl_program> program = NewProgram(kPrinting);
  Owned<cl_kernel> say = NewKernel(program, "say");
  Printed printed;
  for (cl_int number = 0; number < 3; ++number) {
    EXPECT_CL(clSetKernelArg(say, 0, sizeof(number), &number));
    EXPECT_CL(Launch(queue(), say, 1));
    if (number == 0) continue;
    EXPECT_CL(clFinish(queue()));
    dprintf(STDOUT_FILENO, "host %d\n", number);
  }
  EXPECT_EQ("kernel 0\nkernel 1\nhost 1\nkernel 2\nhost 2\n", printed.Take());
}

TEST_F(KernelTest, HasPrintedWhenItsEventIsComplete) {
  NEEDS_RESULTS();
  Owned<cl_program> program = NewProgram(kPrinting);
  Owned<cl_kernel> say = NewKernel(program, "say_much");
  const cl_int lines = 200;
  std::string expected;
  for (cl_int i = 0; i < lines; ++i) expected += "line " + std::to_string(i) + " of many\n";
  EXPECT_CL(clSetKernelArg(say, 0, sizeof(lines), &lines));
  Printed printed;
  Owned<cl_event> said;
  const size_t one = 1;
  EXPECT_CL(clEnqueueNDRangeKernel(queue(), say, 1, nullptr, &one, &one, 0, nullptr, said.out()));
  cl_event events[] = {said};
  EXPECT_CL(clWaitForEvents(1, events));
  EXPECT_EQ(expected, printed.Take());
}

TEST_F(KernelTest, WorkGroupInfoIsPlausible) {
  Owned<cl_kernel> kernel = NewKernel("fill");
  auto query = [&](cl_kernel_work_group_info name) {
    size_t value = 0;
    EXPECT_CL(clGetKernelWorkGroupInfo(kernel, device(), name, sizeof(value), &value, nullptr));
    return value;
  };
  EXPECT_GT(query(CL_KERNEL_WORK_GROUP_SIZE), 0u);
  EXPECT_GT(query(CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE), 0u);
  std::array<size_t, 3> required = {1, 1, 1};
  EXPECT_CL(clGetKernelWorkGroupInfo(kernel, device(), CL_KERNEL_COMPILE_WORK_GROUP_SIZE, sizeof(required),
                                     required.data(), nullptr));
  EXPECT_EQ((std::array<size_t, 3>{0, 0, 0}), required);
  cl_ulong local = 0;
  EXPECT_CL(clGetKernelWorkGroupInfo(kernel, device(), CL_KERNEL_LOCAL_MEM_SIZE, sizeof(local), &local, nullptr));
  EXPECT_CL(clGetKernelWorkGroupInfo(kernel, nullptr, CL_KERNEL_WORK_GROUP_SIZE, sizeof(size_t), &local, nullptr))
      << "no device is needed where there is one only";
  EXPECT_EQ(CL_INVALID_VALUE, clGetKernelWorkGroupInfo(kernel, device(), 0x7777, sizeof(local), &local, nullptr));
}

TEST_F(KernelTest, ArgumentInformation) {
  NEEDS_RESULTS();
  Owned<cl_program> program = NewProgram(
      "kernel void described(global const float* in, local int* scratch, constant int* table, float scale) {}",
      "-cl-kernel-arg-info");
  Owned<cl_kernel> kernel = NewKernel(program, "described");
  struct {
    cl_kernel_arg_address_qualifier space;
    const char* name;
    const char* type;
  } const rows[] = {{CL_KERNEL_ARG_ADDRESS_GLOBAL, "in", "float*"},
                    {CL_KERNEL_ARG_ADDRESS_LOCAL, "scratch", "int*"},
                    {CL_KERNEL_ARG_ADDRESS_CONSTANT, "table", "int*"},
                    {CL_KERNEL_ARG_ADDRESS_PRIVATE, "scale", "float"}};
  cl_uint index = 0;
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    cl_kernel_arg_address_qualifier space = 0;
    char text[64] = {};
    EXPECT_CL(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof(space), &space, nullptr));
    EXPECT_EQ(row.space, space);
    EXPECT_CL(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_NAME, sizeof(text), text, nullptr));
    EXPECT_STREQ(row.name, text);
    EXPECT_CL(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_NAME, sizeof(text), text, nullptr));
    EXPECT_STREQ(row.type, text);
    ++index;
  }
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_ARG_INDEX,
            clGetKernelArgInfo(kernel, 4, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof(value), &value, nullptr));
}

TEST_F(KernelTest, UnknownNameIsInvalid) {
  NEEDS_RESULTS();
  cl_int status = CL_SUCCESS;
  EXPECT_EQ(nullptr, clCreateKernel(program(), "no_such_kernel", &status));
  EXPECT_EQ(CL_INVALID_KERNEL_NAME, status);
}

TEST_F(KernelTest, WrongCreationIsRefused) {
  cl_int status = CL_SUCCESS;
  clCreateKernel(nullptr, "fill", &status);
  EXPECT_EQ(CL_INVALID_PROGRAM, status);
  clCreateKernel(program(), nullptr, &status);
  EXPECT_EQ(CL_INVALID_VALUE, status);
  cl_int unbuilt_status = CL_SUCCESS;
  Owned<cl_program> unbuilt(
      clCreateProgramWithSource(context(), 1, const_cast<const char**>(&kKernels), nullptr, &status));
  clCreateKernel(unbuilt, "fill", &unbuilt_status);
  EXPECT_EQ(CL_INVALID_PROGRAM_EXECUTABLE, unbuilt_status);
  EXPECT_EQ(CL_INVALID_KERNEL, clRetainKernel(nullptr));
  EXPECT_EQ(CL_INVALID_KERNEL, clReleaseKernel(nullptr));
}

TEST_F(KernelTest, AllKernelsOfAProgramComeTogether) {
  NEEDS_RESULTS();
  Owned<cl_program> program = NewProgram("kernel void one() {} kernel void two() {}");
  cl_uint count = 0;
  ASSERT_CL(clCreateKernelsInProgram(program, 0, nullptr, &count));
  ASSERT_EQ(2u, count);
  cl_kernel kernels[2] = {};
  EXPECT_EQ(CL_INVALID_VALUE, clCreateKernelsInProgram(program, 1, kernels, nullptr));
  ASSERT_CL(clCreateKernelsInProgram(program, 2, kernels, nullptr));
  for (cl_kernel kernel : kernels) {
    EXPECT_CL(Launch(queue(), kernel, 1));
    EXPECT_CL(clReleaseKernel(kernel));
  }
  EXPECT_CL(clFinish(queue()));
}

TEST_F(KernelTest, CloneKeepsArgumentsAndGoesItsOwnWay) {
  NEEDS_RESULTS();
  Owned<cl_mem> first = NewInts({0}), second = NewInts({0});
  Owned<cl_kernel> fill = NewKernel("fill");
  ASSERT_CL(SetArgs(fill, first.get(), cl_int{1}));
  cl_int status = CL_SUCCESS;
  Owned<cl_kernel> clone(clCloneKernel(fill, &status));
  if (status == CL_INVALID_OPERATION) GTEST_SKIP() << "the driver clones no kernels";
  ASSERT_CL(status);
  ASSERT_CL(SetArgs(clone, second.get(), cl_int{2}));
  ASSERT_CL(Launch(queue(), fill, 1));
  ASSERT_CL(Launch(queue(), clone, 1));
  EXPECT_EQ(1, ReadInts(first, 1)[0]);
  EXPECT_EQ(2, ReadInts(second, 1)[0]);
}

TEST_F(KernelTest, TwoDimensionsWithOffset) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts(std::vector<cl_int>(12, -1));
  Owned<cl_kernel> where = NewKernel("where");
  ASSERT_CL(SetArgs(where, buffer.get()));
  std::array<size_t, 2> global = {4, 2}, offset = {0, 1}, local = {2, 1};
  ASSERT_CL(clEnqueueNDRangeKernel(queue(), where, 2, offset.data(), global.data(), local.data(), 0, nullptr, nullptr));
  EXPECT_EQ((std::vector<cl_int>{-1, -1, -1, -1, 100, 101, 102, 103, 200, 201, 202, 203}), ReadInts(buffer, 12));
}

TEST_F(KernelTest, WrongWorkSizesAreRefused) {
  Owned<cl_mem> buffer = NewBuffer(1 << 16);
  Owned<cl_kernel> fill = NewKernel("fill");
  ASSERT_CL(SetArgs(fill, buffer.get(), cl_int{1}));
  size_t many[] = {64, 1, 1}, huge_group[] = {1 << 24, 1, 1}, seven[] = {7, 1, 1};
  auto launch = [&](cl_uint dimensions, const size_t* global, const size_t* local) {
    return clEnqueueNDRangeKernel(queue(), fill, dimensions, nullptr, global, local, 0, nullptr, nullptr);
  };
  EXPECT_EQ(CL_INVALID_WORK_DIMENSION, launch(0, many, nullptr));
  EXPECT_EQ(CL_INVALID_WORK_DIMENSION, launch(4, many, nullptr));
  cl_int status = launch(1, huge_group, huge_group);
  EXPECT_TRUE(status == CL_INVALID_WORK_GROUP_SIZE || status == CL_INVALID_WORK_ITEM_SIZE) << status;
  status = launch(1, many, seven);
  EXPECT_TRUE(status == CL_INVALID_WORK_GROUP_SIZE || status == CL_SUCCESS) << status;
  EXPECT_EQ(CL_INVALID_COMMAND_QUEUE, Launch(nullptr, fill, 1));
  EXPECT_CL(clFinish(queue()));
}

TEST_F(KernelTest, LaunchOfNoKernelIsInvalid) {
  KNOWN_NATIVE_DEVIATION(POCL, "crashes");
  EXPECT_EQ(CL_INVALID_KERNEL, Launch(queue(), nullptr, 1));
}

TEST_F(KernelTest, TaskRunsOneItem) {
  NEEDS_RESULTS();
  Owned<cl_mem> buffer = NewInts({0, 0});
  Owned<cl_kernel> fill = NewKernel("fill");
  ASSERT_CL(SetArgs(fill, buffer.get(), cl_int{4}));
  ASSERT_CL(clEnqueueTask(queue(), fill, 0, nullptr, nullptr));
  EXPECT_EQ((std::vector<cl_int>{4, 0}), ReadInts(buffer, 2));
}

TEST_F(KernelTest, KernelOfAnotherContextIsInvalid) {
  Owned<cl_context> other = NewContext();
  Owned<cl_command_queue> queue = NewQueueIn(other);
  Owned<cl_kernel> fill = NewKernel("fill");
  Owned<cl_mem> buffer = NewInts({0});
  ASSERT_CL(SetArgs(fill, buffer.get(), cl_int{4}));
  EXPECT_EQ(CL_INVALID_CONTEXT, Launch(queue, fill, 1));
}

}  // namespace
}  // namespace xpool::conformance
