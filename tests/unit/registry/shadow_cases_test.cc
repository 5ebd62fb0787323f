// The shadow cases of tests/conformance/shadow against the registry's core: messages as a gateway
// appends them in, what goes to the inboxes out.
#include "tests/unit/registry/shadow_cases.h"

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "libs/auth/topic_policy.h"
#include "libs/base/ids.h"
#include "libs/base/strings.h"
#include "libs/json/parse.h"
#include "services/registry/core/apply.h"
#include "services/registry/core/plain_text.h"

namespace homeport::registry {
namespace {

using internal::v1::InboxItem;
using internal::v1::UplinkMessage;
using Kind = ShadowStep::Kind;

constexpr std::string_view kDevice = "lamp-1";
constexpr std::string_view kGateway = "gateway-1";
constexpr std::string_view kRegistry = "registry-1";
constexpr uint64_t kSession = 7;
constexpr uint64_t kEpoch = 3;

// One product, as Catalog would give it.
class OneProduct final : public ProductSource {
 public:
  const Product* Find(std::string_view id) const override {
    return id == product.id ? &product : nullptr;
  }
  bool HasRoom(std::string_view) const override { return true; }
  Product product;
};

std::vector<InboxItem> ItemsOf(const Downlinks& downlinks) {
  std::vector<InboxItem> items;
  for (const InboxEntry& entry : downlinks.entries()) {
    internal::v1::InboxBatch batch;
    REQUIRE(batch.ParseFromString(entry.batch));
    items.insert(items.end(), batch.items().begin(), batch.items().end());
  }
  return items;
}

// A device with one session, and the partition's owner.
class Core {
 public:
  Core() {
    state_.id = kDevice;
    UplinkMessage connected = Make(UplinkMessage::KIND_CONNECTED);
    connected.set_payload(internal::v1::Connected().SerializeAsString());
    Apply(connected, kGateway);
    products_.product.id = "p";
  }

  void SetProduct(std::string_view setting) {
    REQUIRE(setting == "skip_unchanged");
    state_.product = products_.product.id;
    products_.product.skip_unchanged = true;
  }
  void SetClock(int seconds) { now_ms_ = int64_t{1000} * seconds; }

  void Publish(std::string_view topic, std::string_view payload) {
    const std::string whole = fmt::format("$aws/things/{}/shadow/{}", kDevice, topic);
    const auth::Topic classified = auth::Classify(whole, kDevice);
    UplinkMessage message = Make(KindOf(classified.topic_class));
    message.set_detail(std::string(classified.detail));
    message.set_payload(std::string(payload));
    Apply(message, kGateway);
  }

  void Subscribe(std::string_view filter) {
    const std::string whole = fmt::format("$aws/things/{}/shadow/{}", kDevice, filter);
    const auth::DeltaFilter delta = auth::DeltaTopicsOf(whole, kDevice);
    if (delta.classic) Listen("");
    if (!delta.named.empty()) Listen(delta.named);
  }

  void Ask(std::string_view verb, std::string_view request) {
    UplinkMessage message = Make(verb == "delete" ? UplinkMessage::KIND_SHADOW_DELETE
                                                  : UplinkMessage::KIND_SHADOW_UPDATE);
    message.set_session(0);
    message.set_epoch(0);
    message.set_correlation(5);
    std::string version;
    if (request.substr(0, 8) == "version ") {
      request.remove_prefix(8);
      version = fmt::format(R"("version":{})", request.substr(0, request.find(' ')));
      request.remove_prefix(std::min(request.size(), request.find(' ')));
    }
    if (verb == "delete") {
      message.set_payload(fmt::format("{{{}}}", version));
    } else {
      message.set_payload(
          fmt::format(R"({{"state":{}{}{}}})", request, version.empty() ? "" : ",", version));
    }
    Apply(message, kRegistry);
  }

  // What the device heard and has not been taken yet, and the answers to the API.
  std::deque<internal::v1::Deliver> heard;
  std::deque<internal::v1::ApiAnswer> answers;

 private:
  static UplinkMessage::Kind KindOf(auth::TopicClass topic_class) {
    switch (topic_class) {
      case auth::TopicClass::kShadowGet:
        return UplinkMessage::KIND_SHADOW_GET;
      case auth::TopicClass::kShadowUpdate:
        return UplinkMessage::KIND_SHADOW_UPDATE;
      case auth::TopicClass::kShadowDelete:
        return UplinkMessage::KIND_SHADOW_DELETE;
      default:
        FAIL("not a topic a device may publish to");
        return UplinkMessage::KIND_UNSPECIFIED;
    }
  }

  UplinkMessage Make(UplinkMessage::Kind kind) const {
    UplinkMessage message;
    message.set_kind(kind);
    message.set_device(std::string(kDevice));
    message.set_session(kSession);
    message.set_epoch(kEpoch);
    message.set_received_ms(now_ms_ + 999);
    return message;
  }

  void Listen(std::string_view shadow) {
    UplinkMessage message = Make(UplinkMessage::KIND_SHADOW_LISTEN);
    message.set_detail(std::string(shadow));
    Apply(message, kGateway);
  }

