#include "tests/unit/mqtt/wire_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "libs/base/check.h"
#include "tests/unit/mqtt/exact_block.h"

namespace homeport::mqtt {
namespace {

std::vector<std::string> SplitFields(const std::string& line) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == '|') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  for (std::string& field : fields) {
    field.erase(0, field.find_first_not_of(' '));
    field.erase(field.find_last_not_of(' ') + 1);
  }
  return fields;
}

unsigned HexDigit(char c) {
  const size_t value = std::string_view("0123456789ABCDEF").find(c);
  HP_CHECK(value != std::string_view::npos);
  return static_cast<unsigned>(value);
}

void AppendCases(const std::string& file, const std::string& line, std::vector<WireCase>* out) {
  const std::vector<std::string> fields = SplitFields(line);
  HP_CHECK(fields.size() == 5);
  std::string version = fields[2];
  Side side = Side::kServer;
  if (const size_t slash = version.find("/client"); slash != std::string::npos) {
    side = Side::kClient;
    version.resize(slash);
  }
  HP_CHECK(version == "both" || version == "5" || version == "3.1.1");
  for (Version each : {Version::k311, Version::k5}) {
    if (version == (each == Version::k311 ? "5" : "3.1.1")) continue;
    out->push_back({file, fields[0], fields[1], each, side, FromHex(fields[3]), fields[4]});
  }
}

}  // namespace

std::string FromHex(std::string_view hex) {
  std::string digits(hex);
  digits.erase(std::remove(digits.begin(), digits.end(), ' '), digits.end());
  HP_CHECK(digits.size() % 2 == 0);
  std::string bytes;
  for (size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(HexDigit(digits[i]) << 4 | HexDigit(digits[i + 1]));
  }
  return bytes;
}

std::vector<WireCase> LoadWireCases() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(HOMEPORT_WIRE_CASES)) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  paths.emplace_back(HOMEPORT_SENT_CASES);
  std::sort(paths.begin(), paths.end());
  std::vector<WireCase> cases;
  for (const std::filesystem::path& path : paths) {
    std::ifstream file(path);
    HP_CHECK(file.is_open());
    for (std::string line; std::getline(file, line);) {
      if (line.empty() || line[0] == '#') continue;
      AppendCases(path.filename().string(), line, &cases);
    }
  }
  return cases;
}

std::string Outcome(std::string_view bytes, const DecodeOptions& options) {
  const ExactBlock block(bytes);
  const FrameResult result = DecodeFrame(block.view(), options.limits.packet_bytes_max);
  if (result.kind == FrameResult::Kind::kNeedMore) return "more";
  DecodeError error = result.error;
  Packet packet;
  if (result.kind == FrameResult::Kind::kFrame) {
    error = Decode(result.frame, options, &packet);
    if (!error && result.frame.total_bytes != bytes.size()) return "bytes left over";
  }
  if (error) return fmt::format("error 0x{:02X}", static_cast<unsigned>(error.reason));
  return fmt::format("ok {}", Name(TypeOf(packet)));
}

}  // namespace homeport::mqtt
