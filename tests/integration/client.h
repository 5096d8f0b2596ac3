/* What the OpenCL programs of the integration tests share: a line for each thing said, and an end when a call fails. */
#pragma once

#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* When |status| is an error: "failed WHAT CODE" and exit status 1. */
static inline void check(cl_int status, const char* what) {
  if (status == CL_SUCCESS) return;
  printf("failed %s %d\n", what, status);
  fflush(stdout);
  exit(1);
}

static inline void say(const char* word, long number) {
  printf("%s %ld\n", word, number);
  fflush(stdout);
}

static inline long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

/* A context of the first platform's first |count| devices. */
static inline cl_context new_context(cl_uint count, cl_device_id* devices) {
  cl_platform_id platform;
  cl_uint found = 0;
  cl_int status;
  check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
  check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices, &found), "clGetDeviceIDs");
  check(found < count ? CL_DEVICE_NOT_FOUND : CL_SUCCESS, "clGetDeviceIDs");
  cl_context context = clCreateContext(NULL, count, devices, NULL, NULL, &status);
  check(status, "clCreateContext");
  return context;
}

static inline cl_command_queue new_queue(cl_context context, cl_device_id device) {
  cl_int status;
  cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
  check(status, "clCreateCommandQueue");
  return queue;
}

static inline cl_mem new_buffer(cl_context context, size_t bytes) {
  cl_int status;
  cl_mem buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &status);
  check(status, "clCreateBuffer");
  return buffer;
}