  void Apply(const UplinkMessage& message, std::string_view pod) {
    const std::string_view shadow = ShadowNameOf(message);
    if (IsValidShadowName(shadow)) state_.named.try_emplace(std::string(shadow));
    Downlinks downlinks;
    ApplyMessage({message, pod, state_, products_, limits_, now_ms_, effects_, downlinks});
    for (InboxItem& item : ItemsOf(downlinks)) {
      if (item.has_api_answer()) {
        answers.push_back(item.api_answer());
      } else {
        CHECK(item.deliver().session() == kSession);
        CHECK(item.deliver().epoch() == kEpoch);
        heard.push_back(item.deliver());
      }
    }
  }

  DeviceState state_;
  OneProduct products_;
  ConsumerLimits limits_;
  Effects effects_;
  int64_t now_ms_ = 1'000'000;
};

std::string TopicOf(const internal::v1::Deliver& message) {
  return message.topic().substr(fmt::format("$aws/things/{}/shadow/", kDevice).size());
}

// Each member of `part` with its value.
void CheckPart(const std::string& payload, const std::string& part) {
  const auto whole = json::Parse(payload);
  const auto wanted = json::Parse(part);
  REQUIRE(wanted.ok());
  REQUIRE(whole.ok());
  for (const json::Member& member : *wanted->IfObject()) {
    INFO(member.key << " in " << payload.substr(0, 2000));
    const json::Value* found = whole->Find(member.key);
    REQUIRE(found != nullptr);
    CHECK(*found == member.value);
  }
}

void Hear(Core& core, const ShadowStep& step) {
  REQUIRE_FALSE(core.heard.empty());
  const internal::v1::Deliver message = core.heard.front();
  core.heard.pop_front();
  CHECK(TopicOf(message) == step.topic);
  if (step.kind == Kind::kHearPart) {
    CheckPart(message.payload(), step.payload);
  } else {
    CHECK(message.payload() == step.payload);
  }
}

void HearAnswer(Core& core, const ShadowStep& step) {
  REQUIRE_FALSE(core.answers.empty());
  const internal::v1::ApiAnswer answer = core.answers.front();
  core.answers.pop_front();
  CHECK(std::to_string(answer.code()) == step.topic);
  if (step.payload.empty()) return;
  if (answer.code() != 200) {
    CHECK(answer.message() == step.payload);
  } else if (answer.state_json().empty()) {
    CHECK(std::to_string(answer.version()) == step.payload);
  } else {
    CHECK(answer.state_json() == step.payload);
  }
}

void Prepare(Core& core, const ShadowStep& step) {
  core.Publish(step.topic, step.payload);
  REQUIRE_FALSE(core.heard.empty());
  CHECK(TopicOf(core.heard.back()) == step.topic + "/accepted");
  core.heard.clear();
}

void Take(Core& core, const ShadowStep& step) {
  INFO("line " << step.line);
  if (step.kind == Kind::kHear || step.kind == Kind::kHearPart) return Hear(core, step);
  if (step.kind == Kind::kApiAnswer) return HearAnswer(core, step);
  // Nothing more was heard of the step before.
  REQUIRE(core.heard.empty());
  REQUIRE(core.answers.empty());
  switch (step.kind) {
    case Kind::kPublish:
      return core.Publish(step.topic, step.payload);
    case Kind::kPrepare:
      return Prepare(core, step);
    case Kind::kSubscribe:
      return core.Subscribe(step.topic);
    case Kind::kClock:
      return core.SetClock(std::stoi(step.topic));
    case Kind::kProduct:
      return core.SetProduct(step.topic);
    case Kind::kApi:
      return core.Ask(step.topic, step.payload);
    default:
      FAIL("not a step of its own");
  }
}

// Steps between "loop" and "end", as preparation.
size_t Loop(Core& core, const std::vector<ShadowStep>& steps, size_t begin) {
  size_t end = begin;
  while (steps.at(end).kind != Kind::kEnd) ++end;
  for (int i = std::stoi(steps[begin].topic); i > 0; --i) {
    for (size_t at = begin + 1; at < end; ++at) {
      if (steps[at].kind == Kind::kApiAnswer) {
        Take(core, steps[at]);
      } else {
        core.heard.clear();
        Take(core, steps[at]);
      }
      core.heard.clear();
    }
  }
  return end;
}

void RunCase(const ShadowCase& shadow_case) {
  Core core;
  for (size_t at = 0; at < shadow_case.steps.size(); ++at) {
    if (shadow_case.steps[at].kind == Kind::kLoop) {
      at = Loop(core, shadow_case.steps, at);
    } else {
      Take(core, shadow_case.steps[at]);
    }
  }
  CHECK(core.heard.empty());
  CHECK(core.answers.empty());
}

TEST_CASE("every shadow case") {
  const std::vector<ShadowCase> cases = LoadShadowCases(kDevice);
  REQUIRE(cases.size() >= 80);
  std::set<std::string> names;
  for (const ShadowCase& shadow_case : cases) {
    CHECK(names.insert(shadow_case.name).second);
    DYNAMIC_SECTION(shadow_case.file << ": " << shadow_case.name) { RunCase(shadow_case); }
  }
}

}  // namespace
}  // namespace homeport::registry
