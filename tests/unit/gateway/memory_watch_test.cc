#include "services/gateway/session/memory_watch.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

namespace homeport::gateway {
namespace {

class Files {
 public:
  Files() {
    char name[] = "/tmp/homeport-memory-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~Files() { std::filesystem::remove_all(folder_); }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

 private:
  std::string folder_;
};

std::string Pages(int64_t pages) { return "900000 " + std::to_string(pages) + " 5 1 0 7 0\n"; }

TEST_CASE("memory is short above the limit, and no longer when it is given back") {
  Files files;
  const int64_t page = sysconf(_SC_PAGESIZE);
  const std::string statm = files.Write("statm", Pages(100));
  MemoryWatch watch(static_cast<uint64_t>(100 * page), 90, "/none", statm);
  watch.Poll();
  CHECK_FALSE(watch.is_short());
  files.Write("statm", Pages(101));
  watch.Poll();
  CHECK(watch.is_short());
  files.Write("statm", Pages(90));
  watch.Poll();
  CHECK_FALSE(watch.is_short());
}

TEST_CASE("the limit is a part of the cgroup's, where there is one and no other is set") {
  Files files;
  const std::string statm = files.Write("statm", Pages(1'000'000));
  CHECK(MemoryWatch(0, 90, files.Write("max", "2147483648\n"), statm).bytes_max() == 1932735240);
  CHECK(MemoryWatch(5000, 90, files.Write("max", "2147483648\n"), statm).bytes_max() == 5000);
  MemoryWatch none(0, 90, files.Write("max", "max\n"), statm);
  none.Poll();
  CHECK(none.bytes_max() == 0);
  CHECK_FALSE(none.is_short());
  CHECK(MemoryWatch(0, 90, "/none", statm).bytes_max() == 0);
}

}  // namespace
}  // namespace homeport::gateway
