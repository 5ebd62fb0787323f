#include "libs/routing/envelope.h"

#include <catch2/catch.hpp>

#include "homeport/internal/v1/envelope.pb.h"

namespace homeport::routing {
namespace {

using internal::v1::UplinkBatch;
using internal::v1::UplinkMessage;

// The generated parser is the judge: what the gateway writes must be the declared message.
UplinkBatch Parsed(const std::string& bytes) {
  UplinkBatch batch;
  REQUIRE(batch.ParseFromString(bytes));
  return batch;
}

TEST_CASE("every field of an uplink message arrives") {
  Uplink message;
  message.kind = UplinkKind::kShadowUpdate;
  message.device = "lamp-1";
  message.session = 0xFFFFFFFF00000001;
  message.epoch = 300;
  message.received_ms = 1'700'000'000'123;
  message.detail = "settings";
  message.payload = std::string_view("{\"a\":\0}", 7);
  message.dup = true;
  message.correlation = 1ull << 63;
  message.cbor = true;
  message.client = "tool";
  message.hub = "hub-1";
  message.once = true;
  std::string bytes;
  AppendUplink(bytes, message);
  AppendBatchTail(bytes, "gateway-0a1b2c3d.0", 128);

  const UplinkBatch batch = Parsed(bytes);
  CHECK(batch.version() == 1);
  CHECK(batch.pod() == "gateway-0a1b2c3d.0");
  CHECK(batch.sequence() == 128);
  REQUIRE(batch.messages_size() == 1);
  const UplinkMessage& got = batch.messages(0);
  CHECK(got.kind() == UplinkMessage::KIND_SHADOW_UPDATE);
  CHECK(got.device() == "lamp-1");
  CHECK(got.session() == 0xFFFFFFFF00000001);
  CHECK(got.epoch() == 300);
  CHECK(got.received_ms() == 1'700'000'000'123);
  CHECK(got.detail() == "settings");
  CHECK(got.payload() == std::string("{\"a\":\0}", 7));
  CHECK(got.dup());
  CHECK(got.correlation() == 1ull << 63);
  CHECK(got.cbor());
  CHECK(got.client() == "tool");
  CHECK(got.hub() == "hub-1");
  CHECK(got.once());
}

TEST_CASE("messages of one batch keep their order, at sizes around the varint's steps") {
  std::string bytes;
  const size_t sizes[] = {0, 1, 100, 127, 128, 16'383, 16'384, 100'000};
  for (const size_t size : sizes) {
    const std::string payload(size, 'x');
    Uplink message;
    message.device = "d";
    message.payload = payload;
    AppendUplink(bytes, message);
  }
  AppendBatchTail(bytes, "p", 1);
  const UplinkBatch batch = Parsed(bytes);
  REQUIRE(batch.messages_size() == static_cast<int>(std::size(sizes)));
  for (size_t i = 0; i < std::size(sizes); ++i) {
    CHECK(batch.messages(static_cast<int>(i)).payload().size() == sizes[i]);
  }
}

TEST_CASE("UplinkKind mirrors the declared kinds") {
  CHECK(static_cast<int>(UplinkKind::kConnected) == UplinkMessage::KIND_CONNECTED);
  CHECK(static_cast<int>(UplinkKind::kDisconnected) == UplinkMessage::KIND_DISCONNECTED);
  CHECK(static_cast<int>(UplinkKind::kProperties) == UplinkMessage::KIND_PROPERTIES);
  CHECK(static_cast<int>(UplinkKind::kEvent) == UplinkMessage::KIND_EVENT);
  CHECK(static_cast<int>(UplinkKind::kTelemetry) == UplinkMessage::KIND_TELEMETRY);
  CHECK(static_cast<int>(UplinkKind::kShadowGet) == UplinkMessage::KIND_SHADOW_GET);
  CHECK(static_cast<int>(UplinkKind::kShadowUpdate) == UplinkMessage::KIND_SHADOW_UPDATE);
  CHECK(static_cast<int>(UplinkKind::kShadowDelete) == UplinkMessage::KIND_SHADOW_DELETE);
  CHECK(static_cast<int>(UplinkKind::kWatch) == UplinkMessage::KIND_WATCH);
  CHECK(static_cast<int>(UplinkKind::kUnwatch) == UplinkMessage::KIND_UNWATCH);
  CHECK(static_cast<int>(UplinkKind::kWatchRenew) == UplinkMessage::KIND_WATCH_RENEW);
  CHECK(static_cast<int>(UplinkKind::kShadowListen) == UplinkMessage::KIND_SHADOW_LISTEN);
}

}  // namespace
}  // namespace homeport::routing
