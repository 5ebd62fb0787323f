#include "libs/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/strings.h"

namespace homeport::log {
namespace {

constexpr size_t kValueBytesMax = 512;
constexpr int kRefusalLinesPerSecond = 10;

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("homeport");
    made->set_pattern("ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l %v", spdlog::pattern_time_type::utc);
    return made;
  }();
  return *logger;
}

bool NeedsQuotes(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return true;
  }
  return value.empty();
}

void AppendValue(std::string& out, std::string_view value) {
  value = value.substr(0, kValueBytesMax);
  if (!NeedsQuotes(value)) {
    out.append(value);
    return;
  }
  out.push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

std::string Line(std::string_view event, Fields fields) {
  std::string line = fmt::format("event={}", event);
  for (const Field& field : fields) {
    line.append(" ").append(field.key).append("=");
    AppendValue(line, field.value);
  }
  return line;
}

// Counts lines per event within the current second.
class RefusalLimiter {
 public:
  // How many lines of `event` were suppressed since the last one let through, or -1 to suppress.
  int64_t Admit(std::string_view event) {
    const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(
                               std::chrono::steady_clock::now().time_since_epoch())
                               .count();
    absl::MutexLock lock(&mutex_);
    Window& window = windows_[std::string(event)];
    if (window.second != second) {
      window.second = second;
      window.lines = 0;
    }
    if (window.lines >= kRefusalLinesPerSecond) {
      ++window.suppressed;
      return -1;
    }
    ++window.lines;
    return std::exchange(window.suppressed, 0);
  }

 private:
  struct Window {
    int64_t second = 0;
    int lines = 0;
    int64_t suppressed = 0;
  };
  absl::Mutex mutex_;
  std::map<std::string, Window, std::less<>> windows_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void Info(std::string_view event, Fields fields) {
  Logger().log(spdlog::level::info, "{}", Line(event, fields));
}

void Warn(std::string_view event, Fields fields) {
  Logger().log(spdlog::level::warn, "{}", Line(event, fields));
}

void Error(std::string_view event, Fields fields) {
  Logger().log(spdlog::level::err, "{}", Line(event, fields));
}

void Refusal(std::string_view event, Fields fields) {
  static RefusalLimiter limiter;
  const int64_t suppressed = limiter.Admit(event);
  if (suppressed < 0) return;
  std::string line = Line(event, fields);
  if (suppressed > 0) line += fmt::format(" suppressed={}", suppressed);
  Logger().log(spdlog::level::warn, "{}", line);
}

}  // namespace homeport::log
