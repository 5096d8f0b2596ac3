// Programs: source, build and its failures, binary round trip, compile and link, intermediate language.
#include <cstdint>

#include "cl_test.h"

namespace xpool::conformance {
namespace {

class ProgramTest : public ClTest {
 protected:
  Owned<cl_program> FromSource(const char* source) {
    cl_int status = CL_SUCCESS;
    Owned<cl_program> program(clCreateProgramWithSource(context(), 1, &source, nullptr, &status));
    EXPECT_EQ(CL_SUCCESS, status);
    return program;
  }
  cl_int Build(cl_program program, const char* options = nullptr) {
    cl_device_id device = this->device();
    return clBuildProgram(program, 1, &device, options, nullptr, nullptr);
  }
  template <typename T>
  T BuildInfo(cl_program program, cl_program_build_info name) {
    T value{};
    EXPECT_CL(clGetProgramBuildInfo(program, device(), name, sizeof(value), &value, nullptr));
    return value;
  }
  std::string BuildText(cl_program program, cl_program_build_info name) {
    size_t size = 0;
    EXPECT_CL(clGetProgramBuildInfo(program, device(), name, 0, nullptr, &size));
    std::string text(size, '\0');
    EXPECT_CL(clGetProgramBuildInfo(program, device(), name, size, text.data(), nullptr));
    return text.c_str();
  }
  std::vector<unsigned char> Binary(cl_program program) {
    auto size = Query<size_t>(clGetProgramInfo, program, CL_PROGRAM_BINARY_SIZES);
    std::vector<unsigned char> binary(size);
    unsigned char* pointer = binary.data();
    EXPECT_CL(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(pointer), &pointer, nullptr));
    return binary;
  }
  // Runs fill(buffer, value) of |program| and returns what is in the buffer.
  cl_int RunFill(cl_program program, cl_int value) {
    Owned<cl_kernel> fill = NewKernel(program, "fill");
    Owned<cl_mem> buffer = NewInts({0});
    EXPECT_CL(SetArgs(fill, buffer.get(), value));
    EXPECT_CL(Launch(queue(), fill, 1));
    return ReadInts(buffer, 1)[0];
  }
};

TEST_F(ProgramTest, ReportsSourceContextAndDevices) {
  Owned<cl_program> program = FromSource(kKernels);
  EXPECT_EQ(context(), Query<cl_context>(clGetProgramInfo, program.get(), CL_PROGRAM_CONTEXT));
  EXPECT_EQ(1u, Query<cl_uint>(clGetProgramInfo, program.get(), CL_PROGRAM_NUM_DEVICES));
  EXPECT_EQ(device(), Query<cl_device_id>(clGetProgramInfo, program.get(), CL_PROGRAM_DEVICES));
  EXPECT_EQ(1u, Query<cl_uint>(clGetProgramInfo, program.get(), CL_PROGRAM_REFERENCE_COUNT));
  EXPECT_EQ(kKernels, QueryText(clGetProgramInfo, program.get(), CL_PROGRAM_SOURCE));
}

TEST_F(ProgramTest, SourceMayComeInPiecesWithLengths) {
  NEEDS_RESULTS();
  const char* pieces[] = {"kernel void fill(global int* out, int value) {GARBAGE", "out[0] = value;", "}"};
  size_t lengths[] = {strlen(pieces[0]) - strlen("GARBAGE"), 0, 1};
  cl_int status = CL_SUCCESS;
  Owned<cl_program> program(clCreateProgramWithSource(context(), 3, pieces, lengths, &status));
  ASSERT_CL(status);
  ASSERT_CL(Build(program));
  EXPECT_EQ(5, RunFill(program, 5));
}

TEST_F(ProgramTest, BuildStatusAndOptionsAreReported) {
  Owned<cl_program> program = FromSource(kKernels);
  EXPECT_EQ(CL_BUILD_NONE, BuildInfo<cl_build_status>(program, CL_PROGRAM_BUILD_STATUS));
  ASSERT_CL(Build(program, "-DANSWER=42"));
  EXPECT_EQ(CL_BUILD_SUCCESS, BuildInfo<cl_build_status>(program, CL_PROGRAM_BUILD_STATUS));
  EXPECT_NE(std::string::npos, BuildText(program, CL_PROGRAM_BUILD_OPTIONS).find("-DANSWER=42"));
  EXPECT_EQ(cl_program_binary_type{CL_PROGRAM_BINARY_TYPE_EXECUTABLE},
            BuildInfo<cl_program_binary_type>(program, CL_PROGRAM_BINARY_TYPE));
}

TEST_F(ProgramTest, KernelNamesAreListed) {
  NEEDS_RESULTS();
  Owned<cl_program> program = FromSource("kernel void one() {} kernel void two() {}");
  ASSERT_CL(Build(program));
  EXPECT_EQ(2u, Query<size_t>(clGetProgramInfo, program.get(), CL_PROGRAM_NUM_KERNELS));
  char names[64] = {};
  ASSERT_CL(clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, sizeof(names), names, nullptr));
  EXPECT_TRUE(strcmp(names, "one;two") == 0 || strcmp(names, "two;one") == 0) << names;
}

