#include <fmt/format.h>

#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "libs/json/parse.h"
#include "libs/json/print.h"
#include "libs/model/arguments.h"
#include "libs/model/missing.h"
#include "libs/model/validate.h"
#include "tests/unit/model/catalogue.h"

// What a value may be is read from the JSON of the spec here, a second time and in other words than
// in the library, and every value makes its way through JSON text.
namespace homeport::model {
namespace {

using json::Array;
using json::Object;
using json::Value;

enum class Fit : uint8_t { kGood, kBad };

struct Sample {
  Value value;
  Fit fit;
  std::optional<double> stored = {};  // what it is stored as, where that is not the value itself
};
using Samples = std::vector<Sample>;

struct Bounds {
  int64_t min, max;
};

const std::map<std::string, Bounds, std::less<>>& IntegerFormats() {
  static const std::map<std::string, Bounds, std::less<>> formats = {
      {"uint8", {0, 255}},
      {"uint16", {0, 65535}},
      {"uint32", {0, 4294967295}},
      {"int8", {-128, 127}},
      {"int16", {-32768, 32767}},
      {"int32", {-2147483648, 2147483647}},
      {"int64", {INT64_MIN, INT64_MAX}}};
  return formats;
}

const std::string& TextAt(const Value& owner, std::string_view key) {
  return *owner.Find(key)->IfString();
}

const Array* ListAt(const Value& owner, std::string_view key) {
  const Value* value = owner.Find(key);
  const Array* list = value == nullptr ? nullptr : value->IfArray();
  return list == nullptr || list->empty() ? nullptr : list;
}

// One more or less than an int64: as an integer, or as the double it then is.
Value Beside(int64_t value, int direction) {
  if (direction > 0 && value == INT64_MAX) return uint64_t{1} << 63;
  if (direction < 0 && value == INT64_MIN) return -0x1.0p64;
  return value + direction;
}

void AddIntegers(Bounds bounds, int64_t step, Samples& samples) {
  const auto add = [&samples](Value value, Fit fit) { samples.push_back({std::move(value), fit}); };
  add(bounds.min, Fit::kGood);
  add(bounds.max, Fit::kGood);
  add(Beside(bounds.min, -1), Fit::kBad);
  add(Beside(bounds.max, 1), Fit::kBad);
  const uint64_t span = static_cast<uint64_t>(bounds.max) - static_cast<uint64_t>(bounds.min);
  const uint64_t steps = span / static_cast<uint64_t>(step);
  // The k-th value of the range, without rounding.
  const auto nth = [&](uint64_t k) {
    return static_cast<int64_t>(static_cast<uint64_t>(bounds.min) +
                                k * static_cast<uint64_t>(step));
  };
  for (const uint64_t k : {steps > 0 ? uint64_t{1} : 0, steps / 2, steps > 0 ? steps - 1 : 0}) {
    const int64_t good = nth(k);
    add(good, Fit::kGood);
    if (step > 1 && good < bounds.max) add(good + 1, Fit::kBad);
    constexpr int64_t kExact = int64_t{1} << 50;
    if (good > -kExact && good < kExact) {
      add(static_cast<double>(good), Fit::kGood);
      add(static_cast<double>(good) + 0.5, Fit::kBad);
    }
  }
}

// A decimal as the spec has it, "-0.05": a whole number of its last place. 3.4e38 is none.
struct Decimal {
  int64_t units = 0;
  int places = 0;
};

std::optional<Decimal> ToDecimal(const Value& value) {
  const std::string text = fmt::format("{}", *value.ToDouble());
  constexpr size_t kDigitsMax = 17;
  if (text.find('e') == text.npos && text.size() <= kDigitsMax) {
    const size_t dot = text.find('.');
    std::string digits = text;
    if (dot != text.npos) digits.erase(dot, 1);
    return Decimal{std::stoll(digits), dot == text.npos ? 0 : int(text.size() - dot - 1)};
  }
  const size_t small = text.find("e-0");  // 1e-06
  if (small == text.npos || text.find('.') != text.npos) return std::nullopt;
  return Decimal{std::stoll(text.substr(0, small)), std::stoi(text.substr(small + 2))};
}

int64_t InPlaces(const Decimal& decimal, int places) {
  int64_t units = decimal.units;
  for (int i = decimal.places; i < places; ++i) units *= 10;
  return units;
}

double FromUnits(int64_t units, int places) {
  std::string digits = std::to_string(units < 0 ? -units : units);
  if (digits.size() <= static_cast<size_t>(places)) {
    digits.insert(0, static_cast<size_t>(places) + 1 - digits.size(), '0');
  }
  digits.insert(digits.size() - static_cast<size_t>(places), ".");
  return std::stod((units < 0 ? "-" : "") + digits);
}

// As a device prints it that computes in single precision, with as few digits as say it.
double AsSingleText(double value) {
  return std::stod(fmt::format("{}", static_cast<float>(value)));
}

// All in whole numbers of the last place that min, max or step has: places are exact, and so is
// what is a fraction of a step beside.
void AddFloats(const Array& range, Samples& samples) {
  const std::optional<Decimal> decimals[] = {ToDecimal(range[0]), ToDecimal(range[1]),
                                             ToDecimal(range[2])};
  if (!decimals[0] || !decimals[1] || !decimals[2]) {
    const double min = *range[0].ToDouble(), max = *range[1].ToDouble();
    for (const double end : {min, max}) samples.push_back({end, Fit::kGood, end});
    samples.push_back({max * 2, Fit::kBad});
    return;
  }
  int places = 0;
  for (const auto& decimal : decimals) places = std::max(places, decimal->places);
  constexpr int kFiner = 2;  // so that a hundredth of a step is a whole number
  const int fine = places + kFiner;
  const int64_t min = InPlaces(*decimals[0], fine), max = InPlaces(*decimals[1], fine),
                step = InPlaces(*decimals[2], fine);
  const int64_t steps = (max - min) / step;
  std::set<int64_t> chosen = {0, 1, 2, steps / 3, steps / 2, steps - 2, steps - 1, steps};
  for (int64_t i = 1; i < 40; ++i) chosen.insert(steps / 40 * i + i * i % 7);
  for (const int64_t k : chosen) {
    if (k < 0 || k > steps) continue;
    const double value = FromUnits(min + k * step, fine);
    samples.push_back({value, Fit::kGood, value});
    const double beyond = FromUnits(max, fine) + FromUnits(step, fine) / 2;
    const double before = FromUnits(min, fine) - FromUnits(step, fine) / 2;
    for (const double single :
         {static_cast<double>(static_cast<float>(value)), AsSingleText(value)}) {
      // Where single precision is coarser than the step it may say the next value as well, or one
      // that is beyond the end.
      const bool is_same = std::fabs(single - value) < FromUnits(step, fine) / 2;
      if (single > before && single < beyond) {
        samples.push_back({single, Fit::kGood, is_same ? std::optional(value) : std::nullopt});
      }
    }
    for (const int64_t part : {2, 3, 4, 10, 20}) {
      for (const int64_t beside : {min + k * step + step / part, min + k * step - step / part}) {
        const double between = FromUnits(beside, fine);
        if (static_cast<double>(static_cast<float>(between)) == between &&
            FromUnits(step, fine) < std::fabs(between) * 0x1p-22) {
          continue;  // single precision cannot say better
        }
        samples.push_back({between, Fit::kBad});
      }
    }
  }
  const int64_t one = InPlaces({1, 0}, fine);
  for (const int64_t away : {step, step / 2, step / 10, one}) {
    for (const int64_t outside : {min - away, max + away}) {
      const double value = FromUnits(outside, fine);
      // Half of single precision's resolution, where that is coarser.
      const bool is_told = away >= step / 2 || step > InPlaces({1, 0}, fine) ||
                           static_cast<double>(static_cast<float>(value)) != value;
      if (is_told) samples.push_back({value, Fit::kBad});
    }
  }
}

void AddListed(const Array& list, Samples& samples) {
  int64_t smallest = INT64_MAX, largest = INT64_MIN;
  for (const Value& entry : list) {
    const int64_t value = *entry.Find("value")->ToInt64();
    samples.push_back({value, Fit::kGood});
    samples.push_back({static_cast<double>(value) + 0.5, Fit::kBad});
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
  }
  samples.push_back({smallest - 1, Fit::kBad});
  samples.push_back({largest + 1, Fit::kBad});
  for (int64_t gap = smallest + 1; gap < largest && gap < smallest + 300; ++gap) {
    bool listed = false;
    for (const Value& entry : list) listed |= *entry.Find("value")->ToInt64() == gap;
    if (!listed) samples.push_back({gap, Fit::kBad});
  }
}

void AddNumbers(const Value& property, const std::string& format, Samples& samples) {
  for (const char* text : {"", "1", "true"}) samples.push_back({text, Fit::kBad});
  samples.push_back({true, Fit::kBad});
  if (const Array* list = ListAt(property, "value-list")) return AddListed(*list, samples);
  const Array* range = ListAt(property, "value-range");
  if (format == "float") {
    if (range == nullptr) {
      for (const double value : {0.0, -1.5, 1e300}) samples.push_back({value, Fit::kGood});
      samples.push_back({7, Fit::kGood});
      return;
    }
    return AddFloats(*range, samples);
  }
  if (range == nullptr) return AddIntegers(IntegerFormats().find(format)->second, 1, samples);
  AddIntegers({*(*range)[0].ToInt64(), *(*range)[1].ToInt64()}, *(*range)[2].ToInt64(), samples);
}

Samples SamplesOf(const Value& property) {
  Samples samples = {{nullptr, Fit::kBad}, {Array(), Fit::kBad}, {Object(), Fit::kBad}};
  const std::string& format = TextAt(property, "format");
  if (format == "bool") {
    for (const bool value : {true, false}) samples.push_back({value, Fit::kGood});
    for (const int value : {0, 1}) samples.push_back({value, Fit::kBad});
    samples.push_back({"true", Fit::kBad});
  } else if (format == "string") {
    for (const char* value : {"", "text", "\u00e4\u5f00 \"\\"}) {
      samples.push_back({value, Fit::kGood});
    }
    samples.push_back({1, Fit::kBad});
    samples.push_back({true, Fit::kBad});
  } else {
    AddNumbers(property, format, samples);
  }
  return samples;
}

bool HasAccess(const Value& property, std::string_view word) {
  const Array* access = ListAt(property, "access");
  if (access == nullptr) return false;
  for (const Value& value : *access) {
    if (*value.IfString() == word) return true;
  }
  return false;
}

class Battery {
 public:
  void Run(const CatalogueEntry& entry) {
    entry_ = &entry;
    const Array* services = ListAt(entry.instance, "services");
    for (const Value& service : *services) RunService(service);
    Expect(ValidateSet(entry.model, 60'000, 1, true).code, Code::kNoService, "no service");
    RunMissing(60'000, "no-such", {Code::kNoService, Code::kNoService, Code::kNoService});
  }

  [[nodiscard]] bool Report() const {
    fmt::print("values: {} of {} properties, {} wrong; arguments: {} lists, {} wrong\n", values_,
               properties_, wrong_values_, lists_, wrong_lists_);
    return wrong_values_ == 0 && wrong_lists_ == 0 && values_ > 0 && lists_ > 0;
  }

 private:
  // By piid.
  using Properties = std::map<int64_t, const Value*>;

  void Expect(Code given, Code wanted, const std::string& what) {
    ++values_;
    if (given == wanted) return;
    if (++wrong_values_ <= 20) {
      fmt::print("  {}: {} gave {}\n", entry_->product, what, static_cast<int>(given));
    }
  }

  void RunService(const Value& service) {
    const auto siid = static_cast<uint32_t>(*service.Find("iid")->ToInt64());
    Properties properties;
    if (const Array* list = ListAt(service, "properties")) {
      for (const Value& property : *list) {
        const int64_t piid = *property.Find("iid")->ToInt64();
        if (properties.emplace(piid, &property).second) {
          RunProperty(siid, static_cast<uint32_t>(piid), property);
        }
      }
    }
    Expect(ValidateGet(entry_->model, siid, 60'000).code, Code::kNoProperty, "no property");
    RunMissing(siid, std::string(entry_->model.FindService(siid)->key),
               {Code::kNoProperty, Code::kNoAction, Code::kNoEvent});
    for (const auto& [kind, action_like] : {std::pair{"actions", true}, {"events", false}}) {
      const Array* list = ListAt(service, kind);
      if (list == nullptr) continue;
      for (const Value& part : *list) RunArguments(siid, part, properties, action_like);
    }
  }

  struct MissingCodes {
    Code property, action, event;
  };

  // Parts that are not there, of a service that is or is not.
  void RunMissing(int64_t siid, const std::string& service, const MissingCodes& codes) {
    for (const auto& [part, code] : {std::pair{Part::kProperty, codes.property},
                                     {Part::kAction, codes.action},
                                     {Part::kEvent, codes.event}}) {
      Expect(MissingCode(entry_->model, GivenId{siid, 60'000}, part), code, "missing by number");
      Expect(MissingCode(entry_->model, service + ".no-such", part), code, "missing by name");
      Expect(MissingCode(entry_->model, GivenId{siid, -1}, part), Code::kInvalidId, "negative");
      Expect(MissingCode(entry_->model, GivenId{siid, std::nullopt}, part), Code::kInvalidId,
             "no number");
    }
  }

  void RunProperty(uint32_t siid, uint32_t piid, const Value& property) {
    ++properties_;
    const Model& model = entry_->model;
    const std::string& format = TextAt(property, "format");
    const bool writable = HasAccess(property, "write");
    const bool readable = HasAccess(property, "read");
    const bool known = readable || HasAccess(property, "notify");
    Expect(ValidateGet(model, siid, piid).code, readable ? Code::kOk : Code::kNotReadable, "read");
    Expect(ValidateRecall(model, siid, piid).code, known ? Code::kOk : Code::kNotReadable,
           "recall");
    const Property* by_id = model.FindProperty(siid, piid);
    const Property* by_name = by_id == nullptr ? nullptr : model.FindProperty(by_id->path);
    Expect(by_id != nullptr && by_name == by_id ? Code::kOk : Code::kNoProperty, Code::kOk, "name");
    for (const Sample& sample : SamplesOf(property)) {
      const std::string text = json::Print(sample.value);
      const Value value = json::Parse(text).value();
      const Code report = sample.fit == Fit::kGood ? Code::kOk : Code::kWrongValue;
      const std::string what = fmt::format("{}.{} = {}", siid, piid, text);
      Expect(ValidateReport(model, siid, piid, value).code, report, "report " + what);
      Expect(ValidateSet(model, siid, piid, value).code, writable ? report : Code::kNotWritable,
             "set " + what);
      // What is stored says the same, or the decimal that is meant, and is accepted again.
      if (sample.fit == Fit::kBad || by_id == nullptr) continue;
      const Value stored = json::Parse(json::Print(Normalise(*by_id, value))).value();
      const bool is_single = format == "float" && ListAt(property, "value-range") != nullptr;
      if (!is_single || sample.stored) {
        const bool is_meant = stored == (sample.stored ? Value(*sample.stored) : value);
        Expect(is_meant ? Code::kOk : Code::kWrongValue, Code::kOk, "stored " + what);
      }
      Expect(ValidateReport(model, siid, piid, stored).code, Code::kOk, "again " + what);
    }
  }

  // Sorted into what one list is made of: a good value for each argument.
  static Array GoodValues(const Array& piids, const Properties& properties) {
    Array good;
    for (const Value& piid : piids) {
      for (const Sample& sample : SamplesOf(*properties.at(*piid.ToInt64()))) {
        if (sample.fit != Fit::kGood) continue;
        good.push_back(sample.value);
        break;
      }
    }
    return good;
  }

  struct Codes {
    Code count, value, unknown;
  };

  void RunArguments(uint32_t siid, const Value& part, const Properties& properties,
                    bool is_action) {
    const auto iid = static_cast<uint32_t>(*part.Find("iid")->ToInt64());
    const Model& model = entry_->model;
    if (is_action) {
      const Action& action = *model.FindAction(siid, iid);
      RunList(part, "in", properties,
              {Code::kWrongArgumentCount, Code::kWrongArgument, Code::kWrongArgument},
              [&](const Array& list) { return ValidateActionIn(model, action, list).code; });
      RunList(part, "out", properties,
              {Code::kWrongResultCount, Code::kWrongResult, Code::kWrongResult},
              [&](const Array& list) { return ValidateActionOut(model, action, list).code; });
      return;
    }
    const Event& event = *model.FindEvent(siid, iid);
    RunList(part, "arguments", properties,
            {Code::kWrongResultCount, Code::kWrongValue, Code::kNoProperty},
            [&](const Array& list) { return ValidateEvent(model, event, list).code; });
  }

  template <typename Validate>
  void RunList(const Value& part, std::string_view key, const Properties& properties, Codes codes,
               const Validate& validate) {
    static const Array kNone;
    const Array* given = ListAt(part, key);
    const Array& piids = given == nullptr ? kNone : *given;
    const Array good = GoodValues(piids, properties);
    const auto expect = [&](const Array& list, Code code) {
      ++lists_;
      if (validate(list) == code) return;
      if (++wrong_lists_ <= 20)
        fmt::print("  {}: {} {}\n", entry_->product, key, json::Print(list));
    };
    expect(good, Code::kOk);
    Array longer = good;
    longer.emplace_back(1);
    expect(longer, codes.count);
    if (good.empty()) return;
    expect(Array(good.begin(), good.end() - 1), codes.count);
    Array named;
    for (size_t i = good.size(); i-- > 0;) {
      Object argument;
      argument.Append("piid", piids[i]);
      argument.Append("value", good[i]);
      named.emplace_back(std::move(argument));
    }
    expect(named, Code::kOk);
    named.front().IfObject()->Set("piid", 60'000);
    expect(named, codes.unknown);
    for (size_t i = 0; i < good.size(); ++i) {
      Array bad = good;
      bad[i] = nullptr;
      expect(bad, codes.value);
    }
  }

  const CatalogueEntry* entry_ = nullptr;
  size_t properties_ = 0;
  size_t values_ = 0;
  size_t wrong_values_ = 0;
  size_t lists_ = 0;
  size_t wrong_lists_ = 0;
};

}  // namespace

bool CheckValues(const Catalogue& catalogue) {
  Battery battery;
  size_t models = 0;
  for (const CatalogueEntry& entry : catalogue) {
    if (!entry.latest) continue;
    ++models;
    battery.Run(entry);
  }
  fmt::print("values of {} models:\n", models);
  return battery.Report();
}

}  // namespace homeport::model
