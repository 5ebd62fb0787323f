#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace homeport::registry {

// One line of tests/conformance/shadow/*.txt; the README there says what each means.
struct ShadowStep {
  enum class Kind {
    kPublish,    // ">"
    kPrepare,    // ">>"
    kHear,       // "<"
    kHearPart,   // "<~"
    kSubscribe,  // "+"
    kClock,
    kProduct,
    kApi,        // topic "update" or "delete"
    kApiAnswer,  // topic = the code
    kLoop,       // topic = how often
    kEnd,
  };
  Kind kind;
  std::string topic;
  std::string payload;
  int line = 0;
};

struct ShadowCase {
  std::string file;
  std::string name;
  std::vector<ShadowStep> steps;
};

// The cases of all files, `@device` replaced by `device`. Dies on a line it cannot read.
[[nodiscard]] std::vector<ShadowCase> LoadShadowCases(std::string_view device);

}  // namespace homeport::registry
