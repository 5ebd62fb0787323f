#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <string_view>

namespace homeport::redis {

// A view of one answer, valid during the callback only. A lost Reply means that the connection was
// down or broke before the answer came.
class Reply {
 public:
  Reply() = default;
  explicit Reply(const redisReply* reply) : reply_(reply) {}

  [[nodiscard]] bool lost() const { return reply_ == nullptr; }
  [[nodiscard]] bool ok() const { return reply_ != nullptr && reply_->type != REDIS_REPLY_ERROR; }
  [[nodiscard]] bool is_nil() const { return Is(REDIS_REPLY_NIL); }
  [[nodiscard]] bool is_integer() const { return Is(REDIS_REPLY_INTEGER); }
  [[nodiscard]] bool is_array() const { return Is(REDIS_REPLY_ARRAY); }
  // Redis's error text, or "connection lost".
  [[nodiscard]] std::string_view error() const {
    return lost() ? "connection lost" : Is(REDIS_REPLY_ERROR) ? text() : "";
  }
  [[nodiscard]] int64_t integer() const { return is_integer() ? reply_->integer : 0; }
  // The bytes of a string, status or error; empty for others.
  [[nodiscard]] std::string_view text() const {
    return reply_ != nullptr && reply_->str != nullptr ? std::string_view(reply_->str, reply_->len)
                                                       : std::string_view();
  }
  [[nodiscard]] size_t size() const { return is_array() ? reply_->elements : 0; }
  // REQUIRES: i < size().
  [[nodiscard]] Reply operator[](size_t i) const { return Reply(reply_->element[i]); }

 private:
  [[nodiscard]] bool Is(int type) const { return reply_ != nullptr && reply_->type == type; }
  const redisReply* reply_ = nullptr;
};

}  // namespace homeport::redis
