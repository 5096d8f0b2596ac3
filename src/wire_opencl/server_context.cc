#include "wire_opencl/server_context.h"

#include <new>

#include "absl/strings/str_cat.h"

namespace xpool::wire_cl {

absl::StatusOr<Storage> MakeStorage(uint64_t bytes, uint64_t max_bytes) {
  if (bytes > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a transfer of ", bytes, " bytes is past the limit of ", max_bytes));
  }
  if (bytes == UINT64_MAX) return absl::ResourceExhaustedError("a transfer of 2^64 - 1 bytes is past every limit");
  Storage storage{std::shared_ptr<std::byte[]>(new (std::nothrow) std::byte[bytes + 1]), bytes};
  if (storage.bytes == nullptr) {
    return absl::ResourceExhaustedError(absl::StrCat("the worker has no memory for a transfer of ", bytes, " bytes"));
  }
  storage.bytes[bytes] = std::byte{0};
  return storage;
}

void ServerContext::ForgetMappings(cl_mem mem) {
  absl::erase_if(mappings_, [mem](const auto& entry) { return entry.second.mem == mem; });
}

void AnswerDone(const Completion& completion, cl_int execution_status, wire::Writer& answer) {
  answer.I32(execution_status < 0 ? execution_status : CL_SUCCESS);
  if (execution_status < 0) return;
  const Reply& reply = completion.reply;
  answer.U64(reply.data == nullptr ? 0 : reply.layout.bytes());
  if (reply.data == nullptr || reply.sequence != 0) return;
  ForEachPiece(reply.layout, reply.data, [&](const std::byte* piece, uint64_t bytes) { answer.Raw({piece, bytes}); });
}

}  // namespace xpool::wire_cl
