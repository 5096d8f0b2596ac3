/* CLBlast through its C API: a few routines with known answers. Prints a line a routine; exit status 1 on a wrong answer. */
#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kSize = 96 };

static cl_context context;
static cl_command_queue queue;
static int wrong;

static void check(int status, const char *what) {
  if (status == CL_SUCCESS) return;
  printf("%s: error %d\n", what, status);
  exit(1);
}

static cl_mem new_buffer(float (*value)(int), int count) {
  cl_int status;
  float *data = malloc((size_t)count * sizeof *data);
  for (int i = 0; i < count; ++i) data[i] = value(i);
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, (size_t)count * sizeof *data, data, &status);
  check(status, "clCreateBuffer");
  free(data);
  return buffer;
}

static float one(int i) { return (void)i, 1.0f; }
static float small(int i) { return (float)(i % 7) - 3.0f; }
static float zero(int i) { return (void)i, 0.0f; }

/* Weighted sum of a result, compared with the same computed on the host. */
static void compare(const char *routine, cl_mem buffer, int count, const float *expected) {
  float *got = malloc((size_t)count * sizeof *got);
  double sum = 0;
  int bad = 0;
  check(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, (size_t)count * sizeof *got, got, 0, NULL, NULL), "clEnqueueReadBuffer");
  for (int i = 0; i < count; ++i) {
    bad += fabsf(got[i] - expected[i]) > 1e-3f * (1.0f + fabsf(expected[i]));
    sum += (double)got[i] * (i % 13 + 1);
  }
  printf("%-10s %s  checksum %.1f\n", routine, bad ? "WRONG" : "right", sum);
  wrong |= bad != 0;
  free(got);
}

static void gemm(void) {
  static float expected[kSize * kSize];
  cl_mem a = new_buffer(small, kSize * kSize), b = new_buffer(small, kSize * kSize), c = new_buffer(one, kSize * kSize);
  for (int row = 0; row < kSize; ++row) {
    for (int col = 0; col < kSize; ++col) {
      float sum = 0;
      for (int i = 0; i < kSize; ++i) sum += small(row * kSize + i) * small(i * kSize + col);
      expected[row * kSize + col] = 2 * sum + 0.5f;
    }
  }
  check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, kSize, kSize, kSize, 2.0f, a, 0, kSize, b, 0,
                     kSize, 0.5f, c, 0, kSize, &queue, NULL),
        "CLBlastSgemm");
  compare("sgemm", c, kSize * kSize, expected);
}

static void gemv(void) {
  static float expected[kSize];
  cl_mem a = new_buffer(small, kSize * kSize), x = new_buffer(one, kSize), y = new_buffer(zero, kSize);
  for (int row = 0; row < kSize; ++row) {
    for (int i = 0; i < kSize; ++i) expected[row] += small(row * kSize + i);
  }
  check(CLBlastSgemv(CLBlastLayoutRowMajor, CLBlastTransposeNo, kSize, kSize, 1.0f, a, 0, kSize, x, 0, 1, 0.0f, y, 0, 1, &queue, NULL),
        "CLBlastSgemv");
  compare("sgemv", y, kSize, expected);
}

static void axpy_and_dot(void) {
  static float expected[4096];
  float dot = 0;
  cl_mem x = new_buffer(small, 4096), y = new_buffer(one, 4096), result = new_buffer(zero, 1);
  for (int i = 0; i < 4096; ++i) expected[i] = 3 * small(i) + 1, dot += small(i) * expected[i];
  check(CLBlastSaxpy(4096, 3.0f, x, 0, 1, y, 0, 1, &queue, NULL), "CLBlastSaxpy");
  compare("saxpy", y, 4096, expected);
  check(CLBlastSdot(4096, result, 0, x, 0, 1, y, 0, 1, &queue, NULL), "CLBlastSdot");
  compare("sdot", result, 1, &dot);
}

int main(void) {
  cl_platform_id platform;
  cl_device_id device;
  cl_int status;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
  context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  check(status, "clCreateContext");
  queue = clCreateCommandQueue(context, device, 0, &status);
  check(status, "clCreateCommandQueue");
  axpy_and_dot();
  gemv();
  gemm();
  check(clFinish(queue), "clFinish");
  return wrong;
}
