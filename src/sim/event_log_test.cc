#include "sim/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::sim {
namespace {

using scheduler::Event;
using ::testing::HasSubstr;

std::string Error(absl::string_view line) { return std::string(ParseLine(line).status().message()); }

TEST(EventLogTest, EveryEventIsReadAsItWasWritten) {
  scheduler::NodeSpec node{.name = "n", .version = 3, .cpu_milli = 8000, .memory_bytes = 1 << 30};
  node.labels = {{"zone", "a"}};
  node.taints = {{"k", "v", scheduler::Taint::Effect::kNoExecute}};
  node.topology = {{"rack", "r"}};
  node.xpus = {{.model = "A", .attributes = {{"x", "y"}}, .memory_bytes = 5, .island = 2, .healthy = false}};
  scheduler::ClaimSpec claim{.uid = "c", .one_island = true, .locality = scheduler::Locality::kAny};
  claim.requests = {
      {{.count = 2, .models = {"A", "B"}, .attributes = {{"x", "y", false}}}, {.compute = Share::FromPercent(5)}}};
  scheduler::PodSpec pod{.uid = "p",
                         .version = 4,
                         .queue = "q",
                         .priority = -1,
                         .claims = {claim},
                         .shared_claims = {"s"},
                         .gang = {"g", 2, "rack", true},
                         .movable = true,
                         .preemptible = true,
                         .duration_ns = 7};
  pod.node_selector = {{"zone", "a"}};
  pod.tolerations = {{"k", ""}};
  const scheduler::Binding binding{"n", {{"c", "n", {1}, {{0, 3}}}}, true};
  const std::vector<Event> events = {node,
                                     scheduler::NodeGone{"n", 5},
                                     scheduler::ClaimSeen{claim, 6, scheduler::SeenClaim{"c", "n", {0}, {{1}}}},
                                     scheduler::ClaimGone{"c", 7},
                                     scheduler::PodSeen{pod, binding},
                                     scheduler::PodSeen{pod, std::nullopt},
                                     scheduler::PodGone{"p", 8},
                                     scheduler::Snapshot{9, {node}, {{claim, 1, std::nullopt}}, {{pod, binding}}},
                                     scheduler::QueueSpec{"q", 1.5, 4000},
                                     scheduler::Confirmed{"p"},
                                     scheduler::Rejected{"p", "why"},
                                     scheduler::TimePassed{}};
  for (const Event& event : events) {
    const std::string written = PrintLine({42, event});
    const absl::StatusOr<LogLine> read = ParseLine(written);
    ASSERT_TRUE(read.ok()) << read.status() << written;
    EXPECT_EQ(read->at_ns, 42);
    ASSERT_TRUE(std::holds_alternative<Event>(read->what));
    EXPECT_EQ(std::get<Event>(read->what).index(), event.index());
    EXPECT_EQ(PrintLine(*read), written);
  }
  EXPECT_EQ(std::get<scheduler::NodeSpec>(std::get<Event>(ParseLine(PrintLine({0, node}))->what)), node);
}

TEST(EventLogTest, WhatMakesNoSenseIsRefused) {
  EXPECT_THAT(Error("{"), HasSubstr("it is no JSON"));
  EXPECT_THAT(Error("[]"), HasSubstr("no object"));
  EXPECT_THAT(Error(R"({"at":1})"), HasSubstr("it is none of policy, decided, node"));
  EXPECT_THAT(Error(R"({"at":1e300,"time":{}})"), HasSubstr("\"at\" must be a whole number"));
  EXPECT_THAT(Error(R"({"at":1,"node":{"name":7}})"), HasSubstr("type must be string"));
  EXPECT_THAT(Error(R"({"at":1,"policy":"xpool","mix":[{"count":0}]})"), HasSubstr("count that makes no sense"));
  EXPECT_THAT(Error(R"({"at":1,"policy":"xpool","mix":[{"count":1,"demand":{"cards":[{"count":200}]}}]})"),
              HasSubstr("a demand has numbers that make no sense"));
  const std::string deep = R"({"at":1,"node":)" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_THAT(Error(deep), HasSubstr("nested too deeply"));
}

TEST(EventLogTest, ReplayNamesTheLine) {
  EXPECT_THAT(Replay("{\"at\":1,\"time\":{}}\n\nfoo\n", "").status().message(), HasSubstr("line 3: it is no JSON"));
  EXPECT_THAT(Replay(R"({"at":1,"node":{"name":""}})", "").status().message(), HasSubstr("line 1: node \"\""));
}

}  // namespace
}  // namespace xpool::sim
