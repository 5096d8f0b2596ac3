/* An OpenCL program with one context over two devices, whose data goes from one to the other.
 *
 *   span_client MIB ROUNDS   writes MIB on the first device and has the second go on with it, ROUNDS times (0: until it
 *                            fails), each time with other bytes; "ready", "moved MICROSECONDS" ..., "done ROUNDS"
 * What arrives is compared. "wrong OFFSET" or "failed WHAT CODE" and exit status 1. */
#include <stdint.h>
#include <string.h>

#include "client.h"

/* Bytes that say which round they are of and where they belong. */
static void fill(uint32_t *words, size_t count, uint32_t round) {
  for (size_t i = 0; i < count; ++i) words[i] = (uint32_t)i * 2654435761u + round;
}

static void compare(const uint32_t *words, size_t count, uint32_t round) {
  for (size_t i = 0; i < count; ++i) {
    if (words[i] == (uint32_t)i * 2654435761u + round) continue;
    say("wrong", (long)(i * sizeof(*words)));
    exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const size_t bytes = (size_t)atol(argv[1]) << 20, count = bytes / sizeof(uint32_t);
  const long rounds = atol(argv[2]);
  uint32_t *words = malloc(bytes);
  cl_device_id devices[2];
  cl_context context = new_context(2, devices);
  cl_command_queue queues[2] = {new_queue(context, devices[0]), new_queue(context, devices[1])};
  cl_mem data = new_buffer(context, bytes), copy = new_buffer(context, bytes);
  say("ready", 0);
  for (long round = 0; rounds == 0 || round < rounds; ++round) {
    fill(words, count, (uint32_t)round);
    check(clEnqueueWriteBuffer(queues[0], data, CL_TRUE, 0, bytes, words, 0, NULL, NULL), "clEnqueueWriteBuffer");
    const long begun_us = now_us();
    check(clEnqueueCopyBuffer(queues[1], data, copy, 0, 0, bytes, 0, NULL, NULL), "clEnqueueCopyBuffer");
    check(clFinish(queues[1]), "clFinish");
    say("moved", now_us() - begun_us);
    memset(words, 0, bytes);
    check(clEnqueueReadBuffer(queues[1], copy, CL_TRUE, 0, bytes, words, 0, NULL, NULL), "clEnqueueReadBuffer");
    compare(words, count, (uint32_t)round);
  }
  say("done", rounds);
  return 0;
}
