#include "services/gateway/inspect/session_requests.h"

#include <catch2/catch.hpp>

#include "libs/base/reason.h"
#include "libs/mqtt/properties.h"
#include "services/gateway/inspect/puback_waits.h"
#include "services/gateway/inspect/recent_ends.h"
#include "services/gateway/inspect/session_lists.h"

namespace homeport::gateway {
namespace {

using internal::v1::SessionAnswer;

constexpr uint32_t kPacketBytes = 1000;

mqtt::Limits LimitsToPublish() {
  mqtt::Limits limits;
  limits.packet_bytes_max = kPacketBytes;
  return limits;
}

session::v1::PublishToSessionRequest RequestTo(const std::string& topic) {
  session::v1::PublishToSessionRequest request;
  request.set_topic(topic);
  return request;
}

struct TopicCase {
  std::string topic;
  const char* reason;  // empty: taken
};

TEST_CASE("what may be published to a session directly") {
  const TopicCase cases[] = {
      {"lamp/say", ""},
      {"device/d/down/set/1", ""},
      {"", "TOPIC_INVALID"},
      {"lamp/+", "TOPIC_INVALID"},
      {"#", "TOPIC_INVALID"},
      {"$aws/things/d/shadow/get/accepted", "TOPIC_INVALID"},
      {"$share/g/x", "TOPIC_INVALID"},
      {std::string("a\0b", 3), "TOPIC_INVALID"},
      {std::string(300, 'a'), "TOPIC_INVALID"},
      {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q", "TOPIC_INVALID"},
  };
  for (const TopicCase& c : cases) {
    INFO(c.topic);
    CHECK(ReasonOf(ToPublish(RequestTo(c.topic), LimitsToPublish()).status()) == c.reason);
  }
}

TEST_CASE("a direct publish carries its properties as on the wire") {
  auto request = RequestTo("lamp/say");
  request.set_qos(1);
  request.set_payload("on");
  request.set_response_topic("lamp/answer");
  request.set_correlation_data("7");
  request.set_content_type("text/plain");
  session::v1::UserProperty& property = *request.add_user_properties();
  property.set_name("by");
  property.set_value("ops");
  const auto publish = ToPublish(request, LimitsToPublish());
  REQUIRE(publish.ok());
  CHECK(publish->message().qos() == 1);
  CHECK(publish->message().payload() == "on");
  mqtt::Properties properties;
  REQUIRE(!mqtt::DecodeProperties(publish->message().properties(),
                                  mqtt::PlaceOf(mqtt::PacketType::kPublish), {}, &properties));
  CHECK(properties.response_topic == "lamp/answer");
  CHECK(properties.correlation_data == "7");
  CHECK(properties.content_type == "text/plain");
  CHECK(properties.user_properties == std::vector<mqtt::UserProperty>{{"by", "ops"}});
}

TEST_CASE("a direct publish has its bounds") {
  auto request = RequestTo("lamp/say");
  request.set_qos(2);
  CHECK(ReasonOf(ToPublish(request, LimitsToPublish()).status()) == "FIELD_INVALID");
  request.set_qos(0);
  request.set_payload(std::string(kPacketBytes, 'x'));
  CHECK(ReasonOf(ToPublish(request, LimitsToPublish()).status()) == "MESSAGE_TOO_LARGE");
  request.clear_payload();
  request.set_response_topic("a/#");
  CHECK(ReasonOf(ToPublish(request, LimitsToPublish()).status()) == "FIELD_INVALID");
  request.clear_response_topic();
  request.set_content_type(std::string("\0", 1));
  CHECK(ReasonOf(ToPublish(request, LimitsToPublish()).status()) == "FIELD_INVALID");
  request.clear_content_type();
  for (int i = 0; i < 33; ++i) request.add_user_properties();
  CHECK(ReasonOf(ToPublish(request, LimitsToPublish()).status()) == "FIELD_INVALID");
}

TEST_CASE("a direct publish keeps to the limits that are set") {
  mqtt::Limits limits = LimitsToPublish();
  const auto reason_of = [&](const session::v1::PublishToSessionRequest& request) {
    return ReasonOf(ToPublish(request, limits).status());
  };
  const auto far = RequestTo(std::string(300, 'a'));
  const auto deep = RequestTo("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q");
  auto answered = RequestTo("lamp/say");
  answered.set_response_topic(std::string(300, 'a'));
  auto marked = RequestTo("lamp/say");
  for (int i = 0; i < 33; ++i) marked.add_user_properties();
  CHECK(reason_of(answered) == "FIELD_INVALID");
  limits.topic_bytes_max = 300;
  limits.topic_levels_max = 17;
  limits.user_properties_max = 33;
  for (const auto& request : {far, deep, answered, marked}) CHECK(reason_of(request).empty());
  limits.topic_bytes_max = 7;
  CHECK(reason_of(RequestTo("lamp/say")) == "TOPIC_INVALID");
}

struct TimeoutCase {
  int64_t seconds;
  int32_t nanos;
  int64_t ms;  // -1: refused
};

TEST_CASE("how long a PUBACK is awaited") {
  const TimeoutCase cases[] = {
      {0, 0, 5'000},   {1, 0, 1'000},      {0, 250'000'000, 250}, {0, 1, 1},
      {15, 0, 15'000}, {-1, 0, -1},        {0, -1, -1},           {15, 1'000'000, -1},
      {100, 0, -1},    {INT64_MAX, 0, -1}, {INT64_MIN, 0, -1},
  };
  for (const TimeoutCase& c : cases) {
    INFO(c.seconds << " s " << c.nanos << " ns");
    auto request = RequestTo("lamp/say");
    request.mutable_timeout()->set_seconds(c.seconds);
    request.mutable_timeout()->set_nanos(c.nanos);
    const absl::StatusOr<int64_t> ms = ToPubackMs(request);
    CHECK(ms.value_or(-1) == c.ms);
    if (c.ms < 0) CHECK(ReasonOf(ms.status()) == "FIELD_INVALID");
  }
  CHECK(*ToPubackMs(RequestTo("lamp/say")) == 5'000);
}

TEST_CASE("each answer is an error of its own") {
  const std::pair<SessionAnswer::Result, const char*> cases[] = {
      {SessionAnswer::RESULT_DONE, ""},
      {SessionAnswer::RESULT_MOVED, "SESSION_MOVED"},
      {SessionAnswer::RESULT_OFFLINE, "SESSION_OFFLINE"},
      {SessionAnswer::RESULT_ENDED, "SESSION_ENDED"},
      {SessionAnswer::RESULT_TIMED_OUT, "PUBACK_TIMED_OUT"},
      {SessionAnswer::RESULT_WINDOW_FULL, "WINDOW_FULL"},
      {SessionAnswer::RESULT_TOO_LARGE, "MESSAGE_TOO_LARGE"},
      {SessionAnswer::RESULT_TOO_MANY, "TOO_MANY_CALLS"},
      {SessionAnswer::RESULT_FOREIGN, "SESSION_NOT_FOUND"}};
  for (const auto& [result, reason] : cases) {
    SessionAnswer answer;
    answer.set_result(result);
    CHECK(ReasonOf(ToStatus(answer, "s")) == reason);
  }
  SessionAnswer refused;
  refused.set_result(SessionAnswer::RESULT_DONE);
  refused.set_reason_code(0x10);
  CHECK(ToStatus(refused, "s").ok());
  refused.set_reason_code(0x87);
  CHECK(ReasonOf(ToStatus(refused, "s")) == "MESSAGE_REFUSED");
}

TEST_CASE("a list is not given while a pod has too many calls, and is without one that is silent") {
  SessionAnswer answer;
  answer.set_result(SessionAnswer::RESULT_DONE);
  CHECK(WhyNoList(answer).ok());
  answer.set_result(SessionAnswer::RESULT_MOVED);
  CHECK(WhyNoList(answer).ok());
  answer.set_result(SessionAnswer::RESULT_TOO_MANY);
  CHECK(ReasonOf(WhyNoList(answer)) == "TOO_MANY_CALLS");
  const auto unavailable = [](const char* reason) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, reason, "");
  };
  CHECK(WhyNoList(unavailable("POD_UNREACHABLE")).ok());
  CHECK(ReasonOf(WhyNoList(unavailable("GATEWAY_DRAINING"))) == "GATEWAY_DRAINING");
  CHECK(ReasonOf(WhyNoList(unavailable("TOO_MANY_CALLS"))) == "TOO_MANY_CALLS");
}

TEST_CASE("top talkers have two orders") {
  using Request = session::v1::ListTopTalkersRequest;
  using internal::v1::ScanSessions;
  CHECK(*ToKind(Request::ORDER_UNSPECIFIED) == ScanSessions::KIND_MOST_MESSAGES);
  CHECK(*ToKind(Request::ORDER_MESSAGES) == ScanSessions::KIND_MOST_MESSAGES);
  CHECK(*ToKind(Request::ORDER_BYTES) == ScanSessions::KIND_MOST_BYTES);
  CHECK(ReasonOf(ToKind(static_cast<Request::Order>(99)).status()) == "FIELD_INVALID");
}

TEST_CASE("page sizes are raised, lowered or refused") {
  const PageSizes sizes{50, 200};
  CHECK(*ToPageSize(0, sizes) == 50);
  CHECK(*ToPageSize(7, sizes) == 7);
  CHECK(*ToPageSize(1000, sizes) == 200);
  CHECK(!ToPageSize(-1, sizes).ok());
}

TEST_CASE("a page token goes with its tenant only") {
  const std::string token = FormatPageToken("acme", {"gateway-1.0", 4711});
  const auto place = ParsePageToken("acme", token);
  REQUIRE(place.has_value());
  CHECK(place->pod == "gateway-1.0");
  CHECK(place->slot == 4711);
  CHECK(!ParsePageToken("other", token));
  const std::string head = token.substr(0, token.find('.') + 1);
  for (const std::string tail : {"", "7", "7.", "x.pod", ".pod", "-1.pod", "99999999999.pod"}) {
    INFO(tail);
    CHECK(!ParsePageToken("acme", head + tail));
  }
}

TEST_CASE("whoever waits for a PUBACK hears once: of it, or of the connection's end") {
  PubackWaits waits;
  const SessionHandle a{1, 1}, b{2, 1};
  std::vector<std::string> heard;
  const auto hear = [&](std::string name) {
    return [&heard, name](std::optional<mqtt::ReasonCode> reason) {
      heard.push_back(name + (reason ? "+" : "-"));
    };
  };
  waits.Add(a, 1, hear("a1"));
  waits.Add(a, 2, hear("a2"));
  waits.Add(b, 1, hear("b1"));
  waits.Acknowledged(a, 1, mqtt::ReasonCode::kSuccess);
  waits.Acknowledged(a, 1, mqtt::ReasonCode::kSuccess);
  waits.Acknowledged(b, 9, mqtt::ReasonCode::kSuccess);
  CHECK(heard == std::vector<std::string>{"a1+"});
  waits.Ended(a);
  CHECK(heard == std::vector<std::string>{"a1+", "a2-"});
  CHECK(waits.Take(b, 1) != nullptr);
  CHECK(waits.empty());
}

TEST_CASE("the last end of a client is remembered until another takes its place") {
  RecentEnds ends;
  CHECK(ends.Find(5) == nullptr);
  ends.Note({5, 1000, "CONNECTION_LOST", {}});
  REQUIRE(ends.Find(5) != nullptr);
  CHECK(ends.Find(5)->word == "CONNECTION_LOST");
  CHECK(ends.Find(6) == nullptr);
  ends.Note({5 + 2048, 2000, "CLIENT_ERROR", {}});
  CHECK(ends.Find(5) == nullptr);
  CHECK(ends.Find(5 + 2048)->word == "CLIENT_ERROR");
}

}  // namespace
}  // namespace homeport::gateway
