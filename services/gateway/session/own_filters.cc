#include "services/gateway/session/own_filters.h"

#include <array>
#include <bit>

#include "libs/auth/topic_policy.h"
#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

enum class Prefix : uint8_t { kDevice, kShadow };

struct Row {
  Prefix prefix;
  std::string_view rest;
};

constexpr Row kRows[] = {
    {Prefix::kDevice, "#"},
    {Prefix::kDevice, "down/#"},
    {Prefix::kDevice, "down/get/+"},
    {Prefix::kDevice, "down/set/+"},
    {Prefix::kDevice, "down/action/+"},
    {Prefix::kDevice, "down/get/#"},
    {Prefix::kDevice, "down/set/#"},
    {Prefix::kDevice, "down/action/#"},
    {Prefix::kDevice, "down/refused"},
    {Prefix::kShadow, "#"},
    {Prefix::kShadow, "get/accepted"},
    {Prefix::kShadow, "get/rejected"},
    {Prefix::kShadow, "get/+"},
    {Prefix::kShadow, "get/#"},
    {Prefix::kShadow, "update/accepted"},
    {Prefix::kShadow, "update/rejected"},
    {Prefix::kShadow, "update/delta"},
    {Prefix::kShadow, "update/documents"},
    {Prefix::kShadow, "update/+"},
    {Prefix::kShadow, "update/#"},
    {Prefix::kShadow, "delete/accepted"},
    {Prefix::kShadow, "delete/rejected"},
    {Prefix::kShadow, "delete/+"},
    {Prefix::kShadow, "delete/#"},
    {Prefix::kShadow, "+/accepted"},
    {Prefix::kShadow, "+/rejected"},
};
constexpr int kRowCount = static_cast<int>(std::size(kRows));
static_assert(kRowCount <= 32);

// For each topic bit of libs/auth, the rows whose filters cover it.
std::array<FilterRows, auth::kOwnTopicBits> MakeRowsOfBit() {
  std::array<FilterRows, auth::kOwnTopicBits> rows_of_bit{};
  for (int row = 0; row < kRowCount; ++row) {
    const std::string filter = fmt::format(
        "{}{}", kRows[row].prefix == Prefix::kDevice ? "device/d/" : "$aws/things/d/shadow/",
        kRows[row].rest);
    const auto bits = auth::OwnTopicBits(filter, "d");
    HP_CHECK(bits.has_value());
    for (int bit = 0; bit < auth::kOwnTopicBits; ++bit) {
      if ((*bits >> bit & 1) != 0) rows_of_bit[static_cast<size_t>(bit)] |= FilterRows{1} << row;
    }
  }
  return rows_of_bit;
}

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::optional<int> RowOfFilter(std::string_view filter, std::string_view device) {
  Prefix prefix = Prefix::kDevice;
  if (TakePrefix(filter, "$aws/things/")) {
    prefix = Prefix::kShadow;
    if (!TakePrefix(filter, device) || !TakePrefix(filter, "/shadow/")) return std::nullopt;
  } else if (!TakePrefix(filter, "device/") || !TakePrefix(filter, device) ||
             !TakePrefix(filter, "/")) {
    return std::nullopt;
  }
  for (int row = 0; row < kRowCount; ++row) {
    if (kRows[row].prefix == prefix && kRows[row].rest == filter) return row;
  }
  return std::nullopt;
}

std::string FilterOfRow(int row, std::string_view device) {
  HP_CHECK(row >= 0 && row < kRowCount);
  return kRows[row].prefix == Prefix::kDevice
             ? fmt::format("device/{}/{}", device, kRows[row].rest)
             : fmt::format("$aws/things/{}/shadow/{}", device, kRows[row].rest);
}

FilterRows RowsMatching(std::string_view topic, std::string_view device) {
  static const std::array<FilterRows, auth::kOwnTopicBits> rows_of_bit = MakeRowsOfBit();
  const auth::TopicBits bit = auth::BitOfTopic(topic, device);
  return bit == 0 ? 0 : rows_of_bit[static_cast<size_t>(std::countr_zero(bit))];
}

}  // namespace homeport::gateway
