#include "backend/remote/program_output.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "backend/remote/per_process.h"

namespace xpool::remote {
namespace {

constexpr size_t kMostUnwrittenBytes = size_t{4} << 20;

void TellDropped(uint64_t bytes) {
  std::fprintf(stderr,
               "xpool: %" PRIu64
               " bytes that kernels printed were dropped: standard output does not take them as fast "
               "as they come\n",
               bytes);
}

constinit PerProcess<ProgramOutput> of_process;

}  // namespace

ProgramOutput& ProgramOutput::OfProcess() { return of_process.Get(STDOUT_FILENO, kMostUnwrittenBytes, &TellDropped); }

ProgramOutput::~ProgramOutput() {
  std::thread writer;
  {
    MutexLock lock(&mutex_);
    ending_ = true;
    changed_.SignalAll();
    writer = std::move(writer_);
  }
  if (writer.joinable()) writer.join();
}

void ProgramOutput::Add(std::span<const std::byte> bytes) {
  MutexLock lock(&mutex_);
  ++added_;
  busy_.store(true, std::memory_order_release);
  // Once something is dropped, so is what follows, until that was said: text has no holes that nobody knows of.
  if (dropped_bytes_ != 0 || bytes.size() > most_bytes_ - pending_.size()) {
    dropped_bytes_ += bytes.size();
  } else {
    pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  if (!writer_.joinable()) {
    writer_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "xpool-output");
      Run();
    });
  }
  changed_.SignalAll();
}

void ProgramOutput::Flush() {
  if (!busy_.load(std::memory_order_acquire)) return;
  MutexLock lock(&mutex_);
  const uint64_t through = added_;
  while (done_ < through) changed_.Wait(&mutex_);
}

void ProgramOutput::Run() {
  while (true) {
    std::string text;
    uint64_t dropped = 0, through = 0;
    {
      MutexLock lock(&mutex_);
      while (done_ == added_ && !ending_) changed_.Wait(&mutex_);
      if (done_ == added_) return;
      text.swap(pending_);
      dropped = std::exchange(dropped_bytes_, 0);
      through = added_;
    }
    Write(text);
    if (dropped != 0) dropped_(dropped);
    MutexLock lock(&mutex_);
    done_ = through;
    if (done_ == added_) busy_.store(false, std::memory_order_release);
    changed_.SignalAll();
  }
}

// What cannot be written (the program has closed its output) is nobody's.
void ProgramOutput::Write(const std::string& text) const {
  for (size_t at = 0; at < text.size();) {
    const ssize_t written = write(fd_, text.data() + at, text.size() - at);
    if (written > 0) {
      at += static_cast<size_t>(written);
    } else if (errno == EAGAIN) {
      pollfd room{fd_, POLLOUT, 0};
      poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace xpool::remote
