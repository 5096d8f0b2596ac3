// Any bytes as the worker's answer to a call: the first two choose the call, the third its arguments, the rest is the
// answer's payload. The program's memory is exactly as large as its arguments say, so the sanitizer sees a worker that
// gets more written than there is room for.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "generated/opencl/wire_fake.h"

namespace {

using namespace xpool;
using namespace xpool::wire_cl;

// The bulk lane brings whatever the worker says.
class Client : public FakeClient {
 public:
  using FakeClient::FakeClient;
  absl::StatusOr<std::vector<std::byte>> TakeBulk(uint64_t sequence, uint64_t bytes) override {
    return std::vector<std::byte>(bytes > 4096 ? sequence % 4096 : bytes);
  }
};

// Arguments whose out parameters have room for what they say and no more.
std::vector<uint64_t> TightArgs(const cl::CallInfo& info, uint8_t seed, Scratch& scratch, void* mapped) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> args = MakeArgs(info, random, scratch, mapped);
  for (size_t i = 0; i < args.size(); ++i) {
    const cl::ParamInfo& param = info.params[i];
    if (param.direction != cl::Direction::kOut || args[i] == 0) continue;
    const bool counted = param.size.form == cl::SizeForm::kElements || param.size.form == cl::SizeForm::kBytes;
    if (!counted) continue;
    const uint64_t count = param.size.arg[0] >= 0 ? args[static_cast<size_t>(param.size.arg[0])] : param.size.count;
    args[i] = reinterpret_cast<uint64_t>(scratch.Allocate(count * param.bytes));
  }
  return args;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::span<const CodecRow> rows = AllRows();
  const CodecRow& row = rows[(size_t{data[0]} | size_t{data[1]} << 8) % rows.size()];
  const cl::CallInfo& info = *cl::FindCall(static_cast<uint32_t>(row.id));
  FakeBulk up, down;
  Client client(up, down);
  Scratch scratch;
  const auto mapping =
      client.BeginMapping(static_cast<cl_mem>(ProgramObject(cl::ValueKind::kMem, 1)), DenseLayout(16), CL_MAP_WRITE);
  const std::vector<uint64_t> args = TightArgs(info, data[2], scratch, mapping->data);
  const std::vector<wire::WireHandle> minted = MintFor(info, args);
  wire::Writer writer;
  Encoder call(writer, client, minted);
  static_cast<void>(row.encode(args, call));
  wire::Reader reader(std::as_bytes(std::span(data, size)).subspan(3), "answer");
  AnswerDecoder answer(reader, client, call.expected());
  static_cast<void>(row.decode(args, answer));
  return 0;
}
