#include "libs/runtime/process.h"

#include <openssl/rand.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "libs/base/check.h"
#include "libs/base/strings.h"

namespace homeport::runtime {
namespace {

constexpr size_t kPodNameBytesMax = 63;

bool IsPodNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

}  // namespace

absl::StatusOr<PodId> MakePodId(std::string_view name) {
  if (name.empty() || name.size() > kPodNameBytesMax ||
      !std::all_of(name.begin(), name.end(), IsPodNameChar)) {
    return absl::InvalidArgumentError(
        fmt::format("pod name \"{}\" must be 1-{} of [a-z0-9.-]", name, kPodNameBytesMax));
  }
  uint32_t random = 0;
  HP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(&random), sizeof(random)) == 1);
  return PodId(fmt::format("{}-{:08x}", name, random));
}

absl::StatusOr<uint64_t> RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(fmt::format("getrlimit: {}", std::strerror(errno)));
  }
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(fmt::format("setrlimit: {}", std::strerror(errno)));
  }
  return limit.rlim_cur;
}

}  // namespace homeport::runtime
