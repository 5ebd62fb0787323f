#include "libs/auth/topic_policy.h"

#include <algorithm>
#include <iterator>

#include "libs/auth/levels.h"
#include "libs/base/ascii.h"

namespace homeport::auth {
namespace {

constexpr std::string_view kDevicePrefix = "device/";
constexpr std::string_view kThingPrefix = "$aws/things/";
constexpr std::string_view kCertificatesPrefix = "$aws/certificates/";
constexpr std::string_view kTemplatesPrefix = "$aws/provisioning-templates/";
constexpr std::string_view kShadowPrefix = "shadow/";
constexpr std::string_view kNamedShadowPrefix = "shadow/name/";
constexpr std::string_view kCbor = "/cbor";
constexpr std::string_view kJson = "/json";
constexpr size_t kNameBytesMax = 64;
constexpr size_t kNumberDigitsMax = 5;
constexpr int kNamedOffset =
    static_cast<int>(OwnTopicBit::kNamedShadowGet) - static_cast<int>(OwnTopicBit::kShadowGet);

bool Consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool ConsumeSuffix(std::string_view& text, std::string_view suffix) {
  if (text.size() < suffix.size() || text.substr(text.size() - suffix.size()) != suffix) {
    return false;
  }
  text.remove_suffix(suffix.size());
  return true;
}

bool IsOneLevel(std::string_view text) {
  return !text.empty() && text.find('/') == std::string_view::npos;
}

// Whose prefix a topic or filter begins with.
enum class Space : uint8_t { kOwnDevice, kOwnThing, kForeign, kReserved, kGeneral };

struct Located {
  Space space = Space::kGeneral;
  std::string_view rest;  // after the device's level and its '/'
};

Located AfterDevice(std::string_view rest, std::string_view device, Space own) {
  if (rest == device) return {own, {}};
  if (!Consume(rest, device) || !Consume(rest, "/")) return {Space::kForeign, {}};
  return {own, rest};
}

Located Locate(std::string_view topic, std::string_view device) {
  std::string_view rest = topic;
  if (Consume(rest, kDevicePrefix)) return AfterDevice(rest, device, Space::kOwnDevice);
  if (Consume(rest, kThingPrefix)) return AfterDevice(rest, device, Space::kOwnThing);
  return {!topic.empty() && topic.front() == '$' ? Space::kReserved : Space::kGeneral, {}};
}

// A shadow topic taken apart: "shadow[/name/{name}]/{verb}".
struct ShadowTopic {
  bool named = false;
  std::string_view name;
  std::string_view verb;  // "update", "update/accepted" …
};

std::optional<ShadowTopic> ParseShadow(std::string_view rest) {
  ShadowTopic shadow;
  shadow.verb = rest;
  if (Consume(shadow.verb, kNamedShadowPrefix)) {
    shadow.named = true;
    const size_t slash = shadow.verb.find('/');
    if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
    shadow.name = shadow.verb.substr(0, slash);
    shadow.verb.remove_prefix(slash + 1);
    return shadow;
  }
  if (!Consume(shadow.verb, kShadowPrefix)) return std::nullopt;
  return shadow;
}

// In the order of the OwnTopicBit values from kShadowGet on.
constexpr std::string_view kShadowVerbs[] = {
    "get",
    "get/accepted",
    "get/rejected",
    "update",
    "update/accepted",
    "update/rejected",
    "update/delta",
    "update/documents",
    "delete",
    "delete/accepted",
    "delete/rejected",
};

Topic ClassifyShadow(std::string_view rest) {
  const std::optional<ShadowTopic> shadow = ParseShadow(rest);
  if (!shadow.has_value()) return {TopicClass::kOwnUnknown};
  if (shadow->verb == "update") return {TopicClass::kShadowUpdate, shadow->name};
  if (shadow->verb == "get") return {TopicClass::kShadowGet, shadow->name};
  if (shadow->verb == "delete") return {TopicClass::kShadowDelete, shadow->name};
  const bool answer = std::find(std::begin(kShadowVerbs), std::end(kShadowVerbs), shadow->verb) !=
                      std::end(kShadowVerbs);
  return {answer ? TopicClass::kOwnDown : TopicClass::kOwnUnknown};
}

// A request of provisioning; another reserved topic otherwise.
Topic ClassifyReserved(std::string_view topic) {
  std::string_view rest = topic;
  const bool of_template = Consume(rest, kTemplatesPrefix);
  if (!of_template && !Consume(rest, kCertificatesPrefix)) return {TopicClass::kReserved};
  const bool cbor = ConsumeSuffix(rest, kCbor);
  if (!cbor && !ConsumeSuffix(rest, kJson)) return {TopicClass::kReserved};
  std::string_view name = rest;
  const bool request = of_template ? ConsumeSuffix(name, "/provision") && IsOneLevel(name)
                                   : rest == "create" || rest == "create-from-csr";
  if (!request) return {TopicClass::kReserved};
  return {TopicClass::kProvisioning, rest, cbor};
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= kNumberDigitsMax &&
         std::all_of(text.begin(), text.end(), IsDigit);
}

// As models name their parts: "overheated", "pm2.5-density".
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && IsLetter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

// {siid}/{eiid} or {service}/{event}.
bool IsEventPath(std::string_view path) {
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view service = path.substr(0, slash), event = path.substr(slash + 1);
  return (IsNumber(service) && IsNumber(event)) || (IsName(service) && IsName(event));
}

Topic ClassifyUp(std::string_view rest, bool cbor) {
  if (rest == "properties") return {TopicClass::kUpProperties, {}, cbor};
  if (rest == "topology") return {TopicClass::kUpTopology, {}, cbor};
  if (Consume(rest, "telemetry/")) {
    return IsOneLevel(rest) ? Topic{TopicClass::kUpTelemetry, rest, cbor}
                            : Topic{TopicClass::kOwnUnknown};
  }
  if (Consume(rest, "event/")) {
    return IsEventPath(rest) ? Topic{TopicClass::kUpEvent, rest, cbor}
                             : Topic{TopicClass::kOwnUnknown};
  }
  if (Consume(rest, "reply/")) {
    return IsOneLevel(rest) ? Topic{TopicClass::kUpReply, rest, cbor}
                            : Topic{TopicClass::kOwnUnknown};
  }
  return {TopicClass::kOwnUnknown};
}

Topic ClassifyDevice(std::string_view rest) {
  if (Consume(rest, "up/")) {
    const bool cbor = ConsumeSuffix(rest, kCbor);
    return ClassifyUp(rest, cbor);
  }
  return {Consume(rest, "down/") ? TopicClass::kOwnDown : TopicClass::kOwnUnknown};
}

// What Homeport sends to a device below "device/{did}/"; "+" stands for any one level.
struct DownTopic {
  std::string_view pattern;
  OwnTopicBit bit;
};
constexpr DownTopic kDownTopics[] = {
    {"down/get/+", OwnTopicBit::kDownGet},
    {"down/set/+", OwnTopicBit::kDownSet},
    {"down/action/+", OwnTopicBit::kDownAction},
    {"down/refused", OwnTopicBit::kDownRefused},
    {"down/get/+/cbor", OwnTopicBit::kDownGetCbor},
    {"down/set/+/cbor", OwnTopicBit::kDownSetCbor},
    {"down/action/+/cbor", OwnTopicBit::kDownActionCbor},
    {"down/refused/cbor", OwnTopicBit::kDownRefusedCbor},
    {"down/topology", OwnTopicBit::kDownTopology},
};

// How a filter relates to the set of topics that a pattern stands for.
enum class Cover : uint8_t { kNone, kPart, kWhole };

Cover CoverOf(std::string_view filter, std::string_view pattern) {
  Levels wanted(filter);
  Levels sent(pattern);
  Cover cover = Cover::kWhole;
  while (!wanted.done() && !sent.done()) {
    const std::string_view want = wanted.Next();
    const std::string_view level = sent.Next();
    if (want == "#") return cover;
    if (want == "+" || want == level) continue;
    if (level != "+") return Cover::kNone;
    cover = Cover::kPart;
  }
  if (wanted.done() && sent.done()) return cover;
  // "a/#" matches "a" as well.
  return !wanted.done() && wanted.Next() == "#" ? cover : Cover::kNone;
}

// The bits a filter covers whole, and whether it matches a part of others.
struct Coverage {
  TopicBits bits = 0;
  bool partly = false;

