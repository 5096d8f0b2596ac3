// For tests: the agent's end of the session socket, driven by the test thread one step at a time.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/paths.h"
#include "base/unix_socket.h"
#include "gtest/gtest.h"
#include "slice/page_mapping.h"
#include "slice/session_protocol.h"

namespace xpool {

class FakeAgent {
 public:
  // One attached client.
  struct Client {
    UniqueFd socket, agent_doorbell, client_doorbell, pidfd;
    PageMapping page;
    Hello hello{};
  };

  FakeAgent() {
    char name[] = "/tmp/xpool-session-test-XXXXXX";
    paths.directory = mkdtemp(name);
    Start();
  }
  ~FakeAgent() {
    Stop();
    unlink(paths.session_socket().c_str());
    rmdir(paths.directory.c_str());
  }

  void Start() {
    auto socket = ListenSeqPacket(paths.session_socket(), 0600);
    ASSERT_TRUE(socket.ok()) << socket.status();
    listener_ = *std::move(socket);
  }
  void Stop() { listener_.Reset(); }

  // The next connection and its Hello.
  Client AcceptHello() {
    Client client;
    EXPECT_TRUE(Readable(listener_.get()));
    auto socket = AcceptConnection(listener_.get());
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (!socket.ok()) return client;
    client.socket = *std::move(socket);
    SocketMessage message = Receive(client);
    auto hello = ParseMessage<Hello>(message.bytes);
    EXPECT_TRUE(hello.ok()) << hello.status();
    if (hello.ok()) client.hello = *hello;
    if (!message.fds.empty()) client.pidfd = std::move(message.fds[0]);
    return client;
  }

  // A welcome as it should be; |spoil| may change the message before it goes.
  template <typename Spoil>
  void SendWelcome(Client& client, Spoil spoil) {
    Welcome welcome = NewMessage<Welcome>();
    welcome.session_id = 7;
    welcome.memory_limit_bytes = memory_limit_bytes;
    welcome.memory_granted_bytes = std::max(memory_granted_bytes, client.hello.memory_held_bytes);
    SetString(welcome.slice_id, "slice-1");
    SetString(welcome.xpu_id, "xpu-0");
    SetString(welcome.driver_library, "libdriver.so");
    SetString(welcome.device_name, "Test Device");
    spoil(welcome);
    auto page = CreateControlPage(welcome.session_id);
    ASSERT_TRUE(page.ok()) << page.status();
    client.page = std::move(page->page);
    client.page->quantum_ns = 5 * kNsPerMs;
    client.page->inflight_bound_ns = 5 * kNsPerMs;
    client.page->memory_limit_bytes = memory_limit_bytes;
    client.page->lease = client.hello.lease_bits;
    client.agent_doorbell = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    client.client_doorbell = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    const int fds[] = {page->fd.get(), client.agent_doorbell.get(), client.client_doorbell.get()};
    ASSERT_TRUE(SendMessage(client.socket.get(), MessageBytes(welcome), fds).ok());
  }
  void SendWelcome(Client& client) {
    SendWelcome(client, [](Welcome&) {});
  }

  template <typename Message>
  void Send(Client& client, const Message& message, std::vector<int> fds = {}) {
    EXPECT_TRUE(SendMessage(client.socket.get(), MessageBytes(message), fds).ok());
  }

  void Refuse(Client& client, absl::StatusCode code, bool retry, std::string_view text) {
    Refusal refusal = NewMessage<Refusal>();
    refusal.code = static_cast<uint32_t>(code);
    refusal.retry = retry ? 1 : 0;
    SetString(refusal.message, text);
    Send(client, refusal);
    client.socket.Reset();
  }

  SocketMessage Receive(Client& client) {
    EXPECT_TRUE(Readable(client.socket.get()));
    auto message = ReceiveMessage(client.socket.get(), kMaxSessionMessageBytes);
    EXPECT_TRUE(message.ok()) << message.status();
    return message.ok() ? *std::move(message) : SocketMessage{};
  }

  void Grant(Client& client, bool tracked, int64_t until_ns) {
    client.page->lease_until_ns = until_ns;
    client.page->wants = 0;
    client.page->lease = LeaseWord{client.page->lease.load()}.NextGrant(tracked).bits;
    eventfd_write(client.client_doorbell.get(), 1);
  }

  // Whether |fd| becomes readable before a test should give up.
  static bool Readable(int fd) {
    pollfd item{fd, POLLIN, 0};
    return poll(&item, 1, 20'000) == 1;
  }
  static void AwaitRing(Client& client) {
    ASSERT_TRUE(Readable(client.agent_doorbell.get()));
    eventfd_t rings;
    eventfd_read(client.agent_doorbell.get(), &rings);
  }

  AgentPaths paths;
  uint64_t memory_limit_bytes = 64u << 20;
  uint64_t memory_granted_bytes = 1u << 20;

 private:
  UniqueFd listener_;
};

}  // namespace xpool
