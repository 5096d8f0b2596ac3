#include "transport/ring.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace xpool::transport {
namespace {

void Nothing() {}

class RingTest : public testing::Test {
 protected:
  static constexpr size_t kSize = 64;

  size_t Write(const std::string& text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    return producer_.Write({&piece, 1}, Nothing).value();
  }
  std::string Read(size_t most) {
    std::string text(most, '?');
    text.resize(consumer_.Read(std::as_writable_bytes(std::span(text)), Nothing).value());
    return text;
  }

  std::unique_ptr<RingControl> control_ = std::make_unique<RingControl>();
  std::vector<std::byte> bytes_ = std::vector<std::byte>(kSize);
  RingProducer producer_{control_.get(), bytes_};
  RingConsumer consumer_{control_.get(), bytes_};
};

TEST_F(RingTest, KeepsOrderRoundAndRound) {
  std::mt19937 random(1);
  std::string in, out;
  while (in.size() < 10'000) {
    std::string text(random() % 50, '?');
    for (char& letter : text) letter = static_cast<char>('a' + random() % 26);
    in += text.substr(0, Write(text));
    out += Read(random() % 50);
  }
  out += Read(kSize);
  EXPECT_EQ(out, in);
}

TEST_F(RingTest, TakesWhatFitsAndNoMore) {
  EXPECT_EQ(Write(std::string(40, 'a')), 40u);
  EXPECT_EQ(Write(std::string(40, 'b')), 24u);
  EXPECT_EQ(Write("c"), 0u);
  EXPECT_EQ(*producer_.Room(), 0u);
  EXPECT_EQ(Read(100), std::string(40, 'a') + std::string(24, 'b'));
  EXPECT_EQ(Read(1), "");
}

TEST_F(RingTest, ImpossiblePositionsAreRefusedAndNothingIsTouched) {
  ASSERT_EQ(Write("abc"), 3u);
  std::string out(100, '?');
  for (const uint64_t claim : {uint64_t{kSize} + 1, UINT64_MAX, uint64_t{1} << 63}) {
    control_->written = claim;
    EXPECT_EQ(consumer_.Read(std::as_writable_bytes(std::span(out)), Nothing).status().code(),
              absl::StatusCode::kDataLoss);
    EXPECT_EQ(out, std::string(100, '?'));
  }
  for (const uint64_t claim : {uint64_t{4}, uint64_t{3} - kSize - 1, uint64_t{1} << 63}) {
    control_->read = claim;
    const iovec piece{out.data(), out.size()};
    EXPECT_EQ(producer_.Write({&piece, 1}, Nothing).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(LongRingTest, PublishesLongWritesPartByPart) {
  constexpr size_t kSize = kMiB;
  auto control = std::make_unique<RingControl>();
  std::vector<std::byte> bytes(kSize), data(kSize);
  RingProducer producer(control.get(), bytes);
  std::vector<uint64_t> positions;
  const iovec pieces[] = {{data.data(), 1000}, {data.data(), kSize - 1000}};
  ASSERT_EQ(producer.Write(pieces, [&] { positions.push_back(control->written); }).value(), kSize);
  ASSERT_GT(positions.size(), 4u);
  EXPECT_LT(positions.front(), kSize / 4);
  EXPECT_EQ(positions.back(), kSize);
}

}  // namespace
}  // namespace xpool::transport
