/* The OpenCL program of the integration tests: does one simple thing and says how it went, one line each.
 *
 *   client work          launches kernels until its standard input ends; "ready", "progress N" ..., "done N"
 *   client hold MIB      keeps a buffer until its standard input ends; "ready", "done 0"
 *   client idle MIB      the same after one kernel, so that it has held a lease
 *   client alloc MIB     allocates; "alloc CODE"
 *   client devices       "devices CODE"
 *   client count         "devices N", of the first platform
 *   client chain N       N rounds of computing, each from the last one's result; "progress N" ..., "hash N"
 *   client segv          runs some kernels, says "ready" and crashes by itself
 * Any OpenCL call that fails: "failed WHAT CODE" and exit status 1. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { kDepth = 4 };

static cl_context context;
static cl_command_queue queue;
static cl_kernel kernel, advance;

static int input_has_ended(int wait_ms) {
  struct pollfd entry = {STDIN_FILENO, POLLIN, 0};
  return poll(&entry, 1, wait_ms) > 0;
}

static void open_device(void) {
  cl_device_id device;
  cl_int status;
  const char *source =
      "kernel void spin(global uint* out, uint rounds) {\n"
      "  uint x = get_global_id(0);\n"
      "  for (uint i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;\n"
      "  out[get_global_id(0)] = x;\n"
      "}\n"
      "kernel void advance(global uint* data, uint steps) {\n"
      "  uint x = data[get_global_id(0)] + get_global_id(0);\n"
      "  for (uint i = 0; i < steps; ++i) x = x * 1664525u + 1013904223u;\n"
      "  data[get_global_id(0)] = x;\n"
      "}\n";
  cl_uint rounds = 20000;
  context = new_context(1, &device);
  queue = new_queue(context, device);
  cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &status);
  check(status, "clCreateProgramWithSource");
  check(clBuildProgram(program, 1, &device, "", NULL, NULL), "clBuildProgram");
  kernel = clCreateKernel(program, "spin", &status);
  check(status, "clCreateKernel");
  advance = clCreateKernel(program, "advance", &status);
  check(status, "clCreateKernel");
  cl_mem out = new_buffer(context, 1024 * sizeof(cl_uint));
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

static void work(long most) {
  cl_event events[kDepth] = {0};
  long started = 0, done = 0;
  long said_us = now_us();
  say("ready", 0);
  while (done < most && !input_has_ended(0)) {
    if (started >= kDepth) {
      finish(events[started % kDepth]);
      ++done;
    }
    events[started++ % kDepth] = launch();
    if (now_us() - said_us > 20000) {
      say("progress", done);
      said_us = now_us();
    }
  }
  for (; done < started; ++done) finish(events[done % kDepth]);
  check(clFinish(queue), "clFinish");
  say("progress", done);
}

static int hold(long mib) {
  char zero = 0;
  size_t bytes = (size_t)mib << 20;
  cl_mem buffer = new_buffer(context, bytes);
  check(clEnqueueWriteBuffer(queue, buffer, CL_TRUE, bytes - 1, 1, &zero, 0, NULL, NULL), "clEnqueueWriteBuffer");
  check(clFinish(queue), "clFinish");
  say("ready", mib);
  while (!input_has_ended(1000)) {
  }
  say("done", 0);
  return 0;
}

/* Each round writes a buffer, computes, and reads it again: 64 KiB a way, so that both lanes of a remote slice are used. */
static int chain(long rounds) {
  enum { kWords = 16 * 1024 };
  static cl_uint words[kWords];
  cl_uint steps = 7;
  size_t items = kWords;
  unsigned long hash = 14695981039346656037ul;
  cl_mem buffer = new_buffer(context, sizeof words);
  check(clSetKernelArg(advance, 0, sizeof buffer, &buffer), "clSetKernelArg");
  check(clSetKernelArg(advance, 1, sizeof steps, &steps), "clSetKernelArg");
  for (long round = 0; round < rounds; ++round) {
    words[round % kWords] += (cl_uint)round;
    check(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, 0, sizeof words, words, 0, NULL, NULL), "clEnqueueWriteBuffer");
    check(clEnqueueNDRangeKernel(queue, advance, 1, NULL, &items, NULL, 0, NULL, NULL), "clEnqueueNDRangeKernel");
    check(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof words, words, 0, NULL, NULL), "clEnqueueReadBuffer");
    hash = (hash ^ words[round * 31 % kWords]) * 1099511628211ul;
    if (round % 20 == 0) say("progress", round);
  }
  for (size_t i = 0; i < kWords; ++i) hash = (hash ^ words[i]) * 1099511628211ul;
  say("hash", (long)hash);
  return 0;
}

/* Programs of 64 MiB of nothing, which are the driver's memory and in no buffer of the slice: says what building the last
   of them brings, and computes once they are gone. */
static int hoard(long count) {
  size_t length = 64u << 20;
  char *text = malloc(length);
  const char *source = text;
  cl_program *programs = calloc((size_t)count, sizeof *programs);
  check(text == NULL || programs == NULL ? CL_OUT_OF_HOST_MEMORY : CL_SUCCESS, "malloc");
  memset(text, ' ', length);
  for (long i = 0; i < count; ++i) {
    cl_int status;
    programs[i] = clCreateProgramWithSource(context, 1, &source, &length, &status);
    check(status, "clCreateProgramWithSource");
  }
  say("build", clBuildProgram(programs[count - 1], 0, NULL, "", NULL, NULL));
  for (long i = 0; i < count; ++i) check(clReleaseProgram(programs[i]), "clReleaseProgram");
  finish(launch());
  say("done", 0);
  return 0;
}

static int devices(void) {
  cl_uint count = 0;
  say("devices", clGetPlatformIDs(0, NULL, &count) == CL_SUCCESS && count > 0 ? 0 : CL_DEVICE_NOT_FOUND);
  return 0;
}

static int count_devices(void) {
  cl_platform_id platform;
  cl_uint count = 0;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count), "clGetDeviceIDs");
  say("devices", count);
  return 0;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  long number = argc > 2 ? atol(argv[2]) : 0;
  signal(SIGSEGV, SIG_DFL);  /* a sanitizer would turn it into another end */
  if (strcmp(mode, "devices") == 0) return devices();
  if (strcmp(mode, "count") == 0) return count_devices();
  open_device();
  if (strcmp(mode, "hold") == 0) return hold(number);
  if (strcmp(mode, "chain") == 0) return chain(number);
  if (strcmp(mode, "hoard") == 0) return hoard(number);
  if (strcmp(mode, "idle") == 0) {
    finish(launch());
    return hold(number);
  }
  if (strcmp(mode, "alloc") == 0) {
    cl_int status;
    clCreateBuffer(context, CL_MEM_READ_WRITE, (size_t)number << 20, NULL, &status);
    say("alloc", status);
    return 0;
  }
  work(strcmp(mode, "segv") == 0 ? 20 : 1L << 40);
  if (strcmp(mode, "segv") == 0) raise(SIGSEGV);
  say("done", 0);
  return 0;
}
