// Written by hand: the call metadata says what a codec needs to know.
#include "generated/opencl/call_info.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>

namespace xpool::cl {
namespace {

const ParamInfo& Param(std::string_view call, std::string_view name) {
  const auto& params = FindCall(call)->params;
  return *std::find_if(params.begin(), params.end(), [&](const ParamInfo& param) { return param.name == name; });
}

TEST(CallInfoTest, IsFoundByIdAndName) {
  const CallInfo* call = FindCall("clEnqueueReadBuffer");
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(call->id, CallId::clEnqueueReadBuffer);
  EXPECT_EQ(FindCall(static_cast<uint32_t>(call->id)), call);
  EXPECT_EQ(FindCall(0u), nullptr);
  EXPECT_EQ(FindCall(kMaxCallId + 1), nullptr);
  EXPECT_EQ(FindCall("clNoSuchThing"), nullptr);
  EXPECT_EQ(FindCall(""), nullptr);
}

TEST(CallInfoTest, EveryIndexNamesAParameterOfItsCall) {
  for (const CallInfo& call : AllCalls()) {
    const auto count = static_cast<int>(call.params.size());
    for (const ParamInfo& param : call.params) {
      for (const int index : {int{param.each_lengths}, int{param.filled}, int{param.user_data}, int{param.selector}}) {
        EXPECT_TRUE(index >= -1 && index < count) << call.name << " " << param.name;
      }
      for (const int8_t index : param.size.arg) EXPECT_TRUE(index >= -1 && index < count) << call.name;
      EXPECT_EQ(param.pointer, param.size.form != SizeForm::kNone) << call.name << " " << param.name;
      EXPECT_EQ(param.callback, param.user_data >= 0) << call.name << " " << param.name;
    }
  }
}

TEST(CallInfoTest, TellsSizesAndDirections) {
  const ParamInfo& ptr = Param("clEnqueueReadBuffer", "ptr");
  EXPECT_EQ(ptr.direction, Direction::kOut);
  EXPECT_EQ(ptr.size.form, SizeForm::kBytes);
  EXPECT_EQ(FindCall("clEnqueueReadBuffer")->params[static_cast<size_t>(ptr.size.arg[0])].name, "size");
  EXPECT_TRUE(Param("clEnqueueReadBuffer", "blocking_read").blocking);
  const ParamInfo& strings = Param("clCreateProgramWithSource", "strings");
  EXPECT_EQ(strings.each, EachForm::kStringOrBytes);
  EXPECT_EQ(strings.bytes, sizeof(char*));
}

TEST(CallInfoTest, TellsHandlesWhereverTheyAre) {
  EXPECT_EQ(Param("clEnqueueReadBuffer", "event_wait_list").handle, ValueKind::kEvent);
  EXPECT_EQ(FindCall("clCreateBuffer")->returns_handle, ValueKind::kMem);
  const ParamInfo& desc = Param("clCreateImage", "image_desc");
  ASSERT_EQ(desc.fields.size(), 1u);
  EXPECT_EQ(desc.fields[0].offset, offsetof(cl_image_desc, mem_object));
  const ParamInfo& value = Param("clGetCommandQueueInfo", "param_value");
  EXPECT_EQ(FindCall("clGetCommandQueueInfo")->params[static_cast<size_t>(value.selector)].name, "param_name");
  EXPECT_TRUE(std::any_of(value.values.begin(), value.values.end(), [](const InnerValue& inner) {
    return inner.selector == CL_QUEUE_CONTEXT && inner.kind == ValueKind::kContext;
  }));
}

}  // namespace
}  // namespace xpool::cl
