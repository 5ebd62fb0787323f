#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/model/model.h"

namespace homeport::model {

// The compatibility gate: what the step from one version of a product's model to another means for
// those who know the old one: phones, automations, stored values. Pure: any thread.
//
// Parts are the same where their iids are: numbers are the identity, names are not (below).
//   kSame      ids and types are the same
//   kAdditive  services, properties, actions or events were added
//   kWidening  an old property allows more values or more access; an action returns more results,
//              or an event carries more arguments, behind the old ones
//   kBreaking  a part is gone or has another type or format, a value or an access is no longer
//              allowed, or argument lists differ in any other way
enum class Upgrade : uint8_t { kSame, kAdditive, kWidening, kBreaking };
[[nodiscard]] std::string_view ToText(Upgrade upgrade);  // "same", "additive", …

enum class Aspect : uint8_t {
  // Known, but harmless (kSame):
  kUnit,  // a unit is a label: real specs add, drop and respell it. But migrate.h heeds it
  kName,  // the path changed, because a sibling of the same name came or went (model.h, `key`)
  // Decisive:
  kPart,      // the part as a whole: came or went
  kType,      // URN up to its value: namespace, kind, name, number. Vendor, version and template,
              // which come behind, differ between versions of one model
  kFormat,    // even where the values fit: encodings differ
  kValues,    // range, step, list, compared as sets (value_set.h)
  kAccess,    // read, write, notify
  kArguments  // `in` and `out` of an action, `arguments` of an event
};
[[nodiscard]] std::string_view ToText(Aspect aspect);

struct Difference {
  Upgrade upgrade = Upgrade::kSame;  // what this one alone makes of the step
  Aspect aspect = Aspect::kPart;
  std::string path;  // "property light.brightness (2.3)", "service light (2)", "device"
  std::string was;   // "" for a part that was added
  std::string is;    // "" for a part that is gone
  // "property light.mode (2.2): values were 0, 1, 2, are 0, 1"
  [[nodiscard]] std::string ToString() const;
};

struct Comparison {
  Upgrade upgrade = Upgrade::kSame;     // the gravest of the differences
  std::vector<Difference> differences;  // of old parts in the order of `was`, then the added ones
};

// Descriptions are no difference. Paths are those of `was`, for added parts those of `now`.
// Linear in the sizes but for lookups, which are logarithmic.
[[nodiscard]] Comparison Compare(const Model& was, const Model& now);

// Whether two URNs name one type: equal up to and including the fifth part.
[[nodiscard]] bool IsSameType(std::string_view a, std::string_view b);

}  // namespace homeport::model
