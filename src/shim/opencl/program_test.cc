#include "shim/opencl/program.h"

#include <atomic>
#include <thread>

#include "shim/opencl/driver_info.h"
#include "shim/opencl/test_fixture.h"

namespace xpool::cl {
namespace {

constexpr char kSource[] = "kernel void twice(global int* data) { data[get_global_id(0)] *= 2; }";

class ProgramTest : public SliceTest {
 protected:
  struct Notified {
    std::atomic<cl_program> program{nullptr};
    std::atomic<int> calls{0};
    static void CL_CALLBACK Note(cl_program program, void* self) {
      static_cast<Notified*>(self)->program = program;
      ++static_cast<Notified*>(self)->calls;
    }
    void Await() {
      while (calls == 0) std::this_thread::yield();
    }
  };

  std::string Options(cl_program program) {
    return QueryString([&](size_t size, void* value, size_t* size_ret) {
      return entry::clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_OPTIONS, size, value, size_ret);
    });
  }
};

TEST_F(ProgramTest, AddedBuildOptionIsNotSeen) {
  cl_program program = Build(kSource, "-DX=1");
  EXPECT_EQ(Options(program), "-DX=1");
  entry::clReleaseProgram(program);
  program = Build(kSource);
  EXPECT_EQ(Options(program), "");
  entry::clReleaseProgram(program);
}

TEST_F(ProgramTest, BuildCallbackGetsTheProgramsHandle) {
  Notified notified;
  const char* source = kSource;
  cl_program program = entry::clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
  EXPECT_EQ(entry::clBuildProgram(program, 0, nullptr, nullptr, &Notified::Note, &notified), CL_SUCCESS);
  notified.Await();
  EXPECT_EQ(notified.program, program);
  EXPECT_EQ(notified.calls, 1);
  entry::clReleaseProgram(program);
}

TEST_F(ProgramTest, FailedBuildSaysSo) {
  const char* source = "kernel void broken(";
  cl_program program = entry::clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
  EXPECT_EQ(entry::clBuildProgram(program, 0, nullptr, nullptr, nullptr, nullptr), CL_BUILD_PROGRAM_FAILURE);
  cl_build_status status = CL_BUILD_SUCCESS;
  EXPECT_EQ(entry::clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_STATUS, sizeof(status), &status, nullptr),
            CL_SUCCESS);
  EXPECT_EQ(status, CL_BUILD_ERROR);
  entry::clReleaseProgram(program);
}

TEST_F(ProgramTest, CompilesWithHeadersAndLinks) {
  const char* main_source = "#include \"value.h\"\nkernel void fill(global int* data) { *data = VALUE; }";
  const char* header_source = "#define VALUE 41";
  const char* name = "value.h";
  cl_program main = entry::clCreateProgramWithSource(context_, 1, &main_source, nullptr, nullptr);
  cl_program header = entry::clCreateProgramWithSource(context_, 1, &header_source, nullptr, nullptr);
  ASSERT_EQ(entry::clCompileProgram(main, 0, nullptr, nullptr, 1, &header, &name, nullptr, nullptr), CL_SUCCESS);
  Notified notified;
  cl_int error = CL_INVALID_VALUE;
  cl_program linked = entry::clLinkProgram(context_, 0, nullptr, nullptr, 1, &main, &Notified::Note, &notified, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  notified.Await();
  EXPECT_EQ(notified.program, linked);
  cl_kernel kernel = entry::clCreateKernel(linked, "fill", &error);
  EXPECT_EQ(error, CL_SUCCESS);
  entry::clReleaseKernel(kernel);
  for (cl_program program : {linked, header, main}) EXPECT_EQ(entry::clReleaseProgram(program), CL_SUCCESS);
}

TEST_F(ProgramTest, InfoHasOwnHandles) {
  cl_program program = Build(kSource);
  cl_context context = nullptr;
  cl_device_id device = nullptr;
  EXPECT_EQ(entry::clGetProgramInfo(program, CL_PROGRAM_CONTEXT, sizeof(context), &context, nullptr), CL_SUCCESS);
  EXPECT_EQ(entry::clGetProgramInfo(program, CL_PROGRAM_DEVICES, sizeof(device), &device, nullptr), CL_SUCCESS);
  EXPECT_EQ(context, context_);
  EXPECT_EQ(device, device_);
  entry::clReleaseProgram(program);
}

TEST_F(ProgramTest, ArgumentsAreChecked) {
  const char* source = kSource;
  cl_program program = entry::clCreateProgramWithSource(context_, 1, &source, nullptr, nullptr);
  int data = 0;
  EXPECT_EQ(entry::clBuildProgram(program, 0, nullptr, nullptr, nullptr, &data), CL_INVALID_VALUE);
  EXPECT_EQ(entry::clBuildProgram(program, 1, nullptr, nullptr, nullptr, nullptr), CL_INVALID_VALUE);
  const cl_device_id none = nullptr;
  EXPECT_EQ(entry::clBuildProgram(program, 1, &none, nullptr, nullptr, nullptr), CL_INVALID_DEVICE);
  EXPECT_EQ(entry::clBuildProgram(nullptr, 0, nullptr, nullptr, nullptr, nullptr), CL_INVALID_PROGRAM);
  entry::clReleaseProgram(program);
}

}  // namespace
}  // namespace xpool::cl
