#include "libs/rpc/read_file.h"

#include <fstream>
#include <iterator>

#include "libs/base/strings.h"

namespace homeport::rpc {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot read {}", path));
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.empty()) return absl::InvalidArgumentError(fmt::format("{} is empty", path));
  return text;
}

}  // namespace homeport::rpc
