#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

namespace homeport::rpc {

// Request and answer of a callback method in one arena for each call: an answer of many small
// messages is made, and given back, a block at a time. For SetMessageAllocatorFor_<Method>; it must
// outlive the server. Thread-safe.
template <typename Request, typename Answer>
class ArenaMessages final : public grpc::MessageAllocator<Request, Answer> {
 public:
  grpc::MessageHolder<Request, Answer>* AllocateMessages() override { return new Call; }

 private:
  class Call final : public grpc::MessageHolder<Request, Answer> {
   public:
    Call() : arena_(Options()) {
      this->set_request(google::protobuf::Arena::CreateMessage<Request>(&arena_));
      this->set_response(google::protobuf::Arena::CreateMessage<Answer>(&arena_));
    }
    void Release() override { delete this; }  // as gRPC asks

   private:
    static google::protobuf::ArenaOptions Options() {
      constexpr size_t kBlockBytes = 4096;
      constexpr size_t kBlockBytesMax = 64 * 1024;
      google::protobuf::ArenaOptions options;
      options.start_block_size = kBlockBytes;
      options.max_block_size = kBlockBytesMax;
      return options;
    }
    google::protobuf::Arena arena_;
  };
};

}  // namespace homeport::rpc
