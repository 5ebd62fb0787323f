// The process_* metrics, under the names and meanings every Prometheus client library uses.
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/metrics/registry.h"

namespace homeport::metrics {
namespace {

constexpr double kMicro = 1e-6;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * kMicro;
}

// The n-th number of /proc/self/statm, in bytes: 0 is the virtual size, 1 what is resident.
double MemoryBytes(size_t n) {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  for (size_t i = 0; i <= n; ++i) file >> pages;
  return static_cast<double>(pages * sysconf(_SC_PAGESIZE));
}

double DirectoryEntries(const char* path) {
  DIR* const directory = opendir(path);
  if (directory == nullptr) return 0;
  double entries = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++entries;
  }
  closedir(directory);
  return entries;
}

// Linux 6.2 and later say it at once. Listing 20,000 descriptors takes 10 ms, and counts the one of
// the directory being read.
double OpenFds() {
  constexpr const char* kFolder = "/proc/self/fd";
  struct stat folder {};
  if (::stat(kFolder, &folder) == 0 && folder.st_size > 0) {
    return static_cast<double>(folder.st_size);
  }
  return std::max(DirectoryEntries(kFolder) - 1, 0.0);
}

double MaxFds() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

// Unix seconds: now less the process's age, which is the system's uptime less field 22 of
// /proc/self/stat (counted behind the command name, which may hold spaces).
double StartTime() {
  std::ifstream stat_file("/proc/self/stat");
  std::string text;
  std::getline(stat_file, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  constexpr int kFieldsBetween = 19;
  size_t at = name_end + 1;
  for (int i = 0; i < kFieldsBetween; ++i) at = text.find(' ', at + 1);
  const double started = std::stod(text.substr(at)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  constexpr double kMillisPerSecond = 1000;
  return static_cast<double>(SystemClock().Wall().value) / kMillisPerSecond - uptime + started;
}

}  // namespace

void AddProcessMetrics(Registry& registry) {
  registry.AddCounterFunction("process_cpu_seconds_total",
                              "Total user and system CPU time spent in seconds.", {}, CpuSeconds);
  registry.AddGaugeFunction("process_resident_memory_bytes", "Resident memory size in bytes.", {},
                            [] { return MemoryBytes(1); });
  registry.AddGaugeFunction("process_virtual_memory_bytes", "Virtual memory size in bytes.", {},
                            [] { return MemoryBytes(0); });
  registry.AddGaugeFunction("process_open_fds", "Number of open file descriptors.", {}, OpenFds);
  registry.AddGaugeFunction("process_max_fds", "Maximum number of open file descriptors.", {},
                            MaxFds);
  registry.AddGaugeFunction("process_threads", "Number of OS threads in the process.", {},
                            [] { return DirectoryEntries("/proc/self/task"); });
  const double start_time = StartTime();
  registry.AddGaugeFunction("process_start_time_seconds",
                            "Start time of the process since unix epoch in seconds.", {},
                            [start_time] { return start_time; });
}

}  // namespace homeport::metrics
