#include <fmt/format.h>

#include <functional>
#include <string>
#include <utility>

#include "libs/base/strings.h"
#include "libs/model/parse.h"
#include "tests/unit/model/catalogue.h"

namespace homeport::model {
namespace {

using json::Array;
using json::Object;
using json::Value;

// A way to spoil one object, and the field that is named then. False: not for this object.
struct Spoil {
  const char* field;
  std::function<bool(Object&)> apply;
};

Spoil Without(const char* field) {
  return {field, [field](Object& object) { return object.Erase(field); }};
}

Spoil With(const char* field, Value value) {
  return {field, [field, value](Object& object) {
            object.Set(field, value);
            return true;
          }};
}

bool IsNumber(const Object& property) {
  const std::string& format = *property.FindString("format");
  return format != "bool" && format != "string";
}

// Only where there is a range.
Spoil WithRange(Array range) {
  return {"value-range", [range](Object& property) {
            const Array* present = property.FindArray("value-range");
            if (present == nullptr || present->empty()) return false;
            property.Set("value-range", range);
            return true;
          }};
}

// Of any part that has a type and an iid.
std::vector<Spoil> PartSpoils() {
  std::vector<Spoil> spoils = {Without("type"), Without("iid")};
  for (const char* urn : {"", "urn", "urn:miot-spec-v2:thing:on:00000006", "urn:x:property",
                          "on:property:00000006"}) {
    spoils.push_back(With("type", urn));
  }
  for (Value iid : {Value("1"), Value(-1), Value(65536), Value(1.5), Value(nullptr), Value(true)}) {
    spoils.push_back(With("iid", std::move(iid)));
  }
  return spoils;
}

std::vector<Spoil> PropertySpoils() {
  std::vector<Spoil> spoils = PartSpoils();
  spoils.push_back(Without("format"));
  spoils.push_back(Without("access"));
  spoils.push_back(With("access", nullptr));
  for (Value format : {Value("uint64"), Value("Bool"), Value(1), Value("")}) {
    spoils.push_back(With("format", std::move(format)));
  }
  for (Value access : {Value(Array{Value("fly")}), Value(Array{Value(1)}), Value("read")}) {
    spoils.push_back(With("access", std::move(access)));
  }
  for (const Array& range : {Array{1}, Array{1, 2}, Array{1, 2, 3, 4}, Array{"0", "1", "1"},
                             Array{2, 1, 1}, Array{0, 2, 0}, Array{0, 2, -1}, Array{0, 5, 3}}) {
    spoils.push_back(WithRange(range));
  }
  spoils.push_back({"value-list", [](Object& property) {
                      Object entry;
                      entry.Append("value", IsNumber(property) ? Value("x") : Value(1));
                      property.Erase("value-range");
                      property.Set("value-list", Array{std::move(entry)});
                      return true;
                    }});
  return spoils;
}

std::vector<Spoil> ActionSpoils() {
  std::vector<Spoil> spoils = PartSpoils();
  for (const char* list : {"in", "out"}) {
    spoils.push_back(Without(list));
    spoils.push_back(With(list, "1"));
  }
  return spoils;
}

std::vector<Spoil> EventSpoils() {
  std::vector<Spoil> spoils = PartSpoils();
  spoils.push_back(Without("arguments"));
  spoils.push_back(With("arguments", nullptr));
  return spoils;
}

class Mutations {
 public:
  void Run(const CatalogueEntry& entry) {
    instance_ = entry.instance;
    product_ = &entry.product;
    SpoilAll(*instance_.IfObject(), "", {Without("type"), With("type", "urn:x:service:y")});
    Array* services = ArrayOf(*instance_.IfObject(), "services");
    SpoilAll(*instance_.IfObject(), "", {With("services", "none"), With("services", Object())});
    services = ArrayOf(*instance_.IfObject(), "services");
    Double(*services, "services");
    for (size_t i = 0; i < services->size(); ++i) {
      RunService(*(*services)[i].IfObject(), fmt::format("services[{}]", i));
    }
  }

  [[nodiscard]] bool Report() const {
    fmt::print("malformed: {} specs, {} not refused with their place\n", count_, wrong_);
    return count_ > 0 && wrong_ == 0;
  }

 private:
  static Array* ArrayOf(Object& owner, std::string_view key) {
    Value* value = owner.Find(key);
    return value == nullptr ? nullptr : value->IfArray();
  }

  void RunService(Object& service, const std::string& path) {
    SpoilAll(service, path, PartSpoils());
    for (const auto& [key, spoils] : {std::pair{"properties", PropertySpoils()},
                                      {"actions", ActionSpoils()},
                                      {"events", EventSpoils()}}) {
      Array* parts = ArrayOf(service, key);
      if (parts == nullptr || parts->empty()) continue;
      const std::string list = fmt::format("{}.{}", path, key);
      if (key != std::string_view("properties")) {
        Double(*parts, list);
        SpoilArguments(*parts, path, key);
      }
      // One of each list: many are alike.
      const size_t at = count_ % parts->size();
      SpoilAll(*(*parts)[at].IfObject(), fmt::format("{}[{}]", list, at), spoils);
    }
  }

  // An argument that is no property of the service.
  void SpoilArguments(Array& parts, const std::string& path, std::string_view key) {
    Object& part = *parts.front().IfObject();
    const char* list = key == "events" ? "arguments" : "in";
    const Object good = part;
    part.Set(list, Array{Value(60'000)});
    Expect(fmt::format("{}.{}", path, key));
    part = good;
  }

  // The first one stands there twice.
  void Double(Array& parts, const std::string& list) {
    parts.push_back(parts.front());
    Expect(fmt::format("{}[{}].iid", list, parts.size() - 1));
    parts.pop_back();
  }

  void SpoilAll(Object& object, const std::string& path, const std::vector<Spoil>& spoils) {
    for (const Spoil& spoil : spoils) {
      const Object good = object;
      if (spoil.apply(object)) {
        Expect(fmt::format("{}{}{}", path, path.empty() ? "" : ".", spoil.field));
      }
      object = good;
    }
  }

  // The spec as it is now is refused, with that place.
  void Expect(const std::string& place) {
    ++count_;
    const absl::Status status = ModelFromJson(instance_).status();
    if (absl::IsInvalidArgument(status) && Message(status).starts_with(place + ":")) return;
    if (++wrong_ <= 20) fmt::print("  {} {}: {}\n", *product_, place, Message(status));
  }

  Value instance_;
  const std::string* product_ = nullptr;
  size_t count_ = 0;
  size_t wrong_ = 0;
};

}  // namespace

bool CheckMalformed(const Catalogue& catalogue) {
  constexpr size_t kEvery = 40;
  Mutations mutations;
  for (size_t i = 0; i < catalogue.size(); i += kEvery) mutations.Run(catalogue[i]);
  return mutations.Report();
}

}  // namespace homeport::model
