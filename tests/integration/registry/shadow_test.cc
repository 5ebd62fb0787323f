#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "tests/integration/registry/world.h"

namespace homeport::registry::testing {
namespace {

const std::string kDevice = "lamp-1";
const std::string kTopics = "$aws/things/lamp-1/shadow/";

std::vector<std::string> TopicsOf(const std::vector<InboxItem>& items) {
  std::vector<std::string> topics;
  for (const InboxItem& item : items) topics.push_back(item.deliver().topic());
  return topics;
}

UplinkMessage Request(UplinkMessage::Kind kind, std::string_view name, std::string_view payload) {
  UplinkMessage message = Message(kind, kDevice);
  message.set_detail(std::string(name));
  message.set_payload(std::string(payload));
  return message;
}

// The device's own session, and one of another client through another gateway.
struct TwoSessions {
  static constexpr uint64_t kOther = 21;

  TwoSessions() {
    own.Append({Connected(kDevice)});
    REQUIRE(world.Becomes("SELECT count(*) FROM device_session", "1"));
    UplinkMessage message = Connected(kDevice, 2);
    message.set_client("tool");
    message.set_session(kOther);
    other.Append({message});
    REQUIRE(world.Becomes("SELECT count(*) FROM device_session", "2"));
  }

  World world;
  Gateway own{world, "gateway-1"};
  Gateway other{world, "gateway-2"};
  TestWorker worker{world};
};

TEST_CASE("an update is answered by delta, documents and accepted, in that order") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  gateway.Append({Connected(kDevice),
                  ShadowUpdate(kDevice, R"({"state":{"desired":{"on":true}},"clientToken":"t"})")});
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(3);
  CHECK(TopicsOf(inbox) == std::vector<std::string>{kTopics + "update/delta",
                                                    kTopics + "update/documents",
                                                    kTopics + "update/accepted"});
  CHECK(inbox[0].deliver().epoch() == 1);
  CHECK(inbox[0].deliver().payload().find(R"("state":{"on":true})") != std::string::npos);
  CHECK(inbox[2].deliver().payload().find(R"("clientToken":"t")") != std::string::npos);
}

TEST_CASE("answers go to every session of the device") {
  TwoSessions two;
  two.own.Append({Request(UplinkMessage::KIND_SHADOW_GET, "", "")});
  CHECK(two.own.AwaitInbox(1)[0].deliver().topic() == kTopics + "get/rejected");
  CHECK(two.other.AwaitInbox(1)[0].deliver().session() == TwoSessions::kOther);
}

TEST_CASE("a typed report shows its documents to others that follow the shadow") {
  TwoSessions two;
  two.own.Append({Brightness(kDevice, 40), Brightness(kDevice, 41)});
  two.own.Append({Request(UplinkMessage::KIND_SHADOW_GET, "", "")});
  const std::vector<InboxItem> told = two.other.AwaitInbox(3);
  CHECK(TopicsOf(told) == std::vector<std::string>{kTopics + "update/documents",
                                                   kTopics + "update/documents",
                                                   kTopics + "get/accepted"});
  const std::string& payload = told[1].deliver().payload();
  CHECK(payload.find(R"("previous":{"state":{"reported":{"light":{"brightness":40}}})") !=
        std::string::npos);
  CHECK(payload.find(R"("current":{"state":{"reported":{"light":{"brightness":41}}})") !=
        std::string::npos);
  CHECK(TopicsOf(two.own.AwaitInbox(1)) == std::vector<std::string>{kTopics + "get/accepted"});
}

TEST_CASE("named shadows are apart from the classic one, and deletion keeps the version") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const auto update = [](std::string_view name) {
    return Request(UplinkMessage::KIND_SHADOW_UPDATE, name, R"({"state":{"reported":{"a":1}}})");
  };
  gateway.Append({Connected(kDevice), update("one"), update("one"), update("two"),
                  Request(UplinkMessage::KIND_SHADOW_DELETE, "one", ""),
                  Request(UplinkMessage::KIND_SHADOW_GET, "one", ""), update("one")});
  CHECK(
      world.Becomes("SELECT string_agg(name || version || deleted, ' ' ORDER BY name) "
                    "FROM shadow WHERE device = 'lamp-1'",
                    "one4false two1false"));
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(10);
  CHECK(inbox[6].deliver().topic() == kTopics + "name/one/delete/accepted");
  CHECK(inbox[7].deliver().topic() == kTopics + "name/one/get/rejected");
  CHECK(inbox[7].deliver().payload().find(R"("code":404)") != std::string::npos);
}

