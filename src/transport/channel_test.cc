#include "transport/channel.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/clock.h"

namespace xpool::transport {
namespace {

TEST(DeadlineTest, RemainsUntilItsClockSaysSo) {
  ManualClock clock;
  clock.Set(100);
  const Deadline deadline = Deadline::After(&clock, 50);
  EXPECT_EQ(deadline.RemainingNs(), 50);
  clock.Advance(49);
  EXPECT_FALSE(deadline.HasPassed());
  clock.Advance(1);
  EXPECT_TRUE(deadline.HasPassed());
  clock.Advance(1000);
  EXPECT_EQ(deadline.RemainingNs(), 0);
}

TEST(DeadlineTest, NeverAndPassedNeedNoClock) {
  EXPECT_EQ(Deadline::Never().RemainingNs(), Deadline::kForeverNs);
  EXPECT_TRUE(Deadline::Passed().HasPassed());
  ManualClock clock;
  clock.Set(100);
  EXPECT_EQ(Deadline::After(&clock, Deadline::kForeverNs).RemainingNs(), Deadline::kForeverNs);
}

TEST(DeadlineTest, SoonerIsTheEarlierOfTwo) {
  ManualClock clock;
  const Deadline deadline = Deadline::At(&clock, 100);
  EXPECT_EQ(deadline.Sooner(&clock, 30).RemainingNs(), 30);
  EXPECT_EQ(deadline.Sooner(&clock, 300).RemainingNs(), 100);
  EXPECT_EQ(Deadline::Never().Sooner(&clock, 7).RemainingNs(), 7);
}

TEST(DeadlineTest, PartsLeaveTimeForThoseAfter) {
  ManualClock clock;
  const Deadline deadline = Deadline::At(&clock, 90);
  EXPECT_EQ(deadline.Part(3, 1000).RemainingNs(), 30);
  EXPECT_EQ(deadline.Part(3, 20).RemainingNs(), 20);
  EXPECT_EQ(deadline.Part(1, 20).RemainingNs(), 90);
}

TEST(DeadlineTest, PollOfNothingEndsWhenItHasPassed) {
  const absl::StatusOr<int> events = PollUntil({}, Deadline::After(Clock::Monotonic(), kNsPerMs));
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_EQ(*events, 0);
}

std::vector<iovec> Pieces(std::vector<std::string>* texts) {
  std::vector<iovec> pieces;
  for (std::string& text : *texts) pieces.push_back({text.data(), text.size()});
  return pieces;
}

std::string Rest(const PieceCursor& cursor) {
  std::array<iovec, 8> parts;
  std::string rest;
  for (const iovec& part : std::span(parts).first(cursor.Fill(parts)))
    rest.append(static_cast<const char*>(part.iov_base), part.iov_len);
  return rest;
}

TEST(PieceCursorTest, GoesAcrossPiecesAndSkipsEmptyOnes) {
  std::vector<std::string> texts{"", "abc", "", "", "de", ""};
  const std::vector<iovec> pieces = Pieces(&texts);
  PieceCursor cursor(pieces);
  EXPECT_EQ(Rest(cursor), "abcde");
  cursor.Advance(2);
  EXPECT_EQ(cursor.current().size(), 1u);
  EXPECT_EQ(Rest(cursor), "cde");
  cursor.Advance(2);
  EXPECT_EQ(Rest(cursor), "e");
  cursor.Advance(1);
  EXPECT_TRUE(cursor.done());
  EXPECT_EQ(Rest(cursor), "");
}

TEST(PieceCursorTest, FillTakesNoMoreThanThereIsPlaceFor) {
  std::vector<std::string> texts{"ab", "cd", "ef"};
  const std::vector<iovec> pieces = Pieces(&texts);
  PieceCursor cursor(pieces);
  cursor.Advance(1);
  std::array<iovec, 2> parts;
  ASSERT_EQ(cursor.Fill(parts), 2u);
  EXPECT_EQ(parts[0].iov_len, 1u);
  EXPECT_EQ(parts[1].iov_len, 2u);
}

}  // namespace
}  // namespace xpool::transport
