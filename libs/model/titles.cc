#include "libs/model/titles.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "libs/base/strings.h"

namespace homeport::model {
namespace {

struct Segment {
  std::string_view kind;
  uint32_t number;
};

// Takes "<kind>:<number>" and a following ':' off the front of `rest`.
std::optional<Segment> TakeSegment(std::string_view& rest) {
  constexpr size_t kDigitsMax = 5;
  const size_t colon = rest.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = rest.substr(0, colon);
  rest.remove_prefix(colon + 1);
  const size_t end = rest.find(':');
  const std::string_view digits = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  uint32_t number = 0;
  const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = error == std::errc() && last == digits.data() + digits.size();
  const bool dangling = end != std::string_view::npos && rest.empty();
  if (!whole || dangling || digits.size() > kDigitsMax) return std::nullopt;
  return Segment{kind, number};
}

std::string ServiceKey(uint32_t siid) { return fmt::format("service:{:03}", siid); }

std::string PartKey(uint32_t siid, std::string_view kind, uint32_t iid) {
  return fmt::format("service:{:03}:{}:{:03}", siid, kind, iid);
}

std::string_view FirstOf(std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) {
    if (!text.empty()) return text;
  }
  return {};
}

std::string_view BaseOf(std::string_view language) {
  return language.substr(0, language.find('_'));
}

}  // namespace

std::optional<std::string> CanonicalTextKey(std::string_view key) {
  constexpr std::array<std::string_view, 3> kKinds = {"property", "action", "event"};
  const std::optional<Segment> service = TakeSegment(key);
  if (!service || service->kind != "service") return std::nullopt;
  if (key.empty()) return ServiceKey(service->number);
  const std::optional<Segment> part = TakeSegment(key);
  if (!part || std::find(kKinds.begin(), kKinds.end(), part->kind) == kKinds.end()) {
    return std::nullopt;
  }
  std::string canonical = PartKey(service->number, part->kind, part->number);
  if (key.empty()) return canonical;
  const std::optional<Segment> place = TakeSegment(key);
  if (!place || place->kind != "valuelist" || part->kind != "property" || !key.empty()) {
    return std::nullopt;
  }
  return canonical + fmt::format(":valuelist:{:03}", place->number);
}

std::optional<std::string> CanonicalLanguage(std::string_view language) {
  if (language.size() < 2 || language.size() > 16) return std::nullopt;
  std::string canonical(language);
  for (char& c : canonical) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain) return std::nullopt;
  }
  return canonical;
}

std::vector<std::string> LanguagesFor(std::string_view wanted,
                                      const std::vector<std::string>& available) {
  std::vector<std::string> order;
  const std::string_view base = BaseOf(wanted);
  const auto rank = [&](std::string_view language) {
    if (language == wanted) return 0;
    return language == base ? 1 : 2;
  };
  for (const std::string& language : available) {
    if (BaseOf(language) == base) order.push_back(language);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  return order;
}

std::string_view Titles::Find(std::string_view key) const {
  for (const TextMap* texts : texts_) {
    const auto found = texts->find(key);
    if (found != texts->end() && !found->second.empty()) return found->second;
  }
  return {};
}

std::string_view Titles::Of(const Model& model) const { return model.description(); }

std::string_view Titles::Of(const Service& service) const {
  return FirstOf({Find(ServiceKey(service.siid)), service.description, service.key});
}

std::string_view Titles::Of(const Property& property) const {
  return FirstOf({Find(PartKey(property.siid, "property", property.piid)), property.description,
                  property.key});
}

std::string_view Titles::Of(const Action& action) const {
  return FirstOf(
      {Find(PartKey(action.siid, "action", action.aiid)), action.description, action.key});
}

std::string_view Titles::Of(const Event& event) const {
  return FirstOf({Find(PartKey(event.siid, "event", event.eiid)), event.description, event.key});
}

std::string_view Titles::OfListed(const Property& property, size_t place) const {
  const auto* list = std::get_if<ValueList>(&property.constraint);
  if (list == nullptr || place >= list->size()) return {};
  const std::string key =
      PartKey(property.siid, "property", property.piid) + fmt::format(":valuelist:{:03}", place);
  return FirstOf({Find(key), (*list)[place].description});
}

}  // namespace homeport::model
