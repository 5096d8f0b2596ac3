#include "worker/kernel_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "wire_opencl/notices.h"

namespace xpool::worker {
namespace {

// What was sent, and the descriptor that kernels print to. Never destroyed: the output's thread runs on.
struct Printer {
  Printer() : target(open("/dev/null", O_WRONLY | O_CLOEXEC)), output(*KernelOutput::Take(target)) {}

  void Start() {
    output->Start(
        [this](std::span<const std::byte> bytes) {
          EXPECT_LE(bytes.size(), wire_cl::kMaxOutputBytes);
          MutexLock lock(&mutex);
          sent.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
          changed.SignalAll();
        },
        [this] { return room.load(); });
  }
  void Print(const std::string& text) const {
    for (size_t done = 0; done < text.size();) {
      const ssize_t written = write(target, text.data() + done, text.size() - done);
      ASSERT_GT(written, 0);
      done += static_cast<size_t>(written);
    }
  }
  std::string Sent() {
    MutexLock lock(&mutex);
    return sent;
  }
  void AwaitSent(size_t bytes) {
    MutexLock lock(&mutex);
    while (sent.size() < bytes) changed.Wait(&mutex);
  }

  const int target;
  const std::unique_ptr<KernelOutput> output;
  std::atomic<bool> room{true};
  Mutex mutex;
  CondVar changed;
  std::string sent ABSL_GUARDED_BY(mutex);
};

TEST(KernelOutputTest, WhatWasPrintedIsSentWhenDrainReturns) {
  auto& printer = *new Printer;
  printer.room = false;  // the thread leaves it alone
  printer.Start();
  printer.Print("first ");
  printer.output->Drain();
  EXPECT_EQ("first ", printer.Sent());
  printer.Print("second");
  printer.output->Drain();
  EXPECT_EQ("first second", printer.Sent());
}

TEST(KernelOutputTest, WhatNobodyDrainsIsSentByItself) {
  auto& printer = *new Printer;
  printer.Start();
  printer.Print("by itself");
  printer.AwaitSent(9);
  EXPECT_EQ("by itself", printer.Sent());
}

TEST(KernelOutputTest, LongOutputComesInPiecesAndInOrder) {
  auto& printer = *new Printer;
  printer.Start();
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i) + " ";
  printer.Print(text);
  printer.output->Drain();
  EXPECT_EQ(text, printer.Sent());
}

TEST(KernelOutputTest, PrintingWaitsWhileTheClientTakesNothing) {
  auto& printer = *new Printer;
  printer.room = false;
  printer.Start();
  ASSERT_EQ(0, fcntl(printer.target, F_SETFL, O_NONBLOCK));  // instead of waiting
  const std::string text(4096, 'x');
  size_t printed = 0;
  while (write(printer.target, text.data(), text.size()) > 0) printed += text.size();
  EXPECT_EQ(EAGAIN, errno);
  EXPECT_EQ(65536u, printed);
  EXPECT_EQ("", printer.Sent());
  printer.room = true;
  printer.AwaitSent(printed);
  EXPECT_GT(write(printer.target, text.data(), text.size()), 0);
}

}  // namespace
}  // namespace xpool::worker
