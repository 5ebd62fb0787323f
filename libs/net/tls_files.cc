#include "libs/net/tls_files.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::net {
namespace {

absl::StatusOr<std::string> TextOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot read {}", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Changes when the file does, or the link it is behind.
std::string StampOf(const std::string& path) {
  struct stat info {};
  if (path.empty() || stat(path.c_str(), &info) != 0) return "-";
  return fmt::format("{}.{}.{}.{}.{}", info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size,
                     info.st_dev, info.st_ino);
}

}  // namespace

std::string TlsFiles::Stamp() const {
  return fmt::format("{} {} {}", StampOf(paths_.certificate_chain), StampOf(paths_.key),
                     StampOf(paths_.ticket_keys));
}

absl::StatusOr<TlsMaterial> TlsFiles::Read() {
  read_stamp_ = seen_stamp_ = Stamp();
  TlsMaterial material;
  HP_ASSIGN_OR_RETURN(material.certificate_chain, TextOf(paths_.certificate_chain));
  HP_ASSIGN_OR_RETURN(material.key, TextOf(paths_.key));
  material.ticket_keys = ticket_keys_;
  if (!paths_.ticket_keys.empty()) {
    HP_ASSIGN_OR_RETURN(material.ticket_keys, TextOf(paths_.ticket_keys));
  }
  return material;
}

absl::StatusOr<std::optional<TlsMaterial>> TlsFiles::ReadChanged() {
  const std::string stamp = Stamp();
  const bool settled = stamp == seen_stamp_;
  seen_stamp_ = stamp;
  if (stamp == read_stamp_ || !settled) return std::nullopt;
  return Read();
}

}  // namespace homeport::net
