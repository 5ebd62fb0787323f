#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libs/model/model.h"

namespace homeport::model {

// What parts of a model are called in a language (MIoT-Spec-V2). Pure: any thread.

// Texts by key: "service:002", "service:002:property:001", "service:002:action:001",
// "service:002:event:001", and "service:002:property:001:valuelist:000" for a place in the list.
using TextMap = std::map<std::string, std::string, std::less<>>;

// The key with its numbers written as above, with three digits where they have fewer; nullopt for
// what is no key.
[[nodiscard]] std::optional<std::string> CanonicalTextKey(std::string_view key);

// "zh-CN" and "zh_cn" are one language: lower case, "_". nullopt unless that is 2-16 of [a-z0-9_].
[[nodiscard]] std::optional<std::string> CanonicalLanguage(std::string_view language);

// Those of `available` that serve a reader of `wanted`, best first: itself, its base ("zh" of
// "zh_cn"), then others of that base in the order given. REQUIRES: all canonical.
[[nodiscard]] std::vector<std::string> LanguagesFor(std::string_view wanted,
                                                    const std::vector<std::string>& available);

// Finds titles: in the texts given, in their order, else the part's description, else its name.
// Borrows the texts, whose keys are canonical; answers live as long as they and the model.
class Titles {
 public:
  explicit Titles(std::vector<const TextMap*> texts) : texts_(std::move(texts)) {}

  [[nodiscard]] std::string_view Of(const Model& model) const;
  [[nodiscard]] std::string_view Of(const Service& service) const;
  [[nodiscard]] std::string_view Of(const Property& property) const;
  [[nodiscard]] std::string_view Of(const Action& action) const;
  [[nodiscard]] std::string_view Of(const Event& event) const;
  // Of a place in the property's list. Without a text or a description: "".
  [[nodiscard]] std::string_view OfListed(const Property& property, size_t place) const;

 private:
  [[nodiscard]] std::string_view Find(std::string_view key) const;

  std::vector<const TextMap*> texts_;
};

}  // namespace homeport::model
