// Implements test_slice.h.
#include "shim/opencl/test_slice.h"

#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

#include "backend/local/driver.h"
#include "slice/fake_session_agent.h"

namespace xpool::cl {
namespace {

std::atomic<uint64_t> granted_bytes{0};

struct TestDriver {
  std::string library, device_name;
};

TestDriver FindDriver() {
  for (const local::InstalledDriver& installed : local::ListInstalledDrivers()) {
    auto driver = local::Driver::Load(installed.library);
    if (!driver.ok()) continue;
    const local::DriverPlatform& platform = (*driver)->platforms().front();
    const auto devices = local::ListDevices(platform);
    char name[256] = {};
    if (devices.empty() ||
        platform.api.clGetDeviceInfo(devices[0], CL_DEVICE_NAME, sizeof(name) - 1, name, nullptr) != CL_SUCCESS) {
      continue;
    }
    return {installed.library, name};
  }
  return {};
}

// Answers until the session ends.
void Serve(FakeAgent* agent, const TestDriver& driver) {
  FakeAgent::Client client = agent->AcceptHello();
  client.hello.lease_bits = LeaseWord{}.NextGrant(false).bits;
  granted_bytes = agent->memory_granted_bytes;
  agent->SendWelcome(client, [&](Welcome& welcome) {
    SetString(welcome.driver_library, driver.library);
    SetString(welcome.device_name, driver.device_name);
  });
  for (;;) {
    auto message = ReceiveMessage(client.socket.get(), kMaxSessionMessageBytes);
    if (!message.ok() || message->bytes.empty()) return;
    if (const auto request = ParseMessage<MemoryRequest>(message->bytes); request.ok()) {
      MemoryReply reply = NewMessage<MemoryReply>();
      const bool fits = request->bytes <= kTestSliceBytes - granted_bytes;
      reply.granted_bytes = fits ? request->bytes : 0;
      reply.limit_bytes = kTestSliceBytes;
      reply.used_bytes = granted_bytes += reply.granted_bytes;
      agent->Send(client, reply);
    } else if (const auto back = ParseMessage<MemoryReturn>(message->bytes); back.ok()) {
      granted_bytes -= std::min<uint64_t>(back->bytes, granted_bytes);
    }
  }
}

}  // namespace

bool StartTestSlice() {
  static const bool started = [] {
    const TestDriver driver = FindDriver();
    if (driver.library.empty()) return false;
    auto* agent = new FakeAgent;
    agent->memory_limit_bytes = kTestSliceBytes;
    setenv("XPOOL_DIR", agent->paths.directory.c_str(), 1);
    setenv("XPOOL_SLICE", "test", 1);
    std::thread([agent, driver] { Serve(agent, driver); }).detach();
    static std::string socket, directory;
    socket = agent->paths.session_socket();
    directory = agent->paths.directory;
    std::atexit([] {
      unlink(socket.c_str());
      rmdir(directory.c_str());
    });
    return true;
  }();
  return started;
}

uint64_t TestSliceGrantedBytes() { return granted_bytes; }

}  // namespace xpool::cl