  void Add(Cover cover, int bit) {
    if (cover == Cover::kWhole) bits |= TopicBits{1} << bit;
    if (cover == Cover::kPart) partly = true;
  }
  [[nodiscard]] bool any() const { return bits != 0 || partly; }
};

// `rest` of a filter against "<prefix><verb>" for each shadow verb.
void AddShadowCover(std::string_view rest, std::string_view prefix, int first_bit,
                    Coverage& coverage) {
  constexpr size_t kPatternBytesMax = 64;
  char pattern[kPatternBytesMax];
  std::copy(prefix.begin(), prefix.end(), pattern);
  for (size_t i = 0; i < std::size(kShadowVerbs); ++i) {
    std::copy(kShadowVerbs[i].begin(), kShadowVerbs[i].end(), pattern + prefix.size());
    const std::string_view text(pattern, prefix.size() + kShadowVerbs[i].size());
    coverage.Add(CoverOf(rest, text), first_bit + static_cast<int>(i));
  }
}

Coverage CoverageOf(const Located& located) {
  Coverage coverage;
  if (located.space == Space::kOwnDevice) {
    for (const DownTopic& topic : kDownTopics) {
      coverage.Add(CoverOf(located.rest, topic.pattern), static_cast<int>(topic.bit));
    }
  } else if (located.space == Space::kOwnThing) {
    constexpr int kFirst = static_cast<int>(OwnTopicBit::kShadowGet);
    AddShadowCover(located.rest, kShadowPrefix, kFirst, coverage);
    AddShadowCover(located.rest, "shadow/name/+/", kFirst + kNamedOffset, coverage);
  }
  return coverage;
}

TopicBits BitOfDown(std::string_view rest) {
  for (const DownTopic& topic : kDownTopics) {
    if (CoverOf(rest, topic.pattern) != Cover::kNone) return Mask(topic.bit);
  }
  return 0;
}

TopicBits BitOfShadow(std::string_view rest) {
  const std::optional<ShadowTopic> shadow = ParseShadow(rest);
  if (!shadow.has_value()) return 0;
  const auto verb = std::find(std::begin(kShadowVerbs), std::end(kShadowVerbs), shadow->verb);
  if (verb == std::end(kShadowVerbs)) return 0;
  const int classic =
      static_cast<int>(OwnTopicBit::kShadowGet) + static_cast<int>(verb - std::begin(kShadowVerbs));
  return TopicBits{1} << (shadow->named ? classic + kNamedOffset : classic);
}

// Filters whose first levels are wildcards and so match topics of every device.
bool ReachesAllDevices(std::string_view filter) {
  Levels levels(filter);
  const std::string_view first = levels.Next();
  // A wildcard at the first level never matches '$' topics (MQTT 5, 4.7.2).
  if (first == "#") return true;
  if (first == "+") return !levels.done();
  if (first != "$aws" || levels.done()) return false;
  const std::string_view second = levels.Next();
  return second == "#" || second == "+";
}

}  // namespace

Topic Classify(std::string_view topic, std::string_view device) {
  const Located located = Locate(topic, device);
  switch (located.space) {
    case Space::kOwnDevice:
      return ClassifyDevice(located.rest);
    case Space::kOwnThing:
      return ClassifyShadow(located.rest);
    case Space::kForeign:
      return {TopicClass::kForeign};
    case Space::kReserved:
      return ClassifyReserved(topic);
    case Space::kGeneral:
      break;
  }
  return {TopicClass::kGeneral};
}

bool IsShadowAnswer(std::string_view topic) {
  if (!Consume(topic, kThingPrefix)) return false;
  const size_t slash = topic.find('/');
  return slash != std::string_view::npos &&
         ClassifyShadow(topic.substr(slash + 1)).topic_class == TopicClass::kOwnDown;
}

bool MayPublish(TopicClass topic_class) { return topic_class <= TopicClass::kProvisioning; }

std::string_view DeviceOf(std::string_view topic_or_filter) {
  std::string_view rest = topic_or_filter;
  if (!Consume(rest, kDevicePrefix) && !Consume(rest, kThingPrefix)) return {};
  return rest.substr(0, rest.find('/'));
}

bool MayPublishForChild(TopicClass topic_class) {
  return MayPublish(topic_class) && topic_class != TopicClass::kUpTopology &&
         topic_class != TopicClass::kProvisioning;
}

bool IsDeviceFilter(std::string_view filter) {
  const std::string_view device = DeviceOf(filter);
  return !device.empty() && ClassifyFilter(filter, device) == FilterClass::kOwn;
}

FilterClass ClassifyFilter(std::string_view filter, std::string_view device) {
  const Located located = Locate(filter, device);
  switch (located.space) {
    case Space::kOwnDevice:
    case Space::kOwnThing:
      return CoverageOf(located).any() ? FilterClass::kOwn : FilterClass::kOwnUnknown;
    case Space::kForeign:
      return FilterClass::kForeign;
    case Space::kReserved:
      if (IsProvisioningFilter(filter)) return FilterClass::kOwn;
      return ReachesAllDevices(filter) ? FilterClass::kForeign : FilterClass::kReserved;
    case Space::kGeneral:
      break;
  }
  return ReachesAllDevices(filter) ? FilterClass::kForeign : FilterClass::kGeneral;
}

bool IsProvisioningFilter(std::string_view filter) {
  return Consume(filter, kCertificatesPrefix) || Consume(filter, kTemplatesPrefix);
}

bool MaySubscribe(std::string_view filter, std::string_view device) {
  return ClassifyFilter(filter, device) == FilterClass::kOwn;
}

DeltaFilter DeltaTopicsOf(std::string_view filter, std::string_view device) {
  constexpr std::string_view kDelta = "shadow/update/delta";
  constexpr std::string_view kNamedDelta = "shadow/name/+/update/delta";
  DeltaFilter delta;
  const Located located = Locate(filter, device);
  if (located.space != Space::kOwnThing) return delta;
  delta.classic = CoverOf(located.rest, kDelta) != Cover::kNone;
  switch (CoverOf(located.rest, kNamedDelta)) {
    case Cover::kNone:
      break;
    case Cover::kPart: {
      // Its third level stands where the pattern has "+".
      Levels levels(located.rest);
      levels.Next();
      levels.Next();
      delta.named = levels.Next();
      break;
    }
    case Cover::kWhole:
      delta.named = "+";
      break;
  }
  return delta;
}

std::optional<TopicBits> OwnTopicBits(std::string_view filter, std::string_view device) {
  const Coverage coverage = CoverageOf(Locate(filter, device));
  if (coverage.bits == 0 || coverage.partly) return std::nullopt;
  return coverage.bits;
}

TopicBits BitOfTopic(std::string_view topic, std::string_view device) {
  const Located located = Locate(topic, device);
  if (located.space == Space::kOwnDevice) return BitOfDown(located.rest);
  if (located.space == Space::kOwnThing) return BitOfShadow(located.rest);
  return 0;
}

}  // namespace homeport::auth
