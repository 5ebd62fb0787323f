#include "libs/auth/jwks_file.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "libs/base/hash.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::auth {
namespace {

constexpr int64_t kCheckEveryMs = 1000;
constexpr size_t kVerifiedMax = 4096;

absl::StatusOr<int64_t> FileStamp(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return absl::NotFoundError(fmt::format("no file {}", path));
  const auto stamp = fmt::format("{}.{}.{}.{}", info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                                 info.st_size, info.st_ino);
  return static_cast<int64_t>(Hash64(stamp));
}

absl::StatusOr<std::string> FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot read {}", path));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

JwksSource FileSource(std::string path) {
  return {.stamp = [path] { return FileStamp(path); }, .read = [path] { return FileText(path); }};
}

absl::StatusOr<std::unique_ptr<JwksFile>> JwksFile::Open(JwksSource source, TokenRules rules) {
  std::unique_ptr<JwksFile> file(new JwksFile(std::move(source), std::move(rules)));
  absl::MutexLock lock(&file->mutex_);
  HP_RETURN_IF_ERROR(file->Load());
  return file;
}

absl::Status JwksFile::Load() {
  HP_ASSIGN_OR_RETURN(const int64_t stamp, source_.stamp());
  HP_ASSIGN_OR_RETURN(const std::string text, source_.read());
  HP_ASSIGN_OR_RETURN(std::unique_ptr<TokenVerifier> verifier,
                      TokenVerifier::FromJwks(text, rules_));
  stamp_ = stamp;
  verifier_ = std::move(verifier);
  verified_.clear();
  return absl::OkStatus();
}

void JwksFile::ReloadIfChanged(WallMs now) {
  if (std::abs(now.value - checked_.value) < kCheckEveryMs) return;
  checked_ = now;
  const absl::StatusOr<int64_t> stamp = source_.stamp();
  if (stamp.ok() && *stamp == stamp_) return;
  const absl::Status status = Load();
  if (status.ok()) {
    log::Info("jwks_reloaded");
  } else {
    reload_failures_.fetch_add(1, std::memory_order_relaxed);
    log::Refusal("jwks_reload_failed",
                 {{"error", status}, {"next", "the former keys stay in use"}});
  }
}

absl::StatusOr<Claims> JwksFile::Verify(std::string_view jwt, WallMs now) {
  const Sha256Digest digest = Sha256(jwt);
  std::shared_ptr<const TokenVerifier> verifier;
  {
    absl::MutexLock lock(&mutex_);
    ReloadIfChanged(now);
    const auto known = verified_.find(digest);
    // Within the skew after `exp` the full check decides.
    if (known != verified_.end() && known->second.expires_s > now.value / 1000) {
      return known->second;
    }
    verifier = verifier_;
  }
  HP_ASSIGN_OR_RETURN(Claims claims, verifier->Verify(jwt, now));
  absl::MutexLock lock(&mutex_);
  if (verifier == verifier_) {
    if (verified_.size() >= kVerifiedMax) verified_.clear();
    verified_.insert_or_assign(digest, claims);
  }
  return claims;
}

}  // namespace homeport::auth
