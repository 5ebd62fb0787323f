#include <cstddef>
#include <cstdint>

#include "libs/base/check.h"
#include "libs/mqtt/encode.h"
#include "libs/mqtt/publish_view.h"

// A byte stream read as a server and as a client, in both versions. What decodes must encode to
// bytes that decode to the same, and the two PUBLISH decoders must agree.
namespace homeport::mqtt {
namespace {

constexpr uint32_t kPacketBytesMax = 1u << 20;

void CheckRoundTrip(const Packet& packet, const DecodeOptions& options) {
  std::string bytes;
  Encode(packet, options.version, &bytes);
  const FrameResult result = DecodeFrame(bytes, kPacketBytesMax);
  HP_CHECK(result.kind == FrameResult::Kind::kFrame);
  HP_CHECK(result.frame.total_bytes == bytes.size());
  Packet again;
  HP_CHECK(Decode(result.frame, options, &again).ok());
  HP_CHECK(again == packet);
}

void CheckPublishView(const Frame& frame, const DecodeOptions& options, DecodeError expected,
                      const Packet& packet) {
  PublishView view;
  HP_CHECK(DecodePublishView(frame, options, &view).reason == expected.reason);
  if (expected) return;
  const Publish& publish = std::get<Publish>(packet);
  HP_CHECK(view.topic == publish.topic && view.payload == publish.payload);
  std::string forwarded;
  AppendForwardedProperties(view.property_bytes, PlaceOf(PacketType::kPublish), &forwarded);
  HP_CHECK(forwarded.size() <= view.property_bytes.size());
}

void ReadStream(std::string_view stream, const DecodeOptions& options) {
  while (true) {
    const FrameResult result = DecodeFrame(stream, kPacketBytesMax);
    if (result.kind != FrameResult::Kind::kFrame) return;
    Packet packet;
    const DecodeError error = Decode(result.frame, options, &packet);
    if (result.frame.type == PacketType::kPublish) {
      CheckPublishView(result.frame, options, error, packet);
    }
    if (!error) CheckRoundTrip(packet, options);
    stream.remove_prefix(result.frame.total_bytes);
  }
}

}  // namespace
}  // namespace homeport::mqtt

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace homeport::mqtt;
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  for (Version version : {Version::k311, Version::k5}) {
    for (Side side : {Side::kServer, Side::kClient}) {
      ReadStream(stream, DecodeOptions{version, side, Limits{}});
    }
  }
  return 0;
}
