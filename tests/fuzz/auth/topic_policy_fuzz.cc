#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/auth/topic_policy.h"
#include "libs/base/check.h"
#include "libs/mqtt/topic.h"

// A filter and a topic, separated by a line feed. Whatever the filter's bits say must be what
// matching the filter against the topic says.
namespace homeport::auth {
namespace {

constexpr std::string_view kDevice = "d";

void CheckTopic(std::string_view topic) {
  const Topic classified = Classify(topic, kDevice);
  HP_CHECK(classified.detail.empty() ||
           (classified.detail.data() >= topic.data() && classified.detail.size() <= topic.size()));
  const TopicBits bit = BitOfTopic(topic, kDevice);
  HP_CHECK((bit & (bit - 1)) == 0);
  // A device may publish only below its own prefixes, never what only Homeport sends.
  const bool own = topic.substr(0, 9) == "device/d/" || topic.substr(0, 14) == "$aws/things/d/";
  const bool provisioning = classified.topic_class == TopicClass::kProvisioning;
  HP_CHECK(own || provisioning || (!MayPublish(classified.topic_class) && bit == 0));
}

void CheckFilter(std::string_view filter, std::string_view topic) {
  const auto bits = OwnTopicBits(filter, kDevice);
  const bool may = MaySubscribe(filter, kDevice);
  HP_CHECK(!bits.has_value() || (may && *bits != 0));
  const TopicBits bit = BitOfTopic(topic, kDevice);
  if (bits.has_value() && bit != 0) {
    HP_CHECK(((*bits & bit) != 0) == mqtt::Matches(filter, topic));
  }
  // No filter a device may have matches what another device is sent.
  if (may) HP_CHECK(BitOfTopic(topic, "e") == 0 || !mqtt::Matches(filter, topic));
}

}  // namespace
}  // namespace homeport::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const size_t line_feed = input.find('\n');
  const std::string filter = input.substr(0, line_feed);
  const std::string topic = line_feed == std::string::npos ? "" : input.substr(line_feed + 1);
  const bool valid_topic = homeport::mqtt::IsValidTopicName(topic);
  if (valid_topic) homeport::auth::CheckTopic(topic);
  if (valid_topic && homeport::mqtt::IsValidTopicFilter(filter) &&
      !homeport::mqtt::IsSharedFilter(filter)) {
    homeport::auth::CheckFilter(filter, topic);
  }
  return 0;
}
