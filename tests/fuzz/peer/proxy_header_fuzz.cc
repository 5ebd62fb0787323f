#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/base/check.h"
#include "libs/peer/proxy_header.h"

// The front of a connection from a load balancer: a header is found at its last byte, not before,
// and what follows it never matters.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport;
  using Kind = peer::ProxyHeader::Kind;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const peer::ProxyHeader header = peer::ReadProxyHeader(bytes);
  if (header.kind == Kind::kNeedMore) HP_CHECK(size < peer::kProxyHeaderBytesMax);
  if (header.kind != Kind::kHeader) return 0;
  HP_CHECK(header.bytes > 0 && header.bytes <= size);
  HP_CHECK(header.bytes <= peer::kProxyHeaderBytesMax);
  const std::string exact = bytes.substr(0, header.bytes);
  HP_CHECK(peer::ReadProxyHeader(exact).source == header.source);
  const std::string shorter = exact.substr(0, exact.size() - 1);
  HP_CHECK(peer::ReadProxyHeader(shorter).kind == Kind::kNeedMore);
  HP_CHECK(!header.source.ToString().empty());
  return 0;
}
