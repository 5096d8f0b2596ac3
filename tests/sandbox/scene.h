// What surrounds a worker in these tests: a tenant's directories and another's, files and sockets that permissions
// alone would let it use, the agent's part played by the test. Made once in the test's process, and removed with it.
#pragma once

#include <sys/un.h>

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "sandbox/cache_slot.h"
#include "sandbox/spec.h"
#include "sandbox/tenant_store.h"

namespace xpool::sandbox {

inline constexpr uint64_t kTestFileBytes = 64 << 20;
inline constexpr uint64_t kTestProcesses = 64;
inline constexpr uint64_t kTestOpenFiles = 128;

// A socket's address; one that begins with a zero byte has no file.
sockaddr_un UnixAddress(const std::string& path);

struct Scene {
  // Aborts when the machine does not let it.
  static std::unique_ptr<Scene> Make();
  ~Scene();

  // The worker's sandbox: as the agent would ask for it. With root, under the tenant's own user.
  Spec WorkerSpec() const;

  std::string directory;  // of all that follows
  std::unique_ptr<TenantStore> store;
  TenantDirectory own, other;
  std::string other_file;  // of the other tenant, in its cache
  std::optional<CacheSlot> slot;
  std::string public_directory;  // everybody may write
  std::string public_file;       // everybody may write
  std::string abstract_name;     // of a listening Unix socket without a file: a zero byte first
  UniqueFd abstract_listener;
  UniqueFd tcp_socket;       // not connected
  UniqueFd datagram_socket;  // Unix
  UniqueFd agent_pidfd;
  int tcp_port = 0;  // on loopback, with a listener
  UniqueFd tcp_listener;
};

}  // namespace xpool::sandbox
