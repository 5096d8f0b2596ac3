// For tests: a message of wire/attach.h or wire/hello.h as the frame that it is written as.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "wire/attach.h"
#include "wire/hello.h"
#include "wire/request.h"

namespace xpool::wire {

class Written {
 public:
  explicit Written(const Attach& message) { Parse(WriteAttach(&writer_, message)); }
  explicit Written(const Attached& message) { Parse(WriteAttached(&writer_, message)); }
  explicit Written(const Refusal& message) { Parse(WriteRefusal(&writer_, message)); }
  explicit Written(const Hello& message) { Parse(WriteHello(&writer_, message)); }
  explicit Written(const Welcome& message) { Parse(WriteWelcome(&writer_, message)); }
  explicit Written(const Request& message) { Parse(WriteRequest(&writer_, message)); }
  explicit Written(const absl::StatusOr<std::string>& reply) { Parse(WriteReply(&writer_, reply)); }

  Frame frame() const { return {header_, payload_}; }
  std::vector<std::byte>& payload() { return payload_; }

 private:
  void Parse(const absl::Status& written) {
    ASSERT_TRUE(written.ok()) << written;
    const std::vector<std::byte> bytes = writer_.Flatten();
    FrameParser parser(kMaxHelloBytes);
    std::span<const std::byte> input = bytes;
    auto frame = parser.Next(&input);
    ASSERT_TRUE(frame.ok() && frame->has_value()) << frame.status();
    header_ = (*frame)->header;
    payload_.assign((*frame)->payload.begin(), (*frame)->payload.end());
  }

  Writer writer_;
  FrameHeader header_;
  std::vector<std::byte> payload_;
};

}  // namespace xpool::wire
