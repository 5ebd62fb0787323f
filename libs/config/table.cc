#include "libs/config/table.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::config {
namespace {

template <typename T>
bool ParseWhole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string IntBounds(int64_t min, int64_t max) {
  if (max == std::numeric_limits<int64_t>::max()) return fmt::format(">= {}", min);
  return fmt::format("{}..{}", min, max);
}

std::string NumberBounds(double min, double max) {
  if (max == std::numeric_limits<double>::max()) return fmt::format(">= {}", min);
  return fmt::format("{}..{}", min, max);
}

// "must be 1000..60000 ms, is 5"
absl::Status OutOfBounds(std::string_view bounds, std::string_view unit, std::string_view value) {
  return absl::InvalidArgumentError(
      fmt::format("must be {}{}{}, is {}", bounds, unit.empty() ? "" : " ", unit, value));
}

absl::Status NotA(std::string_view kind, std::string_view value) {
  return absl::InvalidArgumentError(fmt::format("must be {}, is \"{}\"", kind, value));
}

bool ParseBool(std::string_view text, bool& value) {
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return value = true;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) return !(value = false);
  }
  return false;
}

}  // namespace

Table::Table(std::string_view program, std::string_view purpose)
    : program_(program), purpose_(purpose) {}

void Table::Add(Setting setting) {
  HP_CHECK(Find(setting.name) == nullptr);
  settings_.push_back(std::move(setting));
}

const Table::Setting* Table::Find(std::string_view name) const {
  const auto found = std::find_if(settings_.begin(), settings_.end(),
                                  [name](const Setting& s) { return s.name == name; });
  return found == settings_.end() ? nullptr : &*found;
}

void Table::AddInt(std::string_view name, int64_t initial, const IntOptions& options,
                   std::function<void(int64_t)> set, std::function<int64_t()> get,
                   int64_t type_max) {
  const int64_t max = std::min(options.max, type_max);
  HP_CHECK(options.min <= initial && initial <= max);
  Setting setting;
  setting.name = name;
  setting.unit = options.unit;
  setting.bounds = IntBounds(options.min, max);
  setting.doc = options.doc;
  setting.initial = fmt::format("{}", initial);
  setting.parse = [set = std::move(set), min = options.min, max, bounds = setting.bounds,
                   unit = setting.unit](std::string_view text) -> absl::Status {
    int64_t value = 0;
    if (!ParseWhole(text, value)) return NotA("a whole number", text);
    if (value < min || value > max) return OutOfBounds(bounds, unit, text);
    set(value);
    return absl::OkStatus();
  };
  setting.print = [get = std::move(get)] { return fmt::format("{}", get()); };
  Add(std::move(setting));
}

void Table::Number(std::string_view name, double* field, const NumberOptions& options) {
  HP_CHECK(options.min <= *field && *field <= options.max);
  Setting setting;
  setting.name = name;
  setting.unit = options.unit;
  setting.bounds = NumberBounds(options.min, options.max);
  setting.doc = options.doc;
  setting.initial = fmt::format("{}", *field);
  setting.parse = [field, min = options.min, max = options.max, bounds = setting.bounds,
                   unit = setting.unit](std::string_view text) -> absl::Status {
    double value = 0;
    if (!ParseWhole(text, value) || !std::isfinite(value)) return NotA("a number", text);
    if (value < min || value > max) return OutOfBounds(bounds, unit, text);
    *field = value;
    return absl::OkStatus();
  };
  setting.print = [field] { return fmt::format("{}", *field); };
  Add(std::move(setting));
}

void Table::Text(std::string_view name, std::string* field, const TextOptions& options) {
  Setting setting;
  setting.name = name;
  setting.unit = options.unit;
  setting.doc = options.doc;
  setting.secret = options.secret;
  setting.bounds = options.required ? "required" : "";
  setting.initial = options.secret && !field->empty() ? "***" : *field;
  setting.parse = [field, bytes_max = options.bytes_max](std::string_view text) -> absl::Status {
    if (text.size() > bytes_max) {
      return absl::InvalidArgumentError(
          fmt::format("must be at most {} bytes, is {}", bytes_max, text.size()));
    }
    *field = text;
    return absl::OkStatus();
  };
  if (options.required) {
    setting.verify = [field]() -> absl::Status {
      return field->empty() ? absl::InvalidArgumentError("is required") : absl::OkStatus();
    };
  }
  setting.print = [field] { return *field; };
  Add(std::move(setting));
}

void Table::Flag(std::string_view name, bool* field, const FlagOptions& options) {
  Setting setting;
  setting.name = name;
  setting.doc = options.doc;
  setting.initial = *field ? "true" : "false";
  setting.is_flag = true;
  setting.parse = [field](std::string_view text) -> absl::Status {
    return ParseBool(text, *field) ? absl::OkStatus() : NotA("true or false", text);
  };
  setting.print = [field] { return std::string(*field ? "true" : "false"); };
  Add(std::move(setting));
}

void Table::Check(std::function<absl::Status()> rule) { rules_.push_back(std::move(rule)); }

std::string Table::Help() const {
  std::string text = fmt::format("{}: {}\n\n", program_, purpose_);
  text +=
      "Settings: --name=value, --name value, or the environment HOMEPORT_NAME "
      "(the flag wins).\n\n";
  for (const Setting& setting : settings_) {
    text += fmt::format("  --{}", setting.name);
    if (!setting.unit.empty()) text += fmt::format(" <{}>", setting.unit);
    text += fmt::format("\n      {}\n      ", setting.doc);
    if (!setting.bounds.empty()) text += fmt::format("{}; ", setting.bounds);
    text += fmt::format("default: {}\n", setting.initial.empty() ? "empty" : setting.initial);
  }
  text += "  --help\n      Prints this and exits.\n";
  text += "  --print-config\n      Prints the settings in effect, secrets masked, and exits.\n";
  return text;
}

std::string Table::Print() const {
  std::string text;
  for (const Setting& setting : settings_) {
    const std::string value = setting.print();
    text += fmt::format("{}={}\n", setting.name, setting.secret && !value.empty() ? "***" : value);
  }
  return text;
}

}  // namespace homeport::config
