// What every kind of channel promises (channel.h), as one parameterised suite. A test binary lists channel_suite.cc
// among its sources and instantiates ChannelSuite with its kinds.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "transport/testing/channel_pairs.h"

namespace xpool::transport {

struct ChannelKind {
  std::string name;
  std::function<ChannelPair()> make;
};

inline void PrintTo(const ChannelKind& kind, std::ostream* out) { *out << kind.name; }

class ChannelSuite : public testing::TestWithParam<ChannelKind> {
 protected:
  void SetUp() override { pair_ = GetParam().make(); }

  Channel& left() { return *pair_.left; }
  Channel& right() { return *pair_.right; }

  ChannelPair pair_;
};

inline std::string NameOfKind(const testing::TestParamInfo<ChannelKind>& info) { return info.param.name; }

}  // namespace xpool::transport
