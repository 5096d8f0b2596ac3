#include "wire/request.h"

#include <gtest/gtest.h>

#include "wire/attach.h"
#include "wire/testing/written.h"

namespace xpool::wire {
namespace {

TEST(Request, IsReadAsWritten) {
  const Request request{.method = 3, .body = std::string("a\0b", 3)};
  const Written written(request);
  const auto read = ReadRequest(written.frame());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, request);
}

TEST(Request, OfAnotherVersionIsSaidToBeSo) {
  Request request{.method = 1};
  request.versions = {kMaxVersion + 1, kMaxVersion + 2};
  const Written written(request);
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadRequest(written.frame()).status()));
}

TEST(Request, TooLongABodyIsNotSent) {
  Writer writer;
  EXPECT_TRUE(absl::IsResourceExhausted(WriteRequest(&writer, {.body = std::string(kMaxRequestBodyBytes + 1, 'x')})));
}

TEST(Reply, CarriesABodyOrAnError) {
  const Written good(absl::StatusOr<std::string>("body")),
      bad(absl::StatusOr<std::string>(absl::NotFoundError("no such slice")));
  EXPECT_EQ(*ReadReply(good.frame()), "body");
  const absl::Status status = ReadReply(bad.frame()).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "no such slice");
}

TEST(Reply, MayBeARefusal) {
  const Written refusal(RefusalFor(absl::UnavailableError("busy")));
  EXPECT_TRUE(absl::IsUnavailable(ReadReply(refusal.frame()).status()));
}

}  // namespace
}  // namespace xpool::wire
