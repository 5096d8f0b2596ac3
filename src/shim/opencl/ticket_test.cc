#include "shim/opencl/ticket.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace xpool::cl {
namespace {

// Passes its argument to a callback in another thread with nothing that orders the two, as a driver does that no
// sanitizer sees into.
class UnseenDriver {
 public:
  explicit UnseenDriver(void (*callback)(void*))
      : worker_([this, callback] {
          void* data = nullptr;
          while ((data = data_.load(std::memory_order_relaxed)) == nullptr) std::this_thread::yield();
          callback(data);
        }) {}
  ~UnseenDriver() { worker_.join(); }
  void Register(void* data) { data_.store(data, std::memory_order_relaxed); }

 private:
  std::atomic<void*> data_{nullptr};
  std::thread worker_;
};

struct Content {
  int number = 0;
  int* elsewhere = nullptr;
  int* sum = nullptr;
};

// Under the thread sanitizer this fails when the ticket does not order its two sides.
TEST(TicketTest, CallbackSeesWhatWasWrittenBeforeTheTicketWasIssued) {
  int elsewhere = 0;
  int sum = 0;
  {
    UnseenDriver driver([](void* data) {
      const auto content = RedeemTicket<Content>(data);
      *content.sum = content.number + *content.elsewhere;
    });
    elsewhere = 40;
    driver.Register(IssueTicket(Content{2, &elsewhere, &sum}).release());
  }
  EXPECT_EQ(sum, 42);
}

TEST(TicketTest, TicketThatTheDriverRefusesDropsItsContent) {
  const auto content = std::make_shared<int>(1);
  IssueTicket(content);
  EXPECT_EQ(content.use_count(), 1);
}

TEST(TicketTest, RedeemedTicketIsGone) {
  const auto content = std::make_shared<int>(1);
  void* const data = IssueTicket(content).release();
  EXPECT_EQ(content.use_count(), 2);
  RedeemTicket<std::shared_ptr<int>>(data);
  EXPECT_EQ(content.use_count(), 1);
}

}  // namespace
}  // namespace xpool::cl
