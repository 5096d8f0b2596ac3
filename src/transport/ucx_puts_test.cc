#include "transport/ucx_puts.h"

#include <gtest/gtest.h>

#include <vector>

namespace xpool::transport {
namespace {

const std::vector<std::byte> bytes(4 * UcxPuts::kChunkBytes);

uint64_t Add(UcxPuts* puts, size_t size, uint64_t address = 0) {
  return puts->Add(std::span(bytes).first(size), address, nullptr);
}

TEST(UcxPutsTest, LongPutLeavesInChunksFewAtATimeAndIsDoneWithTheLast) {
  UcxPuts puts;
  ASSERT_EQ(Add(&puts, 3 * UcxPuts::kChunkBytes + 1, 1000), 1u);
  std::vector<UcxPuts::Chunk> chunks;
  while (const auto chunk = puts.Next()) chunks.push_back(*chunk);
  ASSERT_EQ(chunks.size(), UcxPuts::kMostChunks);
  for (const UcxPuts::Chunk& chunk : chunks) EXPECT_EQ(chunk.bytes.size(), UcxPuts::kChunkBytes);
  EXPECT_EQ(chunks[1].address, 1000 + UcxPuts::kChunkBytes);
  EXPECT_EQ(chunks[1].bytes.data(), bytes.data() + UcxPuts::kChunkBytes);
  puts.Arrived(chunks[1].slot);
  const auto last = puts.Next();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->bytes.size(), 1u);
  for (const size_t slot : {chunks[0].slot, chunks[2].slot}) puts.Arrived(slot);
  EXPECT_EQ(puts.done(), 0u);
  puts.Arrived(last->slot);
  EXPECT_EQ(puts.done(), 1u);
}

TEST(UcxPutsTest, PutThatArrivesEarlyIsDoneAfterThoseBeforeIt) {
  UcxPuts puts;
  EXPECT_EQ(Add(&puts, 1), 1u);
  EXPECT_EQ(Add(&puts, 1), 2u);
  const size_t first = puts.Next()->slot, second = puts.Next()->slot;
  puts.Arrived(second);
  EXPECT_EQ(puts.done(), 0u);
  puts.Arrived(first);
  EXPECT_EQ(puts.done(), 2u);
  EXPECT_EQ(puts.added(), 2u);
}

TEST(UcxPutsTest, OneTooManyIsRefusedUntilOneIsDone) {
  UcxPuts puts;
  for (uint64_t number = 1; number <= UcxPuts::kMostPuts; ++number) ASSERT_EQ(Add(&puts, 1), number);
  EXPECT_EQ(Add(&puts, 1), 0u);
  puts.Arrived(puts.Next()->slot);
  EXPECT_EQ(Add(&puts, 1), UcxPuts::kMostPuts + 1);
}

TEST(UcxPutsTest, PutOfNothingIsDoneWhenThoseBeforeItAre) {
  UcxPuts puts;
  EXPECT_EQ(Add(&puts, 0), 1u);
  EXPECT_EQ(puts.done(), 1u);
  EXPECT_EQ(Add(&puts, 1), 2u);
  EXPECT_EQ(Add(&puts, 0), 3u);
  EXPECT_EQ(puts.done(), 1u);
  puts.Arrived(puts.Next()->slot);
  EXPECT_EQ(puts.done(), 3u);
  EXPECT_FALSE(puts.Next().has_value());
}

}  // namespace
}  // namespace xpool::transport
