/* Multiplies two 1024 x 1024 matrices with CLBlast, again and again, and prints {"speed": GFLOPS} of the median. Built by
 * bench/scenarios/remote_programs.py with the system's compiler, as its users would. */
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kSide = 1024 };

static void check(int status, const char* call) {
  if (status == 0) return;
  fprintf(stderr, "%s failed: %d\n", call, status);
  exit(1);
}

static double now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int ascending(const void* a, const void* b) {
  return (*(const double*)a > *(const double*)b) - (*(const double*)a < *(const double*)b);
}

static cl_mem matrix(cl_context context, cl_command_queue queue) {
  static float values[kSide * kSide];
  cl_int status;
  const cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof(values), NULL, &status);
  check(status, "clCreateBuffer");
  for (int i = 0; i < kSide * kSide; ++i) values[i] = (float)(i % 7) / 7;
  check(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, 0, sizeof(values), values, 0, NULL, NULL), "clEnqueueWriteBuffer");
  return buffer;
}

static double multiply(cl_command_queue queue, cl_mem a, cl_mem b, cl_mem c) {
  const double start_s = now_s();
  check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, kSide, kSide, kSide, 1, a, 0, kSide, b, 0,
                     kSide, 0, c, 0, kSide, &queue, NULL),
        "CLBlastSgemm");
  check(clFinish(queue), "clFinish");
  return now_s() - start_s;
}

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? atoi(argv[1]) : 20;
  if (rounds < 1) return 2;
  cl_platform_id platform;
  cl_device_id device;
  cl_int status;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
  const cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  check(status, "clCreateContext");
  const cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
  check(status, "clCreateCommandQueue");
  const cl_mem a = matrix(context, queue), b = matrix(context, queue), c = matrix(context, queue);
  multiply(queue, a, b, c);
  double* const took_s = malloc((size_t)rounds * sizeof(double));
  if (took_s == NULL) return 1;
  for (int i = 0; i < rounds; ++i) took_s[i] = multiply(queue, a, b, c);
  qsort(took_s, (size_t)rounds, sizeof(double), ascending);
  printf("{\"speed\": %.4f}\n", 2e-9 * kSide * kSide * kSide / took_s[rounds / 2]);
  return 0;
}
