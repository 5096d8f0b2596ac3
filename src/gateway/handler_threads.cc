#include "gateway/handler_threads.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/thread.h"

namespace xpool::gateway {

HandlerThreads::~HandlerThreads() {
  MutexLock lock(&mutex_);
  for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
  while (!sockets_.empty()) changed_.Wait(&mutex_);
}

bool HandlerThreads::Run(const std::string& peer, UniqueFd socket, std::function<void(UniqueFd)> handle) {
  const int copy = fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return false;
  {
    MutexLock lock(&mutex_);
    if (static_cast<int>(sockets_.size()) >= most_ || running_[peer] >= most_each_) {
      close(copy);
      return false;
    }
    ++running_[peer];
    sockets_.insert(copy);
  }
  const bool started =
      StartDetached("xpool-attach", [this, peer, copy, handle = std::move(handle), own = std::move(socket)]() mutable {
        handle(std::move(own));
        Done(peer, copy);
      });
  if (!started) Done(peer, copy);
  return started;
}

void HandlerThreads::Done(const std::string& peer, int socket) {
  MutexLock lock(&mutex_);
  if (--running_[peer] == 0) running_.erase(peer);
  sockets_.erase(socket);
  close(socket);
  changed_.SignalAll();
}

}  // namespace xpool::gateway
