#include "gateway/handler_threads.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <utility>

namespace xpool::gateway {
namespace {

// A connection's two ends.
struct Ends {
  UniqueFd ours, theirs;
};

Ends Connect() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Whether the other end of |socket| is closed.
bool IsClosed(int socket) {
  char byte;
  return recv(socket, &byte, 1, 0) == 0;
}

// Handlers that last until it says so.
class Gate {
 public:
  std::function<void(UniqueFd)> Handler() {
    return [this](UniqueFd) { opened_.wait(); };
  }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> open_;
  std::shared_future<void> opened_ = open_.get_future().share();
};

TEST(HandlerThreadsTest, HandlerGetsTheConnection) {
  Ends ends = Connect();
  {
    HandlerThreads threads(1, 1);
    EXPECT_TRUE(threads.Run("a", std::move(ends.theirs), [](UniqueFd own) { EXPECT_EQ(write(own.get(), "x", 1), 1); }));
    char byte = 0;
    EXPECT_EQ(read(ends.ours.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
  }
  EXPECT_TRUE(IsClosed(ends.ours.get()));
}

TEST(HandlerThreadsTest, OnePeerTakesUpNoMoreThanItsPart) {
  Gate gate;
  Ends first = Connect(), second = Connect(), others = Connect();
  HandlerThreads threads(10, 1);
  EXPECT_TRUE(threads.Run("a", std::move(first.theirs), gate.Handler()));
  EXPECT_FALSE(threads.Run("a", std::move(second.theirs), gate.Handler()));
  EXPECT_TRUE(IsClosed(second.ours.get()));
  EXPECT_TRUE(threads.Run("b", std::move(others.theirs), gate.Handler()));
  gate.Open();
}

TEST(HandlerThreadsTest, AllPeersTogetherHaveABound) {
  Gate gate;
  Ends first = Connect(), second = Connect();
  HandlerThreads threads(1, 1);
  EXPECT_TRUE(threads.Run("a", std::move(first.theirs), gate.Handler()));
  EXPECT_FALSE(threads.Run("b", std::move(second.theirs), gate.Handler()));
  EXPECT_TRUE(IsClosed(second.ours.get()));
  gate.Open();
}

TEST(HandlerThreadsTest, PlaceIsFreeAgainWhenAHandlerHasEnded) {
  HandlerThreads threads(1, 1);
  for (int i = 0; i < 3; ++i) {
    Ends ends = Connect();
    // The last that a handler does is to give its place back, after its connection is closed.
    while (!threads.Run("a", std::move(ends.theirs), [](UniqueFd) {})) ends = Connect();
    EXPECT_TRUE(IsClosed(ends.ours.get()));
  }
}

TEST(HandlerThreadsTest, EndWakesHandlersThatWaitForTheirPeer) {
  Ends ends = Connect();
  std::atomic<bool> woken{false};
  {
    HandlerThreads threads(1, 1);
    EXPECT_TRUE(threads.Run("a", std::move(ends.theirs), [&](UniqueFd own) { woken = IsClosed(own.get()); }));
  }
  EXPECT_TRUE(woken);
}

}  // namespace
}  // namespace xpool::gateway
