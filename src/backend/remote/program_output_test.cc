#include "backend/remote/program_output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "base/fd.h"

namespace xpool::remote {
namespace {

std::span<const std::byte> BytesOf(const std::string& text) { return std::as_bytes(std::span(text)); }

class ProgramOutputTest : public testing::Test {
 protected:
  ProgramOutputTest() {
    int ends[2] = {};
    EXPECT_EQ(0, pipe(ends));
    reading_.Reset(ends[0]);
    writing_.Reset(ends[1]);
  }
  std::string Read(size_t bytes) {
    std::string text(bytes, 0);
    size_t got = 0;
    while (got < bytes) {
      const ssize_t one = read(reading_.get(), text.data() + got, bytes - got);
      if (one <= 0) break;
      got += static_cast<size_t>(one);
    }
    text.resize(got);
    return text;
  }
  UniqueFd reading_, writing_;
};

TEST_F(ProgramOutputTest, IsWrittenInOrderWhenFlushReturns) {
  ProgramOutput output(writing_.get(), 1000, [](uint64_t) { FAIL(); });
  output.Flush();
  for (int i = 0; i < 10; ++i) {
    output.Add(BytesOf(std::to_string(i)));
    if (i % 3 == 0) output.Flush();
  }
  output.Flush();
  writing_.Reset();
  EXPECT_EQ("0123456789", Read(100));
}

TEST_F(ProgramOutputTest, EndingWritesWhatIsLeft) {
  {
    ProgramOutput output(writing_.get(), 1000, [](uint64_t) { FAIL(); });
    output.Add(BytesOf("left"));
  }
  EXPECT_EQ("left", Read(4));
}

TEST_F(ProgramOutputTest, WhatIsTooMuchIsDroppedAndSaid) {
  const std::string block(100000, 'x');  // more than the pipe holds
  std::atomic<uint64_t> dropped{0};
  ProgramOutput output(writing_.get(), block.size(), [&](uint64_t bytes) { dropped += bytes; });
  for (int i = 0; i < 5; ++i) output.Add(BytesOf(block));
  std::string text;
  std::thread reader([&] { text = Read(5 * block.size()); });
  output.Flush();
  writing_.Reset();
  reader.join();
  EXPECT_EQ(5 * block.size(), text.size() + dropped);
  EXPECT_GE(dropped, 3 * block.size());
  EXPECT_EQ(0u, dropped % block.size());
}

TEST_F(ProgramOutputTest, ClosedOutputKeepsNobodyWaiting) {
  ProgramOutput output(-1, 1000, [](uint64_t) {});
  output.Add(BytesOf("nobody reads this"));
  output.Flush();
}

}  // namespace
}  // namespace xpool::remote
