#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/decode.h"

namespace homeport::mqtt {

// One line of tests/conformance/*.txt (see the README there), or one packet that a live script
// sends, for one version.
struct WireCase {
  std::string file;
  std::string name;
  std::string statement;
  Version version;
  Side side;  // who decodes
  std::string bytes;
  std::string expected;  // "ok TYPE", "error 0xNN" or "more"
};

// "10 0E" or "100E" to bytes. REQUIRES: only blanks and pairs of hexadecimal digits.
[[nodiscard]] std::string FromHex(std::string_view hex);

// All cases of all files; a case for both versions appears twice. Dies on a line it cannot read.
[[nodiscard]] std::vector<WireCase> LoadWireCases();

// What the codec makes of `bytes`, in the words of the expected column. Decodes in an exact block.
[[nodiscard]] std::string Outcome(std::string_view bytes, const DecodeOptions& options);

}  // namespace homeport::mqtt
