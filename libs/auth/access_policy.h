#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// What the devices of a product may do with topics that are no device's own
// (proto/homeport/product/v1/product.proto, TopicPolicy). Pure.
namespace homeport::auth {

enum class TopicAction : uint8_t { kPublish, kSubscribe, kRetain };
inline constexpr size_t kTopicActions = 3;

struct PolicyRule {
  enum class Effect : uint8_t { kAllow, kDeny };
  Effect effect = Effect::kDeny;
  std::vector<TopicAction> actions;
  std::vector<std::string> filters;
};

struct PolicyLimits {
  size_t rules_max = 100;
  size_t filters_max = 20;  // of a rule
  size_t filter_bytes_max = 256;
};

// What the variables stand for.
struct PolicyClient {
  std::string_view device;
  std::string_view product;
  std::string_view tenant;
  std::string_view client;
};

// A compiled policy: rules of one action each, the last first, their filters cut into levels.
// Evaluation allocates nothing. Immutable, thread-safe. The default one allows nothing.
class AccessPolicy {
 public:
  AccessPolicy() = default;
  // INVALID_ARGUMENT with a message that begins with the place: "rules[2].filters[0]: …".
  [[nodiscard]] static absl::StatusOr<AccessPolicy> Compile(const std::vector<PolicyRule>& rules,
                                                            const PolicyLimits& limits = {});

  // `topic`: a topic to publish to or to retain at, or a filter to subscribe to (without
  // "$share/<group>/"). REQUIRES: valid MQTT.
  [[nodiscard]] bool Allows(TopicAction action, std::string_view topic,
                            const PolicyClient& client) const;

  [[nodiscard]] bool empty() const;

 private:
  enum class Variable : uint8_t { kNone, kDevice, kProduct, kTenant, kClient };
  // A literal, then what a variable stands for.
  struct Part {
    std::string literal;
    Variable variable = Variable::kNone;
  };
  enum class LevelKind : uint8_t { kText, kPlus, kHash };
  struct Level {
    LevelKind kind = LevelKind::kText;
    std::vector<Part> parts;
  };
  using Pattern = std::vector<Level>;
  struct Entry {
    PolicyRule::Effect effect = PolicyRule::Effect::kDeny;
    Pattern pattern;
  };
  // How a pattern and a topic or filter relate.
  enum class Relation : uint8_t { kApart, kOverlaps, kContains };

  [[nodiscard]] static absl::StatusOr<Pattern> CompileFilter(std::string_view filter);
  [[nodiscard]] static bool BeginsWithDollar(const Pattern& pattern);
  [[nodiscard]] static absl::StatusOr<Level> CompileLevel(std::string_view text);
  [[nodiscard]] static Relation Relate(const Pattern& pattern, std::string_view topic,
                                       const PolicyClient& client);
  [[nodiscard]] static bool LevelMatches(const Level& level, std::string_view text,
                                         const PolicyClient& client);
  [[nodiscard]] static std::string_view ValueOf(Variable variable, const PolicyClient& client);

  std::array<std::vector<Entry>, kTopicActions> entries_;  // by action
};

}  // namespace homeport::auth
