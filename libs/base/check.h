#pragma once

namespace homeport {

// Prints the failed condition with its place and aborts.
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);

}  // namespace homeport

// For bugs only: a condition that wire input, peers and the environment cannot make false.
#define HP_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::homeport::CheckFailed(#condition, __FILE__, __LINE__))