TEST_CASE("requests that are refused") {
  struct Row {
    const char* name;
    const char* shadow;
    const char* payload;
    const char* code;
  };
  const Row rows[] = {
      {"not JSON", "", "{", R"("code":400)"},
      {"no state", "", "{}", R"("code":400)"},
      {"another version", "", R"({"state":{"reported":{"a":1}},"version":7})", R"("code":400)"},
      {"too deep", "",
       R"({"state":{"reported":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}}}})",
       R"("code":400)"},
  };
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      World world;
      Gateway gateway(world);
      TestWorker worker(world);
      gateway.Append({Connected(kDevice),
                      Request(UplinkMessage::KIND_SHADOW_UPDATE, row.shadow, row.payload),
                      Request(UplinkMessage::KIND_SHADOW_GET, "", "")});
      const std::vector<InboxItem> inbox = gateway.AwaitInbox(2);
      CHECK(inbox.back().deliver().topic() == kTopics + "get/rejected");
      CHECK(inbox.front().deliver().topic() == kTopics + "update/rejected");
      CHECK(inbox.front().deliver().payload().find(row.code) != std::string::npos);
    }
  }
}

TEST_CASE("a shadow beyond the limit is refused with 413 and stays as it was") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const std::string big(50'000, 'x');
  const auto put = [&](std::string_view key) {
    return ShadowUpdate(kDevice,
                        fmt::format(R"({{"state":{{"reported":{{"{}":"{}"}}}}}})", key, big));
  };
  gateway.Append({Connected(kDevice), put("a"), put("b")});
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(3);
  CHECK(inbox[2].deliver().payload().find(R"("code":413)") != std::string::npos);
  CHECK(world.Sql("SELECT version FROM shadow") == "1");
}

TEST_CASE("a gRPC caller's request is answered to its pod") {
  World world;
  Gateway gateway(world, "gateway-1");
  Gateway registry(world, "registry-9");
  TestWorker worker(world);
  gateway.Append({Connected(kDevice), Brightness(kDevice, 4)});
  CHECK(world.Becomes("SELECT version FROM shadow", "1"));
  UplinkMessage update =
      ShadowUpdate(kDevice, R"({"state":{"desired":{"light":{"brightness":5}}},"version":1})");
  update.set_session(0);
  update.set_epoch(0);
  update.set_correlation(77);
  UplinkMessage stale = update;
  stale.set_correlation(78);
  registry.Append({update, stale});
  const std::vector<InboxItem> answers = registry.AwaitInbox(2);
  CHECK(answers[0].api_answer().correlation() == 77);
  CHECK(answers[0].api_answer().code() == 200);
  CHECK(answers[0].api_answer().version() == 2);
  CHECK(answers[0].api_answer().online());
  CHECK(answers[0].api_answer().state_json() ==
        R"({"desired":{"light":{"brightness":5}},"reported":{"light":{"brightness":4}},)"
        R"("delta":{"light":{"brightness":5}}})");
  CHECK(answers[1].api_answer().correlation() == 78);
  CHECK(answers[1].api_answer().code() == 409);
  CHECK(TopicsOf(gateway.AwaitInbox(3)) == std::vector<std::string>{kTopics + "update/delta",
                                                                    kTopics + "update/documents",
                                                                    kTopics + "update/accepted"});
}

TEST_CASE("whoever listens for deltas is told what is pending, and nobody else is") {
  World world;
  Gateway gateway(world);
  TestWorker worker(world);
  const auto wish = [](std::string_view name) {
    return Request(UplinkMessage::KIND_SHADOW_UPDATE, name, R"({"state":{"desired":{"a":1}}})");
  };
  // Nobody is connected, so nobody hears of the wishes.
  UplinkMessage classic = wish("");
  UplinkMessage one = wish("one");
  UplinkMessage gone = wish("gone");
  UplinkMessage remove = Request(UplinkMessage::KIND_SHADOW_DELETE, "gone", "");
  for (UplinkMessage* message : {&classic, &one, &gone, &remove}) message->set_epoch(0);
  gateway.Append({classic, one, gone, remove});
  CHECK(world.Becomes("SELECT count(*) FROM shadow", "3"));
  TestWorker::Options options;
  options.pod = "registry-2";
  worker.wanted().Publish({});
  TestWorker fresh(world, options);  // reads everything from PostgreSQL

  UplinkMessage other = Connected(kDevice, 2);
  other.set_client("tool");
  other.set_session(21);
  gateway.Append({Connected(kDevice), other, Request(UplinkMessage::KIND_SHADOW_LISTEN, "", ""),
                  Request(UplinkMessage::KIND_SHADOW_LISTEN, "+", "")});
  const std::vector<InboxItem> inbox = gateway.AwaitInbox(2);
  REQUIRE(inbox.size() == 2);
  CHECK(TopicsOf(inbox) ==
        std::vector<std::string>{kTopics + "update/delta", kTopics + "name/one/update/delta"});
  CHECK(inbox[0].deliver().session() == 7);
  CHECK(inbox[1].deliver().session() == 7);
}

}  // namespace
}  // namespace homeport::registry::testing
