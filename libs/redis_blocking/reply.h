#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace homeport::redis_blocking {

// A look at one answer or one element of it. Borrowed from a Reply.
class ReplyView {
 public:
  explicit ReplyView(const redisReply* reply) : reply_(reply) {}

  [[nodiscard]] bool is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
  [[nodiscard]] bool is_error() const { return reply_->type == REDIS_REPLY_ERROR; }
  [[nodiscard]] int64_t integer() const {
    return reply_->type == REDIS_REPLY_INTEGER ? reply_->integer : 0;
  }
  // The bytes of a string, status or error; empty for other types.
  [[nodiscard]] std::string_view text() const {
    return reply_->str == nullptr ? std::string_view() : std::string_view(reply_->str, reply_->len);
  }
  // Elements of an array; 0 for other types.
  [[nodiscard]] size_t size() const {
    return reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0;
  }
  // REQUIRES: i < size().
  [[nodiscard]] ReplyView operator[](size_t i) const { return ReplyView(reply_->element[i]); }

 private:
  const redisReply* reply_;
};

// Owns one answer.
class Reply {
 public:
  explicit Reply(redisReply* reply) : reply_(reply) {}
  [[nodiscard]] ReplyView view() const { return ReplyView(reply_.get()); }
  [[nodiscard]] ReplyView operator[](size_t i) const { return view()[i]; }
  [[nodiscard]] bool is_nil() const { return view().is_nil(); }
  [[nodiscard]] bool is_error() const { return view().is_error(); }
  [[nodiscard]] int64_t integer() const { return view().integer(); }
  [[nodiscard]] std::string_view text() const { return view().text(); }
  [[nodiscard]] size_t size() const { return view().size(); }

 private:
  struct Free {
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };
  std::unique_ptr<redisReply, Free> reply_;
};

}  // namespace homeport::redis_blocking
