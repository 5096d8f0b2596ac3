// Any bytes as a call of a remote session: the first two are its ID, the rest its payload. Behind the codec is a fake
// driver that reads and writes all that a real one would believe to be there, so the sanitizer sees whatever the codec
// left unchecked. Calls come one by one: each session serves those of one input, separated by their lengths.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "check.h"
#include "generated/opencl/wire_fake.h"

namespace {

using namespace xpool;
using namespace xpool::wire_cl;
using namespace xpool::fuzz;

// The bytes of the bulk lane are there whatever is asked for, as far as the limits go.
class Server : public FakeServer {
 public:
  using FakeServer::FakeServer;
  absl::StatusOr<Storage> TakeBulk(uint64_t, uint64_t bytes) override {
    return MakeStorage(bytes, limits().max_data_bytes);
  }
};

void ServeOne(FakeDriver& driver, Server& server, std::span<const std::byte> call) {
  uint16_t id = 0;
  if (call.size() < sizeof(id)) return;
  std::memcpy(&id, call.data(), sizeof(id));
  driver.Expect(static_cast<CallId>(id));
  wire::Reader reader(call.subspan(sizeof(id)), "call");
  wire::Writer answer;
  CallTrace trace;
  const absl::StatusOr<Served> served = ServeCall(static_cast<CallId>(id), reader, server, answer, &trace);
  // A call that broke the protocol never reached the driver.
  if (served.status().code() == absl::StatusCode::kInvalidArgument) Check(!driver.seen().has_value());
  Check(!driver.svm().trespassed());
  if (served.ok()) Check((*served == Served::kLater) == (answer.size() == 0));
  server.Finish(CL_COMPLETE, answer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FakeBulk up, down;
  FakeDriver driver(1);
  Server server(driver.table(), up, down, {.max_data_bytes = 1 << 20, .max_info_bytes = 1 << 20});
  std::span<const std::byte> left = std::as_bytes(std::span(data, size));
  while (!left.empty()) {
    const size_t length = std::min(left.size() - 1, static_cast<size_t>(left[0]));
    ServeOne(driver, server, left.subspan(1, length));
    left = left.subspan(1 + length);
  }
  return 0;
}
