#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "libs/base/check.h"
#include "libs/websocket/frame_reader.h"
#include "libs/websocket/upgrade.h"

// A byte stream as an upgrade and as frames: read at once and byte by byte it must mean the same.
namespace homeport::websocket {
namespace {

constexpr uint64_t kFrameBytesMax = 1 << 16;

struct Outcome {
  std::string payload;
  std::string replies;
  bool ended = false;
  bool operator==(const Outcome&) const = default;
};

Outcome ReadFrames(std::string_view stream, size_t step) {
  Framer framer;
  FrameReader reader;
  Outcome outcome;
  while (!stream.empty() && !outcome.ended) {
    const std::string_view piece = stream.substr(0, step);
    const std::unique_ptr<char[]> out(new char[piece.size()]);
    const FrameReader::Result result =
        reader.Read(piece, kFrameBytesMax, framer, out.get(), &outcome.replies);
    HP_CHECK(result.payload_bytes <= piece.size());
    outcome.payload.append(out.get(), result.payload_bytes);
    outcome.ended = result.ended;
    stream.remove_prefix(piece.size());
  }
  return outcome;
}

void CheckUpgrade(std::string_view stream) {
  constexpr size_t kHeadBytesMax = 512;
  const UpgradeResult whole = ReadUpgrade(stream, kHeadBytesMax);
  HP_CHECK(whole.bytes_taken <= stream.size());
  HP_CHECK(whole.response.empty() == (whole.kind == UpgradeResult::Kind::kNeedMore));
  HP_CHECK(stream.size() < kHeadBytesMax || whole.kind != UpgradeResult::Kind::kNeedMore);
  if (whole.kind != UpgradeResult::Kind::kAccepted) return;
  const std::string_view head = stream.substr(0, whole.bytes_taken);
  HP_CHECK(ReadUpgrade(head, kHeadBytesMax).response == whole.response);
  HP_CHECK(ReadUpgrade(head.substr(0, head.size() - 1), kHeadBytesMax).kind ==
           UpgradeResult::Kind::kNeedMore);
}

}  // namespace
}  // namespace homeport::websocket

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::websocket;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  CheckUpgrade(stream);
  HP_CHECK(ReadFrames(stream, size + 1) == ReadFrames(stream, 1));
  return 0;
}
