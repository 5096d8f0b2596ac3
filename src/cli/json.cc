#include "cli/json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/reflection.h>

#include <cmath>

#include "cli/slice_options.h"

namespace xpool::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Json OrNull(double value) { return std::isnan(value) ? Json(nullptr) : Json(value); }

Json Single(const Message& message, const FieldDescriptor* field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.GetFloat(message, field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:  // The API has one.
      return PriorityName(static_cast<v1::Priority>(reflection.GetEnumValue(message, field)));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(reflection.GetMessage(message, field));
  }
  return nullptr;
}

}  // namespace

Json ToJson(const Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  Json json = Json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor* field = type.field(i);
    if (!field->is_repeated()) {
      json[field->name()] = Single(message, field);
      continue;
    }
    Json list = Json::array();  // Only of messages, in this API.
    for (const Message& entry : message.GetReflection()->GetRepeatedFieldRef<Message>(message, field)) {
      list.push_back(ToJson(entry));
    }
    json[field->name()] = std::move(list);
  }
  return json;
}

Json ToJson(const XpuTimeline& timeline) {
  Json slices = Json::array(), gaps = Json::object();
  for (const SliceLane& lane : timeline.lanes) {
    Json spans = Json::array();
    for (const auto& span : lane.spans) {
      if (span.state == SliceState::kAway) continue;
      spans.push_back({span.from_ns - timeline.from_ns, span.to_ns - timeline.from_ns, ToString(span.state)});
    }
    slices.push_back({{"id", lane.slice.id},
                      {"name", lane.slice.name},
                      {"guarantee_bp", lane.slice.guarantee.basis_points()},
                      {"limit_bp", lane.slice.limit.basis_points()},
                      {"charged_share", OrNull(lane.charged_share)},
                      {"held_ns", lane.held_ns},
                      {"idle_ns", lane.idle_ns},
                      {"contended_ns", lane.contended_ns},
                      {"waited_ns", lane.waited_ns},
                      {"longest_wait_ns", lane.longest_wait_ns},
                      {"leases", lane.leases},
                      {"spans", std::move(spans)}});
  }
  for (XpuState state :
       {XpuState::kWorking, XpuState::kHandOver, XpuState::kGrace, XpuState::kThrottled, XpuState::kUnwanted}) {
    const auto time = timeline.time_ns.find(state);
    gaps[ToString(state)] = time == timeline.time_ns.end() ? 0 : time->second;
  }
  return {{"xpu_id", timeline.xpu_id},
          {"length_ns", timeline.to_ns - timeline.from_ns},
          {"xpu_time_ns", std::move(gaps)},
          {"hand_overs", timeline.hand_overs_ns.size()},
          {"hand_over_median_ns", timeline.HandOverQuantile(0.5)},
          {"hand_over_p99_ns", timeline.HandOverQuantile(0.99)},
          {"slices", std::move(slices)}};
}

std::string Print(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }
std::string PrintLine(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace xpool::cli
