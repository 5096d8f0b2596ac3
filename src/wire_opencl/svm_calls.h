// The codec of the calls on shared virtual memory, and of clSetKernelExecInfo, which can name some. Addresses cross as
// they are: the client has seen to it that they mean the same there (backend/remote/svm_space.h), and the worker
// believes none that lies in no allocation of the session (svm_table.h). Host and device never use the memory at the
// same time (it is coarse-grained), so its bytes travel when the program maps and unmaps it, and when it copies from or
// to memory of its own.
//
// As in the generated codec (docs/decisions/0009-wire-codec.md), a call is a word of presence bits where there are any,
// its values and handles, the minted handles, then what is behind pointers. An address of 0 is NULL.
#pragma once

#include <CL/cl.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire_opencl/answer_decoder.h"
#include "wire_opencl/decoder.h"
#include "wire_opencl/encoder.h"

namespace xpool::wire_cl {

// One end of a copy.
struct SvmEnd {
  const void* pointer = nullptr;
  bool shared = false;  // else it is memory of the program's own
};

// --- The client's side ----------------------------------------------------------------------------------------------

absl::Status EncodeCall_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size, cl_uint alignment,
                                   uint64_t* address, Encoder& call);
absl::StatusOr<cl_int> DecodeAnswer_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size,
                                               cl_uint alignment, uint64_t* address, AnswerDecoder& answer);
absl::Status EncodeCall_clSVMFree(cl_context context, uint64_t address, Encoder& call);

absl::Status EncodeCall_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void* pointer, Encoder& call);
absl::StatusOr<cl_int> DecodeAnswer_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void* pointer,
                                                             AnswerDecoder& answer);
absl::Status EncodeCall_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info param, size_t size, const void* value,
                                            Encoder& call);
absl::StatusOr<cl_int> DecodeAnswer_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info param, size_t size,
                                                        const void* value, AnswerDecoder& answer);

// Of commands, |event| says whether the worker is to make one; its handle is the encoder's minted one.

// Frees nothing: its answer says when the client is to. The answer is a status.
absl::Status EncodeCall_clEnqueueSVMFree(cl_command_queue queue, cl_uint count, void* const* pointers,
                                         cl_uint num_events, const cl_event* events, const cl_event* event,
                                         Encoder& call);
// Bytes that go to the program's memory come with the answer.
absl::Status EncodeCall_clEnqueueSVMMemcpy(cl_command_queue queue, SvmEnd to, SvmEnd from, size_t size,
                                           cl_uint num_events, const cl_event* events, const cl_event* event,
                                           Encoder& call);
absl::Status EncodeCall_clEnqueueSVMMemFill(cl_command_queue queue, const void* pointer, const void* pattern,
                                            size_t pattern_size, size_t size, cl_uint num_events,
                                            const cl_event* events, const cl_event* event, Encoder& call);
// The bytes come with the answer, unless |flags| discard them.
absl::Status EncodeCall_clEnqueueSVMMap(cl_command_queue queue, cl_map_flags flags, void* pointer, size_t size,
                                        cl_uint num_events, const cl_event* events, const cl_event* event,
                                        Encoder& call);
// |size|: of the region that was mapped; 0 if none of its bytes are to be written back.
absl::Status EncodeCall_clEnqueueSVMUnmap(cl_command_queue queue, const void* pointer, size_t size, cl_uint num_events,
                                          const cl_event* events, const cl_event* event, Encoder& call);
absl::Status EncodeCall_clEnqueueSVMMigrateMem(cl_command_queue queue, cl_uint count, const void* const* pointers,
                                               const size_t* sizes, cl_mem_migration_flags flags, cl_uint num_events,
                                               const cl_event* events, const cl_event* event, Encoder& call);

// --- The worker's side: for ServeCall() (generated/opencl/wire_serve.cc) --------------------------------------------

absl::StatusOr<Served> Serve_clSVMAlloc(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clSVMFree(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clSetKernelArgSVMPointer(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clSetKernelExecInfo(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMFree(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMMemcpy(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMMemFill(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMMap(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMUnmap(Decoder& in, ServerContext& server, Answer& answer);
absl::StatusOr<Served> Serve_clEnqueueSVMMigrateMem(Decoder& in, ServerContext& server, Answer& answer);

}  // namespace xpool::wire_cl
