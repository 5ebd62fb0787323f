#include "tests/unit/registry/shadow_cases.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::registry {
namespace {

using Kind = ShadowStep::Kind;

constexpr std::pair<std::string_view, Kind> kWords[] = {
    {">", Kind::kPublish},   {">>", Kind::kPrepare},      {"<", Kind::kHear},
    {"<~", Kind::kHearPart}, {"+", Kind::kSubscribe},     {"clock", Kind::kClock},
    {"api", Kind::kApi},     {"product", Kind::kProduct}, {"=", Kind::kApiAnswer},
    {"loop", Kind::kLoop},   {"end", Kind::kEnd},
};

// Takes the text up to `end` off the front; all of it where there is none.
std::string_view Take(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return taken;
}

int Number(std::string_view text, int base) {
  int number = 0;
  const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  HP_CHECK(error == std::errc() && last == text.data() + text.size());
  return number;
}

// Replaces the one macro that `text` begins with; nothing where it begins with none.
bool ExpandOne(std::string_view& text, std::string_view device, std::string& out) {
  constexpr std::string_view kDevice = "@device";
  constexpr std::string_view kRepeat = "@rep(";
  constexpr std::string_view kByte = "@byte(";
  if (text.substr(0, kDevice.size()) == kDevice) {
    text.remove_prefix(kDevice.size());
    out.append(device);
  } else if (text.substr(0, kRepeat.size()) == kRepeat) {
    text.remove_prefix(kRepeat.size());
    const int times = Number(Take(text, ','), 10);
    const std::string_view what = Take(text, ')');
    for (int i = 0; i < times; ++i) out.append(what);
  } else if (text.substr(0, kByte.size()) == kByte) {
    text.remove_prefix(kByte.size());
    out.push_back(static_cast<char>(Number(Take(text, ')'), 16)));
  } else {
    return false;
  }
  return true;
}

std::string Expand(std::string_view text, std::string_view device) {
  std::string out;
  while (!text.empty()) {
    if (ExpandOne(text, device, out)) continue;
    out.push_back(text.front());
    text.remove_prefix(1);
  }
  return out;
}

ShadowStep ReadStep(std::string_view line) {
  const std::string_view word = Take(line, ' ');
  for (const auto& [text, kind] : kWords) {
    if (text == word) return {kind, std::string(Take(line, ' ')), std::string(line), 0};
  }
  HP_CHECK(false && "an unknown word begins the line");
  return {};
}

void ReadFile(const std::filesystem::path& path, std::string_view device,
              std::vector<ShadowCase>& cases) {
  constexpr std::string_view kCase = "case ";
  std::ifstream file(path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    if (std::string_view(line).substr(0, kCase.size()) == kCase) {
      cases.push_back({path.filename().string(), line.substr(kCase.size()), {}});
      continue;
    }
    HP_CHECK(!cases.empty());
    ShadowStep step = ReadStep(Expand(line, device));
    step.line = number;
    cases.back().steps.push_back(std::move(step));
  }
}

}  // namespace

std::vector<ShadowCase> LoadShadowCases(std::string_view device) {
  std::vector<ShadowCase> cases;
  for (const auto& entry :
       std::filesystem::directory_iterator(HOMEPORT_SOURCE_DIR "/tests/conformance/shadow")) {
    if (entry.path().extension() == ".txt") ReadFile(entry.path(), device, cases);
  }
  return cases;
}

}  // namespace homeport::registry
