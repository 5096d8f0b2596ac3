/* Keeps the XPU busy with kernels that fill it, and prints each second how many work-items a second it gets through.
 *
 *   xpool run --compute 30% -- saturate [--seconds S] [--kernel-ms M] [--depth N] [--quiet]
 *
 * A plain OpenCL program in C: it knows nothing of xpool. --seconds 0 (the default) runs until it is interrupted. */
#include <CL/cl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kMaxDepth = 64 };

static const char* const kSource =
    "kernel void spin(global uint* out, uint rounds) {\n"
    "  uint x = get_global_id(0);\n"
    "  for (uint i = 0; i < rounds; ++i) x = x * 1664525u + 1013904223u;\n"
    "  out[get_global_id(0)] = x;\n"
    "}\n";

struct card {
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
  cl_kernel kernel;
  cl_mem out;
  size_t items;
};

static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void check(cl_int status, const char* what) {
  if (status == CL_SUCCESS) return;
  fprintf(stderr, "saturate: %s failed with OpenCL error %d\n", what, status);
  exit(1);
}

static void open_card(struct card* card) {
  cl_platform_id platform;
  cl_program program;
  cl_uint units = 1;
  cl_int status;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &card->device, NULL), "clGetDeviceIDs");
  check(clGetDeviceInfo(card->device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL), "clGetDeviceInfo");
  card->items = (size_t)units * 4096;
  card->context = clCreateContext(NULL, 1, &card->device, NULL, NULL, &status);
  check(status, "clCreateContext");
  card->queue = clCreateCommandQueue(card->context, card->device, 0, &status);
  check(status, "clCreateCommandQueue");
  card->out = clCreateBuffer(card->context, CL_MEM_READ_WRITE, card->items * sizeof(cl_uint), NULL, &status);
  check(status, "clCreateBuffer");
  program = clCreateProgramWithSource(card->context, 1, (const char**)&kSource, NULL, &status);
  check(status, "clCreateProgramWithSource");
  check(clBuildProgram(program, 1, &card->device, "", NULL, NULL), "clBuildProgram");
  card->kernel = clCreateKernel(program, "spin", &status);
  check(status, "clCreateKernel");
  check(clSetKernelArg(card->kernel, 0, sizeof card->out, &card->out), "clSetKernelArg");
}

static void launch(struct card* card, cl_uint rounds, cl_event* event) {
  check(clSetKernelArg(card->kernel, 1, sizeof rounds, &rounds), "clSetKernelArg");
  check(clEnqueueNDRangeKernel(card->queue, card->kernel, 1, NULL, &card->items, NULL, 0, NULL, event),
        "clEnqueueNDRangeKernel");
}

/* How many rounds make a kernel of about |ms| milliseconds. */
static cl_uint calibrate(struct card* card, double ms) {
  cl_uint rounds = 64;
  launch(card, rounds, NULL);
  check(clFinish(card->queue), "clFinish");
  for (;;) {
    double began = now(), took;
    launch(card, rounds, NULL);
    check(clFinish(card->queue), "clFinish");
    took = (now() - began) * 1e3;
    if (took >= ms / 2 || rounds >= (1u << 24)) {
      double scaled = (double)rounds * ms / (took > 1e-3 ? took : 1e-3);
      return scaled < 1 ? 1 : scaled > (1 << 24) ? 1u << 24 : (cl_uint)scaled;
    }
    rounds *= 2;
  }
}

static double number(int argc, char** argv, const char* name, double fallback) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (strcmp(argv[i], name) == 0) return atof(argv[i + 1]);
  }
  return fallback;
}

static int flag(int argc, char** argv, const char* name) {
  for (int i = 1; i < argc; ++i) {
    if (strcmp(argv[i], name) == 0) return 1;
  }
  return 0;
}

int main(int argc, char** argv) {
  struct card card;
  cl_event events[kMaxDepth] = {0};
  double seconds = number(argc, argv, "--seconds", 0);
  int depth = (int)number(argc, argv, "--depth", 8);
  int quiet = flag(argc, argv, "--quiet");
  if (depth < 1) depth = 1;
  if (depth > kMaxDepth) depth = kMaxDepth;
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  open_card(&card);
  cl_uint rounds = calibrate(&card, number(argc, argv, "--kernel-ms", 2));
  printf("saturating: %zu work-items x %u rounds a kernel, %d in the queue\n", card.items, rounds, depth);
  fflush(stdout);

  double began = now(), last = began;
  unsigned long kernels = 0, at_last = 0;
  while (!stopped && (seconds <= 0 || now() - began < seconds)) {
    int slot = (int)(kernels % (unsigned long)depth);
    if (events[slot] != NULL) {
      check(clWaitForEvents(1, &events[slot]), "clWaitForEvents");
      check(clReleaseEvent(events[slot]), "clReleaseEvent");
    }
    launch(&card, rounds, &events[slot]);
    check(clFlush(card.queue), "clFlush");
    ++kernels;
    if (!quiet && now() - last >= 1) {
      double took = now() - last;
      printf("%6.1f s  %8.1f kernels/s  %10.3f G rounds/s\n", now() - began, (double)(kernels - at_last) / took,
             (double)(kernels - at_last) * (double)card.items * rounds / took * 1e-9);
      fflush(stdout);
      last = now();
      at_last = kernels;
    }
  }
  check(clFinish(card.queue), "clFinish");
  printf("total: %lu kernels in %.2f s, %.1f kernels/s\n", kernels, now() - began, (double)kernels / (now() - began));
  return 0;
}
