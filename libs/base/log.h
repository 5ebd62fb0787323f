#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace homeport::log {

// One line per event, in logfmt, on standard error:
//   ts=2026-01-02T03:04:05.678Z level=warn event=publish_refused device=lamp-1 reason=topic
// `event` is a fixed snake_case word. Values are quoted and escaped when needed and cut at 512
// bytes. Never pass secrets, passwords or payloads. Thread-safe. Not for the data path.
struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  Field(std::string_view k, int64_t v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, uint64_t v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, int v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, unsigned v) : key(k), value(std::to_string(v)) {}
  Field(std::string_view k, const absl::Status& v) : key(k), value(v.ToString()) {}
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

void Info(std::string_view event, Fields fields = {});
void Warn(std::string_view event, Fields fields = {});
void Error(std::string_view event, Fields fields = {});

// A line for something a peer can cause as often as it likes (a refusal, a drop): at most
// 10 lines a second per event name; the next line let through carries suppressed=<count>.
void Refusal(std::string_view event, Fields fields = {});

}  // namespace homeport::log