TEST_F(ProgramTest, BrokenSourceFailsWithALog) {
  NEEDS_RESULTS();
  Owned<cl_program> program = FromSource("kernel void broken(global int* out) { out[0] = no_such_name; }");
  EXPECT_EQ(CL_BUILD_PROGRAM_FAILURE, Build(program));
  EXPECT_EQ(CL_BUILD_ERROR, BuildInfo<cl_build_status>(program, CL_PROGRAM_BUILD_STATUS));
  EXPECT_NE(std::string::npos, BuildText(program, CL_PROGRAM_BUILD_LOG).find("no_such_name"));
  cl_int status = CL_SUCCESS;
  clCreateKernel(program, "broken", &status);
  EXPECT_EQ(CL_INVALID_PROGRAM_EXECUTABLE, status);
}

TEST_F(ProgramTest, WrongOptionsAreRefused) {
  NEEDS_RESULTS();
  Owned<cl_program> program = FromSource(kKernels);
  cl_int status = Build(program, "-no-such-option-of-any-compiler");
  EXPECT_TRUE(status == CL_INVALID_BUILD_OPTIONS || status == CL_BUILD_PROGRAM_FAILURE) << status;
}

TEST_F(ProgramTest, OptionsReachTheCompiler) {
  NEEDS_RESULTS();
  Owned<cl_program> program = FromSource("kernel void fill(global int* out, int value) { out[0] = value + DELTA; }");
  ASSERT_CL(Build(program, "-D DELTA=1000"));
  EXPECT_EQ(1005, RunFill(program, 5));
}

TEST_F(ProgramTest, BuildCallbackGetsOurProgram) {
  struct Call {
    Latch latch{1};
    cl_program program = nullptr;
  } call;
  auto on_built = [](cl_program program, void* data) {
    static_cast<Call*>(data)->program = program;
    static_cast<Call*>(data)->latch.CountDown();
  };
  Owned<cl_program> program = FromSource(kKernels);
  cl_device_id device = this->device();
  ASSERT_CL(clBuildProgram(program, 1, &device, "", on_built, &call));
  ASSERT_TRUE(call.latch.Wait());
  EXPECT_EQ(program.get(), call.program);
  EXPECT_EQ(CL_BUILD_SUCCESS, BuildInfo<cl_build_status>(program, CL_PROGRAM_BUILD_STATUS));
}

TEST_F(ProgramTest, BinaryMakesTheSameProgram) {
  NEEDS_RESULTS();
  Owned<cl_program> original = FromSource(kKernels);
  ASSERT_CL(Build(original));
  std::vector<unsigned char> binary = Binary(original);
  ASSERT_FALSE(binary.empty());
  const unsigned char* pointer = binary.data();
  size_t size = binary.size();
  cl_int status = CL_SUCCESS, binary_status = -1;
  cl_device_id device = this->device();
  Owned<cl_program> copy(clCreateProgramWithBinary(context(), 1, &device, &size, &pointer, &binary_status, &status));
  ASSERT_CL(status);
  EXPECT_CL(binary_status);
  ASSERT_CL(Build(copy));
  EXPECT_EQ(77, RunFill(copy, 77));
}

TEST_F(ProgramTest, GarbageBinaryIsInvalid) {
  NEEDS_RESULTS();
  unsigned char garbage[64] = {1, 2, 3};
  const unsigned char* pointer = garbage;
  size_t size = sizeof(garbage);
  cl_int status = CL_SUCCESS, binary_status = CL_SUCCESS;
  cl_device_id device = this->device();
  Owned<cl_program> program(clCreateProgramWithBinary(context(), 1, &device, &size, &pointer, &binary_status, &status));
  EXPECT_EQ(CL_INVALID_BINARY, status);
  EXPECT_EQ(CL_INVALID_BINARY, binary_status);
}

TEST_F(ProgramTest, CompileAndLinkJoinsTwoPrograms) {
  NEEDS_RESULTS();
  Owned<cl_program> helper = FromSource("int twice(int value) { return 2 * value; }");
  Owned<cl_program> user =
      FromSource("#include \"twice.h\"\nkernel void fill(global int* out, int value) { out[0] = twice(value); }");
  Owned<cl_program> header = FromSource("int twice(int value);\n");
  cl_device_id device = this->device();
  cl_program headers[] = {header};
  const char* names[] = {"twice.h"};
  ASSERT_CL(clCompileProgram(helper, 1, &device, nullptr, 0, nullptr, nullptr, nullptr, nullptr));
  ASSERT_CL(clCompileProgram(user, 1, &device, nullptr, 1, headers, names, nullptr, nullptr));
  EXPECT_EQ(cl_program_binary_type{CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT},
            BuildInfo<cl_program_binary_type>(user, CL_PROGRAM_BINARY_TYPE));
  cl_program inputs[] = {helper, user};
  cl_int status = CL_SUCCESS;
  Owned<cl_program> linked(clLinkProgram(context(), 1, &device, nullptr, 2, inputs, nullptr, nullptr, &status));
  ASSERT_CL(status);
  EXPECT_EQ(42, RunFill(linked, 21));
}

