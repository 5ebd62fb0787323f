#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace homeport {

// A string that names one kind of thing. Distinct tags do not convert into one another.
template <typename Tag>
class StringId {
 public:
  StringId() = default;
  explicit StringId(std::string value) : value_(std::move(value)) {}
  explicit StringId(std::string_view value) : value_(value) {}
  explicit StringId(const char* value) : value_(value) {}

  [[nodiscard]] const std::string& str() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }
  friend auto operator<=>(const StringId&, const StringId&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const StringId& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  std::string value_;
};

using DeviceId = StringId<struct DeviceIdTag>;    // 1-128 of [A-Za-z0-9:._-]
using ProductId = StringId<struct ProductIdTag>;  // a product model, 1-64 of [a-z0-9._-]
using TenantId = StringId<struct TenantIdTag>;    // 1-63 of [a-z0-9-]
using PodId = StringId<struct PodIdTag>;          // one process run: <name>-<8 hex>

inline constexpr size_t kDeviceIdBytesMax = 128;
inline constexpr size_t kProductIdBytesMax = 64;
inline constexpr size_t kShadowNameBytesMax = 64;

// Whether `value` may name a device, a product, a tenant: length and alphabet as above. A shadow's
// name has 1-64 of [$A-Za-z0-9:_-].
[[nodiscard]] bool IsValidDeviceId(std::string_view value);
[[nodiscard]] bool IsValidProductId(std::string_view value);
[[nodiscard]] bool IsValidTenantId(std::string_view value);
[[nodiscard]] bool IsValidShadowName(std::string_view value);

}  // namespace homeport
