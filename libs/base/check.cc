#include "libs/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace homeport {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "level=fatal event=check_failed condition=\"%s\" at=%s:%d\n", condition,
               file, line);
  std::abort();
}

}  // namespace homeport
