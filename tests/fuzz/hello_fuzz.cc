// Any bytes as the Hello of a process that may attach: through the agent's own handling with a store, a ledger and a
// broker behind it. Whatever is asked, a session that is refused leaves nothing behind, and one that is let in ends
// with everything given back.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>

#include "agent/agent.h"
#include "base/process.h"
#include "check.h"

namespace {

using namespace xpool;
using namespace xpool::fuzz;

std::unique_ptr<agent::Agent> MakeAgent() {
  spdlog::set_level(spdlog::level::off);
  agent::Options options;
  options.paths.directory = std::filesystem::temp_directory_path() / ("xpool_hello_fuzz_" + std::to_string(getpid()));
  std::filesystem::remove_all(options.paths.directory);
  std::filesystem::create_directories(options.paths.directory);
  XpuInfo xpu;
  xpu.name = "card";
  xpu.type = "GPU";
  xpu.memory_bytes = uint64_t{8} << 30;
  Discovery discovery;
  discovery.xpus = {xpu};
  auto agent = agent::Agent::Create(options, std::move(discovery), Clock::Monotonic());
  Check(agent.ok());
  Check((*agent)->CreateSlice({.name = "train", .memory_bytes = uint64_t{1} << 30}).ok());
  return *std::move(agent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static agent::Agent* const agent = MakeAgent().release();  // lives as long as the fuzzer
  // The fuzzer's bytes follow a valid header, so that every input is a Hello.
  auto hello = NewMessage<Hello>();
  std::memcpy(reinterpret_cast<char*>(&hello) + sizeof(hello.header), data,
              std::min(size, sizeof(hello) - sizeof(hello.header)));
  const auto parsed = ParseMessage<Hello>(MessageBytes(hello));
  if (!parsed.ok()) return 0;
  auto pidfd = OpenPidfd(getpid());
  Check(pidfd.ok());
  auto attached = agent->Attach(*parsed, {{getpid(), geteuid(), getegid()}, *std::move(pidfd)});
  Check(agent->ListSessions().size() == (attached.ok() ? 1 : 0));
  if (!attached.ok()) return 0;
  agent->Detach(attached->welcome.session_id, "the fuzzer is done", false);
  Check(agent->ListSessions().empty() && agent->GetSlice("train")->memory_used_bytes == 0);
  return 0;
}
