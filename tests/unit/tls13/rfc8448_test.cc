// The trace of RFC 8448, section 3 (Simple 1-RTT Handshake), from the moment at which both sides
// have their application traffic secrets.
#include <catch2/catch.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "libs/tls13/record_layer.h"
#include "tests/unit/tls13/client_records.h"

namespace homeport::tls13 {
namespace {

std::vector<uint8_t> FromHex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

std::string TextFromHex(std::string_view hex) {
  const std::vector<uint8_t> bytes = FromHex(hex);
  return std::string(bytes.begin(), bytes.end());
}

const std::vector<uint8_t> kClientSecret =
    FromHex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5");
const std::vector<uint8_t> kServerSecret =
    FromHex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
const std::string kClientData = TextFromHex(
    "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e"
    "2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4");
const std::string kServerData = TextFromHex(
    "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59"
    "a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d");
const std::string kClientAlert = TextFromHex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
const std::string kServerAlert = TextFromHex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9");

std::string Payload() {
  std::string payload(50, '\0');
  std::iota(payload.begin(), payload.end(), '\0');
  return payload;
}

}  // namespace

TEST_CASE("RFC 8448: write keys and IVs follow from the traffic secrets") {
  const auto engine = testing::MakeEngine();
  const auto expand = [&](const std::vector<uint8_t>& secret, std::string_view label,
                          size_t bytes) {
    std::vector<uint8_t> out(bytes);
    REQUIRE(engine->ExpandLabel(Suite::kAes128GcmSha256, secret, label, out));
    return out;
  };
  CHECK(expand(kClientSecret, "key", 16) == FromHex("17422dda596ed5d9acd890e3c63f5051"));
  CHECK(expand(kClientSecret, "iv", 12) == FromHex("5b78923dee08579033e523d9"));
  CHECK(expand(kServerSecret, "key", 16) == FromHex("9f02283b6c9c07efc26bb9f2ac92e356"));
  CHECK(expand(kServerSecret, "iv", 12) == FromHex("cf782b88dd83549aadf1e984"));
}

TEST_CASE("RFC 8448: data and close_notify, both ways, after one ticket") {
  const auto engine = testing::MakeEngine();
  const auto layer = RecordLayer::Make(
      *engine, {Suite::kAes128GcmSha256, kClientSecret, kServerSecret, /*sealed=*/1});
  REQUIRE(layer);

  std::string received = kClientData;
  const size_t text = layer->Open(received);
  CHECK(received.substr(0, text) == Payload());
  CHECK(layer->Seal(Payload()) == kServerData);

  received = kClientAlert;
  CHECK(layer->Open(received) == 0);
  CHECK(layer->state() == RecordLayer::State::kPeerClosed);
  CHECK(layer->SealEnd() == kServerAlert);
  CHECK(layer->SealEnd().empty());
}

}  // namespace homeport::tls13
