#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/mqtt/types.h"

namespace homeport::bench {

struct PublishTemplateOptions {
  mqtt::Version version = mqtt::Version::k311;
  std::string_view client_id;
  std::string_view topic;    // may hold {id}
  std::string_view payload;  // may hold {id} and {seq}
  size_t payload_bytes = 0;  // pad up to this
};

// A QoS 1 PUBLISH encoded once, whose packet id and numbers are written into each copy: all
// packets have one size, since {seq} is printed as 1,000,000,000 + seq.
class PublishTemplate {
 public:
  explicit PublishTemplate(const PublishTemplateOptions& options);

  // REQUIRES: seq < 1,000,000,000.
  void Append(uint16_t packet_id, uint32_t seq, std::string* out) const;

 private:
  std::string packet_;
  size_t packet_id_at_ = 0;
  std::vector<size_t> seq_at_;
};

}  // namespace homeport::bench
