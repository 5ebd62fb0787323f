#pragma once

#include <string>

namespace homeport::testing {

// A folder of its own below the system's temporary one, removed with all it holds.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  // Writes `text` to a file of that name; returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
};

struct TlsPems {
  std::string certificate;
  std::string key;
};

// A self-signed certificate for localhost and 127.0.0.1, its own authority.
[[nodiscard]] TlsPems MakeSelfSigned();

}  // namespace homeport::testing
