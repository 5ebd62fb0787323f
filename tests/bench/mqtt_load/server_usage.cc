#include "tests/bench/mqtt_load/server_usage.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

namespace homeport::bench {
namespace {

double CpuSecondsOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return 0;
  // The program's name, field 2, is in parentheses and may hold anything; utime and stime are
  // fields 14 and 15, in clock ticks.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  uint64_t user = 0;
  uint64_t system = 0;
  fields >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

uint64_t ResidentBytesOf(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  std::string word;
  while (file >> word) {
    uint64_t kib = 0;
    if (word == "Rss:" && file >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::vector<pid_t>> ParsePids(std::string_view list) {
  std::vector<pid_t> pids;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), pid);
    if (error != std::errc() || end != item.data() + item.size() || pid <= 0) {
      return absl::InvalidArgumentError(fmt::format("\"{}\" is no process id", item));
    }
    pids.push_back(pid);
    list.remove_prefix(std::min(list.size(), item.size() + 1));
  }
  return pids;
}

double CpuSeconds(const std::vector<pid_t>& pids) {
  double seconds = 0;
  for (const pid_t pid : pids) seconds += CpuSecondsOf(pid);
  return seconds;
}

uint64_t ResidentBytes(const std::vector<pid_t>& pids) {
  uint64_t bytes = 0;
  for (const pid_t pid : pids) bytes += ResidentBytesOf(pid);
  return bytes;
}

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace homeport::bench
