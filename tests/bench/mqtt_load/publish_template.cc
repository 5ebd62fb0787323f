#include "tests/bench/mqtt_load/publish_template.h"

#include <array>
#include <cstring>

#include "libs/mqtt/encode.h"

namespace homeport::bench {
namespace {

constexpr std::string_view kId = "{id}";
constexpr std::string_view kSeq = "{seq}";
constexpr std::string_view kSeqDigits = "1000000000";

std::string ReplaceAll(std::string_view text, std::string_view what, std::string_view with) {
  std::string result;
  for (size_t at; (at = text.find(what)) != std::string_view::npos;
       text.remove_prefix(at + what.size())) {
    result.append(text.substr(0, at)).append(with);
  }
  return result.append(text);
}

// A JSON object gets one more member, anything else plain bytes.
void Pad(size_t bytes, std::string* payload) {
  constexpr std::string_view kMember = R"(,"pad":"")";
  if (payload->size() >= bytes) return;
  const size_t missing = bytes - payload->size();
  if (payload->empty() || payload->back() != '}' || missing < kMember.size()) {
    payload->append(missing, ' ');
    return;
  }
  payload->pop_back();
  payload->append(kMember.substr(0, kMember.size() - 1));
  payload->append(missing - kMember.size(), 'x');
  payload->append("\"}");
}

}  // namespace

PublishTemplate::PublishTemplate(const PublishTemplateOptions& options) {
  const std::string topic = ReplaceAll(options.topic, kId, options.client_id);
  std::string payload = ReplaceAll(options.payload, kId, options.client_id);
  std::vector<size_t> seq_in_payload;
  for (size_t at = 0; (at = payload.find(kSeq, at)) != std::string::npos;) {
    payload.replace(at, kSeq.size(), kSeqDigits);
    seq_in_payload.push_back(at);
  }
  Pad(options.payload_bytes, &payload);

  mqtt::PublishHeader header;
  header.version = options.version;
  header.topic = topic;
  header.payload_bytes = payload.size();
  header.packet_id = 1;
  header.qos = mqtt::Qos::kAtLeastOnce;
  const size_t header_bytes = mqtt::PublishHeaderBytes(header);
  packet_.resize(header_bytes);
  mqtt::EncodePublishHeader(header, packet_.data());
  packet_ += payload;
  // The identifier ends the header, but for an empty property list in version 5.
  packet_id_at_ = header_bytes - (options.version == mqtt::Version::k5 ? 3 : 2);
  for (const size_t at : seq_in_payload) seq_at_.push_back(header_bytes + at);
}

void PublishTemplate::Append(uint16_t packet_id, uint32_t seq, std::string* out) const {
  const size_t start = out->size();
  out->append(packet_);
  char* const packet = out->data() + start;
  packet[packet_id_at_] = static_cast<char>(packet_id >> 8);
  packet[packet_id_at_ + 1] = static_cast<char>(packet_id & 0xFF);
  std::array<char, kSeqDigits.size()> digits;
  digits[0] = '1';
  for (size_t i = digits.size() - 1; i > 0; --i, seq /= 10) {
    digits[i] = static_cast<char>('0' + seq % 10);
  }
  for (const size_t at : seq_at_) std::memcpy(packet + at, digits.data(), digits.size());
}

}  // namespace homeport::bench
