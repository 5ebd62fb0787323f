#include "libs/model/compatibility.h"

#include <algorithm>
#include <span>
#include <utility>

#include "libs/base/strings.h"
#include "libs/model/format.h"
#include "libs/model/value_set.h"

namespace homeport::model {
namespace {

// "urn:miot-spec-v2:property:on:00000006" of "urn:miot-spec-v2:property:on:00000006:acme-lamp1:2".
std::string_view TypeOf(std::string_view urn) {
  constexpr int kParts = 5;
  size_t end = 0;
  for (int part = 0; part < kParts; ++part) {
    end = urn.find(':', part == 0 ? 0 : end + 1);
    if (end == std::string_view::npos) return urn;
  }
  return urn.substr(0, end);
}

std::string_view UnitOf(const Property& property) {
  return property.unit == "none" ? std::string_view() : property.unit;
}

std::string AccessText(uint8_t access) {
  std::string text;
  const auto add = [&](Access bit, std::string_view word) {
    if ((access & bit) != 0) text += fmt::format("{}{}", text.empty() ? "" : " ", word);
  };
  add(kRead, "read");
  add(kWrite, "write");
  add(kNotify, "notify");
  return text.empty() ? "none" : text;
}

// With the values, which are not compared across formats.
std::string FormatText(const Property& property) {
  const std::string_view format = ToText(property.format);
  if (property.constraint.index() == 0) return std::string(format);
  return fmt::format("{} of {}", format, DescribeValues(property));
}

std::string PiidsText(std::span<const uint16_t> piids) {
  return fmt::format("[{}]", fmt::join(piids, ", "));
}

std::string PathOf(const Service& s) { return fmt::format("service {} ({})", s.key, s.siid); }
std::string PathOf(const Property& p) {
  return fmt::format("property {} ({}.{})", p.path, p.siid, p.piid);
}
std::string PathOf(const Action& a) {
  return fmt::format("action {} ({}.{})", a.path, a.siid, a.aiid);
}
std::string PathOf(const Event& e) {
  return fmt::format("event {} ({}.{})", e.path, e.siid, e.eiid);
}

const Property* Find(const Model& m, const Property& p) { return m.FindProperty(p.siid, p.piid); }
const Action* Find(const Model& m, const Action& a) { return m.FindAction(a.siid, a.aiid); }
const Event* Find(const Model& m, const Event& e) { return m.FindEvent(e.siid, e.eiid); }

// Behind the old ones there may be more.
Upgrade CompareResults(std::span<const uint16_t> was, std::span<const uint16_t> now) {
  const bool begins_so =
      was.size() <= now.size() && std::equal(was.begin(), was.end(), now.begin());
  if (!begins_so) return Upgrade::kBreaking;
  return was.size() == now.size() ? Upgrade::kSame : Upgrade::kWidening;
}

class Comparer {
 public:
  Comparer(const Model& was, const Model& now) : was_(was), now_(now) {}

  Comparison Run() {
    CompareTypes("device", was_.urn(), now_.urn());
    for (const Service& service : was_.services()) CompareService(service);
    for (const Service& service : now_.services()) NoteAdded(service);
    return std::move(result_);
  }

 private:
  void Note(Upgrade upgrade, Aspect aspect, std::string path, std::string was, std::string is) {
    result_.upgrade = std::max(result_.upgrade, upgrade);
    result_.differences.push_back(
        {upgrade, aspect, std::move(path), std::move(was), std::move(is)});
  }

  void CompareTypes(std::string_view path, std::string_view was, std::string_view now) {
    if (IsSameType(was, now)) return;
    Note(Upgrade::kBreaking, Aspect::kType, std::string(path), std::string(TypeOf(was)),
         std::string(TypeOf(now)));
  }

  void CompareNames(const std::string& path, std::string_view was, std::string_view now) {
    if (was == now) return;
    Note(Upgrade::kSame, Aspect::kName, path, std::string(was), std::string(now));
  }

  void CompareArguments(const std::string& path, Upgrade upgrade, std::string_view kind,
                        std::span<const uint16_t> was, std::span<const uint16_t> now) {
    if (upgrade == Upgrade::kSame) return;
    Note(upgrade, Aspect::kArguments, path, fmt::format("{}{}", kind, PiidsText(was)),
         fmt::format("{}{}", kind, PiidsText(now)));
  }

