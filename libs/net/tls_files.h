#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/net/tls.h"

namespace homeport::net {

// The files of a TLS server, which may be replaced while it runs. One thread.
class TlsFiles {
 public:
  struct Paths {
    std::string certificate_chain;
    std::string key;
    std::string ticket_keys;  // empty: there is no such file
  };
  // `ticket_keys` stands for the file that is not there.
  TlsFiles(Paths paths, std::string ticket_keys)
      : paths_(std::move(paths)), ticket_keys_(std::move(ticket_keys)) {}

  // What they hold now. Errors name the file.
  [[nodiscard]] absl::StatusOr<TlsMaterial> Read();
  // What they hold since they changed; nothing while they are as they were at the last Read, or
  // still changing: different from what the last call of ReadChanged saw. Each change is returned,
  // or its error, once.
  [[nodiscard]] absl::StatusOr<std::optional<TlsMaterial>> ReadChanged();

 private:
  [[nodiscard]] std::string Stamp() const;

  const Paths paths_;
  const std::string ticket_keys_;
  std::string read_stamp_;
  std::string seen_stamp_;
};

}  // namespace homeport::net
