#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::registry {

// Which reported properties a product keeps as history: "light.brightness", "light.*", "*", and
// "mode" for what lies on the first level of the shadow. Immutable; nothing is allocated to ask.
class PropertyFilter {
 public:
  static constexpr size_t kNamesMax = 256;
  static constexpr size_t kNameBytesMax = 256;

  PropertyFilter() = default;
  // REQUIRES: IsName of each.
  explicit PropertyFilter(const std::vector<std::string>& names);

  // Whether `name` may stand in a list: not empty, not too long, no part of it empty, no NUL.
  [[nodiscard]] static bool IsName(std::string_view name);

  [[nodiscard]] bool empty() const { return !all_ && services_.empty(); }
  // `service` is "" for what lies on the first level.
  [[nodiscard]] bool Takes(std::string_view service, std::string_view property) const;

 private:
  struct Service {
    bool all = false;
    std::set<std::string, std::less<>> properties;
  };
  bool all_ = false;
  std::map<std::string, Service, std::less<>> services_;
};

}  // namespace homeport::registry