TEST_F(ProgramTest, LinkOfAnUndefinedNameFails) {
  NEEDS_RESULTS();
  Owned<cl_program> user =
      FromSource("int nowhere(int); kernel void fill(global int* out, int value) { out[0] = nowhere(value); }");
  cl_device_id device = this->device();
  ASSERT_CL(clCompileProgram(user, 1, &device, nullptr, 0, nullptr, nullptr, nullptr, nullptr));
  cl_program inputs[] = {user};
  cl_int status = CL_SUCCESS;
  Owned<cl_program> linked(clLinkProgram(context(), 1, &device, nullptr, 1, inputs, nullptr, nullptr, &status));
  EXPECT_EQ(CL_LINK_PROGRAM_FAILURE, status);
}

TEST_F(ProgramTest, IntermediateLanguageIsTakenOrRefused) {
  size_t size = 0;
  ASSERT_CL(clGetDeviceInfo(device(), CL_DEVICE_IL_VERSION, 0, nullptr, &size));
  cl_int status = CL_SUCCESS;
  uint32_t garbage[] = {0xdeadbeef, 1, 2, 3};
  Owned<cl_program> program(clCreateProgramWithIL(context(), garbage, sizeof(garbage), &status));
  EXPECT_EQ(nullptr, program.get());
  if (size > 1 || DriverDeviates(POCL)) {  // PoCL without SPIR-V says that the binary is invalid
    EXPECT_EQ(CL_INVALID_VALUE, status);
  } else {
    EXPECT_EQ(CL_INVALID_OPERATION, status);
  }
}

TEST_F(ProgramTest, WrongArgumentsAreRefused) {
  cl_int status = CL_SUCCESS;
  const char* none = nullptr;
  const char* source = kKernels;
  clCreateProgramWithSource(nullptr, 1, &source, nullptr, &status);
  EXPECT_EQ(CL_INVALID_CONTEXT, status);
  clCreateProgramWithSource(context(), 0, &source, nullptr, &status);
  EXPECT_EQ(CL_INVALID_VALUE, status);
  clCreateProgramWithSource(context(), 1, &none, nullptr, &status);
  EXPECT_EQ(CL_INVALID_VALUE, status);
  Owned<cl_program> program = FromSource(kKernels);
  cl_device_id device = this->device();
  int data = 0;
  EXPECT_EQ(CL_INVALID_VALUE, clBuildProgram(program, 0, &device, nullptr, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clBuildProgram(program, 1, nullptr, nullptr, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_VALUE, clBuildProgram(program, 1, &device, nullptr, nullptr, &data));
  EXPECT_EQ(CL_INVALID_PROGRAM, clBuildProgram(nullptr, 1, &device, nullptr, nullptr, nullptr));
  EXPECT_EQ(CL_INVALID_PROGRAM, clRetainProgram(nullptr));
  EXPECT_EQ(CL_INVALID_PROGRAM, clReleaseProgram(nullptr));
  cl_uint value = 0;
  EXPECT_EQ(CL_INVALID_VALUE, clGetProgramInfo(program, 0x7777, sizeof(value), &value, nullptr));
  EXPECT_EQ(CL_INVALID_DEVICE,
            clGetProgramBuildInfo(program, nullptr, CL_PROGRAM_BUILD_STATUS, sizeof(value), &value, nullptr));
}

TEST_F(ProgramTest, BuildWithALiveKernelIsInvalid) {
  Owned<cl_program> program = FromSource(kKernels);
  ASSERT_CL(Build(program));
  Owned<cl_kernel> kernel = NewKernel(program, "fill");
  EXPECT_EQ(CL_INVALID_OPERATION, Build(program));
  kernel.Reset();
  EXPECT_CL(Build(program));
}

TEST_F(ProgramTest, BuiltInKernelsComeByName) {
  NEEDS_A_REAL_DRIVER();
  cl_device_id device = this->device();
  cl_int status = CL_SUCCESS;
  Owned<cl_program> none(clCreateProgramWithBuiltInKernels(context(), 1, &device, "no.such.kernel", &status));
  EXPECT_EQ(CL_INVALID_VALUE, status);
  const std::string names = QueryText(clGetDeviceInfo, device, CL_DEVICE_BUILT_IN_KERNELS);
  const std::string first = names.substr(0, names.find(';'));
  if (first.empty()) return;
  Owned<cl_program> program(clCreateProgramWithBuiltInKernels(context(), 1, &device, first.c_str(), &status));
  ASSERT_CL(status);
}

}  // namespace
}  // namespace xpool::conformance