  void CompareParts(const Property& was, const Property& now, const std::string& path) {
    if (UnitOf(was) != UnitOf(now)) {
      Note(Upgrade::kSame, Aspect::kUnit, path, std::string(was.unit), std::string(now.unit));
    }
    if (was.access != now.access) {
      const bool lost = (was.access & ~now.access) != 0;
      Note(lost ? Upgrade::kBreaking : Upgrade::kWidening, Aspect::kAccess, path,
           AccessText(was.access), AccessText(now.access));
    }
    if (was.format != now.format) {
      return Note(Upgrade::kBreaking, Aspect::kFormat, path, FormatText(was), FormatText(now));
    }
    const ValuesChange values = CompareValues(was, now);
    if (values == ValuesChange::kSame) return;
    Note(values == ValuesChange::kWider ? Upgrade::kWidening : Upgrade::kBreaking, Aspect::kValues,
         path, DescribeValues(was), DescribeValues(now));
  }

  // Callers give arguments by place and all of them: any other list refuses some old call.
  void CompareParts(const Action& was, const Action& now, const std::string& path) {
    const bool same_in = std::equal(was.in.begin(), was.in.end(), now.in.begin(), now.in.end());
    CompareArguments(path, same_in ? Upgrade::kSame : Upgrade::kBreaking, "in ", was.in, now.in);
    CompareArguments(path, CompareResults(was.out, now.out), "out ", was.out, now.out);
  }

  void CompareParts(const Event& was, const Event& now, const std::string& path) {
    CompareArguments(path, CompareResults(was.arguments, now.arguments), "", was.arguments,
                     now.arguments);
  }

  template <typename Part>
  void ComparePart(const Part& was) {
    const std::string path = PathOf(was);
    const Part* now = Find(now_, was);
    if (now == nullptr) {
      return Note(Upgrade::kBreaking, Aspect::kPart, path, std::string(TypeOf(was.type)), "");
    }
    CompareTypes(path, was.type, now->type);
    CompareNames(path, was.path, now->path);
    CompareParts(was, *now, path);
  }

  void CompareService(const Service& was) {
    const std::string path = PathOf(was);
    const Service* now = now_.FindService(was.siid);
    if (now == nullptr) {
      return Note(Upgrade::kBreaking, Aspect::kPart, path, std::string(TypeOf(was.type)), "");
    }
    CompareTypes(path, was.type, now->type);
    CompareNames(path, was.key, now->key);
    for (const Property& property : was.properties) ComparePart(property);
    for (const Action& action : was.actions) ComparePart(action);
    for (const Event& event : was.events) ComparePart(event);
  }

  template <typename Part>
  void NoteIfAdded(const Part& part) {
    if (Find(was_, part) == nullptr) NoteNew(part);
  }

  template <typename Part>
  void NoteNew(const Part& part) {
    Note(Upgrade::kAdditive, Aspect::kPart, PathOf(part), "", std::string(TypeOf(part.type)));
  }

  void NoteAdded(const Service& service) {
    if (was_.FindService(service.siid) == nullptr) return NoteNew(service);
    for (const Property& property : service.properties) NoteIfAdded(property);
    for (const Action& action : service.actions) NoteIfAdded(action);
    for (const Event& event : service.events) NoteIfAdded(event);
  }

  const Model& was_;
  const Model& now_;
  Comparison result_;
};

}  // namespace

std::string_view ToText(Upgrade upgrade) {
  switch (upgrade) {
    case Upgrade::kSame:
      return "same";
    case Upgrade::kAdditive:
      return "additive";
    case Upgrade::kWidening:
      return "widening";
    case Upgrade::kBreaking:
      return "breaking";
  }
  return "unknown upgrade";
}

std::string_view ToText(Aspect aspect) {
  switch (aspect) {
    case Aspect::kUnit:
      return "unit";
    case Aspect::kName:
      return "path";
    case Aspect::kPart:
      return "part";
    case Aspect::kType:
      return "type";
    case Aspect::kFormat:
      return "format";
    case Aspect::kValues:
      return "values";
    case Aspect::kAccess:
      return "access";
    case Aspect::kArguments:
      return "arguments";
  }
  return "unknown aspect";
}

std::string Difference::ToString() const {
  if (aspect == Aspect::kPart) {
    return fmt::format("{}: {}", path, is.empty() ? "is gone" : "was added");
  }
  const auto or_none = [](const std::string& text) { return text.empty() ? "none" : text; };
  return fmt::format("{}: {} was {}, is {}", path, ToText(aspect), or_none(was), or_none(is));
}

Comparison Compare(const Model& was, const Model& now) { return Comparer(was, now).Run(); }

bool IsSameType(std::string_view a, std::string_view b) { return TypeOf(a) == TypeOf(b); }

}  // namespace homeport::model
