// Table::Load: from flags and environment to the fields.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "libs/base/strings.h"
#include "libs/config/table.h"

namespace homeport::config {
namespace {

constexpr std::string_view kNegation = "no-";
constexpr size_t kSuggestionDistanceMax = 3;

std::string EnvironmentName(std::string_view name) {
  std::string result = "HOMEPORT_";
  for (const char c : name) {
    const bool lower = c >= 'a' && c <= 'z';
    result.push_back(c == '-' ? '_' : lower ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return result;
}

// Levenshtein distance.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text;
}

void Note(std::vector<std::string>& errors, std::string_view what, const absl::Status& status) {
  if (!status.ok()) errors.push_back(fmt::format("{}: {}", what, Message(status)));
}

}  // namespace

Environment ProcessEnvironment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

absl::StatusOr<Request> Table::Load(int argc, const char* const* argv,
                                    const Environment& environment) {
  std::vector<std::string> errors;
  ReadEnvironment(environment, errors);
  const Request request = ReadFlags(argc, argv, errors);
  if (request == Request::kHelp) return request;
  for (const Setting& setting : settings_) {
    if (setting.verify) Note(errors, fmt::format("--{}", setting.name), setting.verify());
  }
  if (errors.empty()) {
    for (const auto& rule : rules_) {
      if (const absl::Status status = rule(); !status.ok()) errors.push_back(Message(status));
    }
  }
  if (!errors.empty()) return absl::InvalidArgumentError(Joined(errors));
  return request;
}

void Table::ReadEnvironment(const Environment& environment, std::vector<std::string>& errors) {
  for (const Setting& setting : settings_) {
    const std::string name = EnvironmentName(setting.name);
    const std::optional<std::string> value = environment(name);
    if (value.has_value()) Note(errors, name, setting.parse(*value));
  }
}

Request Table::ReadFlags(int argc, const char* const* argv, std::vector<std::string>& errors) {
  Request request = Request::kRun;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") return Request::kHelp;
    if (argument == "--print-config") {
      request = Request::kPrintConfig;
      continue;
    }
    if (argument.substr(0, 2) != "--" || argument.size() == 2) {
      errors.push_back(fmt::format("unexpected argument \"{}\"", argument));
      continue;
    }
    argument.remove_prefix(2);
    const size_t equals = argument.find('=');
    const std::string_view flag = argument.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (const Setting* setting = Find(flag);
               setting != nullptr && !setting->is_flag && i + 1 < argc) {
      value = argv[++i];
    }
    ReadFlag(flag, value, errors);
  }
  return request;
}

void Table::ReadFlag(std::string_view flag, std::optional<std::string_view> value,
                     std::vector<std::string>& errors) {
  const std::string shown = fmt::format("--{}", flag);
  if (const Setting* setting = Find(flag); setting != nullptr) {
    if (!value.has_value() && !setting->is_flag) {
      errors.push_back(fmt::format("{}: needs a value", shown));
      return;
    }
    Note(errors, shown, setting->parse(value.value_or("true")));
    return;
  }
  if (flag.substr(0, kNegation.size()) == kNegation && !value.has_value()) {
    const Setting* setting = Find(flag.substr(kNegation.size()));
    if (setting != nullptr && setting->is_flag) {
      Note(errors, shown, setting->parse("false"));
      return;
    }
  }
  errors.push_back(Unknown(flag));
}

std::string Table::Unknown(std::string_view flag) const {
  const Setting* nearest = nullptr;
  size_t distance = kSuggestionDistanceMax + 1;
  for (const Setting& setting : settings_) {
    const size_t candidate = Distance(flag, setting.name);
    if (candidate < distance) {
      distance = candidate;
      nearest = &setting;
    }
  }
  if (nearest == nullptr) return fmt::format("--{}: no such setting (see --help)", flag);
  return fmt::format("--{}: no such setting; did you mean --{}?", flag, nearest->name);
}

std::optional<int> LoadForMain(Table& table, int argc, const char* const* argv) {
  constexpr int kUsageError = 2;
  const absl::StatusOr<Request> request = table.Load(argc, argv, ProcessEnvironment());
  if (!request.ok()) {
    fmt::print(stderr, "{}\n", Message(request.status()));
    return kUsageError;
  }
  if (*request == Request::kRun) return std::nullopt;
  fmt::print("{}", *request == Request::kHelp ? table.Help() : table.Print());
  return 0;
}

}  // namespace homeport::config
