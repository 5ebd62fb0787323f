#include "services/registry/core/property_filter.h"

#include "services/registry/core/plain_text.h"

namespace homeport::registry {
namespace {

constexpr std::string_view kEvery = "*";

// The service is what stands before the first point; "" where there is none.
struct Parts {
  std::string_view service;
  std::string_view property;
};

Parts Split(std::string_view name) {
  const size_t point = name.find('.');
  if (point == std::string_view::npos) return {{}, name};
  return {name.substr(0, point), name.substr(point + 1)};
}

}  // namespace

PropertyFilter::PropertyFilter(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name == kEvery) {
      all_ = true;
      continue;
    }
    const Parts parts = Split(name);
    Service& service = services_[std::string(parts.service)];
    if (parts.property == kEvery) {
      service.all = true;
    } else {
      service.properties.emplace(parts.property);
    }
  }
}

bool PropertyFilter::IsName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name.front() != '.' &&
         name.back() != '.' && IsPlainText(name);
}

bool PropertyFilter::Takes(std::string_view service, std::string_view property) const {
  if (all_) return true;
  const auto found = services_.find(service);
  return found != services_.end() &&
         (found->second.all ||
          found->second.properties.find(property) != found->second.properties.end());
}

}  // namespace homeport::registry
