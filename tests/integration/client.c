/* The OpenCL program of the integration tests: does one simple thing and says how it went, one line each.
 *
 *   client work          launches kernels until its standard input ends; "ready", "progress N" ..., "done N"
 *   client hold MIB      keeps a buffer until its standard input ends; "ready", "done 0"
 *   client idle MIB      the same after one kernel, so that it has held a lease
 *   client alloc MIB     allocates; "alloc CODE"
 *   client devices       "devices CODE"
 *   client segv          runs some kernels, says "ready" and crashes by itself
 * Any OpenCL call that fails: "failed WHAT CODE" and exit status 1. */
#include <CL/cl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kDepth = 4 };

static cl_context context;
static cl_command_queue queue;
static cl_kernel kernel;

static void check(cl_int status, const char *what) {
  if (status == CL_SUCCESS) return;
  printf("failed %s %d\n", what, status);
  fflush(stdout);
  exit(1);
}

static void say(const char *word, long number) {
  printf("%s %ld\n", word, number);
  fflush(stdout);
}

static int input_has_ended(int wait_ms) {
  struct pollfd entry = {STDIN_FILENO, POLLIN, 0};
  return poll(&entry, 1, wait_ms) > 0;
}

static cl_mem new_buffer(size_t bytes, cl_int *status) {
  return clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, status);
}

static void open_device(void) {
  cl_platform_id platform;
  cl_device_id device;
  cl_int status;
  const char *source =
      "kernel void spin(global uint* out, uint rounds) {\n"
      "  uint x = get_global_id(0);\n"
      "  for (uint i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;\n"
      "  out[get_global_id(0)] = x;\n"
      "}\n";
  cl_uint rounds = 20000;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
  context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
  check(status, "clCreateContext");
  queue = clCreateCommandQueue(context, device, 0, &status);
  check(status, "clCreateCommandQueue");
  cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &status);
  check(status, "clCreateProgramWithSource");
  check(clBuildProgram(program, 1, &device, "", NULL, NULL), "clBuildProgram");
  kernel = clCreateKernel(program, "spin", &status);
  check(status, "clCreateKernel");
  cl_mem out = new_buffer(1024 * sizeof(cl_uint), &status);
  check(status, "clCreateBuffer");
  check(clSetKernelArg(kernel, 0, sizeof out, &out), "clSetKernelArg");
  check(clSetKernelArg(kernel, 1, sizeof rounds, &rounds), "clSetKernelArg");
}

static cl_event launch(void) {
  size_t items = 1024;
  cl_event event;
  check(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, &event), "clEnqueueNDRangeKernel");
  check(clFlush(queue), "clFlush");
  return event;
}

static void finish(cl_event event) {
  check(clWaitForEvents(1, &event), "clWaitForEvents");
  check(clReleaseEvent(event), "clReleaseEvent");
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void work(long most) {
  cl_event events[kDepth] = {0};
  long started = 0, done = 0;
  double said = now();
  say("ready", 0);
  while (done < most && !input_has_ended(0)) {
    if (started >= kDepth) {
      finish(events[started % kDepth]);
      ++done;
    }
    events[started++ % kDepth] = launch();
    if (now() - said > 0.02) {
      say("progress", done);
      said = now();
    }
  }
  for (; done < started; ++done) finish(events[done % kDepth]);
  check(clFinish(queue), "clFinish");
  say("progress", done);
}

static int hold(long mib) {
  cl_int status;
  char zero = 0;
  size_t bytes = (size_t)mib << 20;
  cl_mem buffer = new_buffer(bytes, &status);
  check(status, "clCreateBuffer");
  check(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, bytes - 1, 1, &zero, 0, NULL, NULL), "clEnqueueWriteBuffer");
  say("ready", mib);
  while (!input_has_ended(1000)) {
  }
  say("done", 0);
  return 0;
}

static int devices(void) {
  cl_uint count = 0;
  say("devices", clGetPlatformIDs(0, NULL, &count) == CL_SUCCESS && count > 0 ? 0 : CL_DEVICE_NOT_FOUND);
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  long number = argc > 2 ? atol(argv[2]) : 0;
  signal(SIGSEGV, SIG_DFL);  /* a sanitizer would turn it into another end */
  if (strcmp(mode, "devices") == 0) return devices();
  open_device();
  if (strcmp(mode, "hold") == 0) return hold(number);
  if (strcmp(mode, "idle") == 0) {
    finish(launch());
    return hold(number);
  }
  if (strcmp(mode, "alloc") == 0) {
    cl_int status;
    new_buffer((size_t)number << 20, &status);
    say("alloc", status);
    return 0;
  }
  work(strcmp(mode, "segv") == 0 ? 20 : 1L << 40);
  if (strcmp(mode, "segv") == 0) raise(SIGSEGV);
  say("done", 0);
  return 0;
}
