// What goes to a callback through a driver. A driver calls back after the registration, and after the release that it
// reports, but it orders the two by means of its own, which neither the language's rules nor a sanitizer sees when the
// driver is a binary: so whoever hands something over says so here, and the callback answers. Costs one store and one
// load.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace xpool::cl {

// Orders all that happened before Give() before all that follows Take(), in threads that only a driver ties together.
// REQUIRES: Give() is called before the driver is told, and Take() where it calls back.
class HandOver {
 public:
  void Give() { given_.store(true, std::memory_order_release); }
  void Take() const { static_cast<void>(given_.load(std::memory_order_acquire)); }

 private:
  std::atomic<bool> given_{false};
};

// The user_data of one callback: the driver's once it has accepted it, which the caller notes with release().
template <typename T>
struct Ticket {
  explicit Ticket(T what) : content(std::move(what)) {}

  T content;
  HandOver hand_over;
};

// To be registered at once: what |content| refers to is handed over as it is now.
template <typename T>
std::unique_ptr<Ticket<T>> IssueTicket(T content) {
  auto ticket = std::make_unique<Ticket<T>>(std::move(content));
  ticket->hand_over.Give();
  return ticket;
}

// In the callback: the content of the ticket behind |user_data|, which is gone.
template <typename T>
T RedeemTicket(void* user_data) {
  const std::unique_ptr<Ticket<T>> ticket(static_cast<Ticket<T>*>(user_data));
  ticket->hand_over.Take();
  return std::move(ticket->content);
}

}  // namespace xpool::cl
