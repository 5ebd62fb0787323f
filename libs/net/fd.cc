#include "libs/net/fd.h"

#include <unistd.h>

namespace homeport::net {

void Fd::Reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace homeport::net
