#include "services/gateway/identity/directory.h"

#include <grpcpp/server_builder.h>

#include <catch2/catch.hpp>
#include <deque>
#include <future>

#include "absl/synchronization/mutex.h"
#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

using internal::v1::GetProductConfigRequest;
using internal::v1::ProductConfig;

// A registry whose answers about a product are told beforehand.
class Registry final : public internal::v1::DirectoryService::Service {
 public:
  // `meanwhile` happens before the answer is given.
  void Next(ProductConfig answer, std::function<void()> meanwhile = {}) {
    absl::MutexLock lock(&mutex_);
    answers_.emplace_back(std::move(answer), std::move(meanwhile));
  }
  std::vector<GetProductConfigRequest> Asked() {
    absl::MutexLock lock(&mutex_);
    return asked_;
  }

  grpc::Status GetProductConfig(grpc::ServerContext* /*context*/,
                                const GetProductConfigRequest* request,
                                ProductConfig* response) override {
    std::function<void()> meanwhile;
    {
      absl::MutexLock lock(&mutex_);
      asked_.push_back(*request);
      if (answers_.empty()) return {grpc::StatusCode::NOT_FOUND, "no more answers"};
      *response = std::move(answers_.front().first);
      meanwhile = std::move(answers_.front().second);
      answers_.pop_front();
    }
    if (meanwhile) meanwhile();
    return grpc::Status::OK;
  }

 private:
  absl::Mutex mutex_;
  std::deque<std::pair<ProductConfig, std::function<void()>>> answers_ ABSL_GUARDED_BY(mutex_);
  std::vector<GetProductConfigRequest> asked_ ABSL_GUARDED_BY(mutex_);
};

struct World {
  World() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&registry);
    server = builder.BuildAndStart();
    directory = std::make_unique<Directory>(server->InProcessChannel({}), token, SystemClock(),
                                            Directory::Options{.ttl_ms = 1});
  }
  ~World() {
    directory->Finish();
    server->Shutdown();
  }

  absl::StatusOr<Directory::Product> Fetch() {
    std::promise<absl::StatusOr<Directory::Product>> answer;
    directory->FetchProduct("lamp", [&](absl::StatusOr<Directory::Product> product) {
      answer.set_value(std::move(product));
    });
    return answer.get_future().get();
  }
  void Change() {
    DirectoryChange change;
    change.set_kind(DirectoryChange::KIND_PRODUCT);
    change.set_name("lamp");
    directory->Forget(change);
  }

  Registry registry;
  std::unique_ptr<grpc::Server> server;
  rpc::TokenFile token{""};
  std::unique_ptr<Directory> directory;
};

ProductConfig Config(const std::string& revision, const std::string& fleet_key,
                     std::initializer_list<int64_t> models = {}) {
  ProductConfig config;
  config.set_product("lamp");
  config.set_revision(revision);
  config.set_fleet_key(fleet_key);
  for (const int64_t number : models) {
    config.add_models()->set_number(number);
    config.mutable_models()->rbegin()->set_json(
        fmt::format(R"({{"type":"urn:s:device:d:00000001:a-b:{}","services":[]}})", number));
  }
  return config;
}

TEST_CASE("a product is asked for by what is known of it, and shared while it is that") {
  World world;
  world.registry.Next(Config("1", "a", {1, 2}));
  const Directory::Product first = world.Fetch().value();
  CHECK(first->models->size() == 2);
  world.registry.Next(Config("1", "a"));
  CHECK(world.Fetch().value() == first);
  const auto asked = world.registry.Asked();
  REQUIRE(asked.size() == 2);
  CHECK(asked[0].known_revision().empty());
  CHECK(asked[1].known_revision() == "1");
}

TEST_CASE("models come in as many answers as it takes") {
  World world;
  ProductConfig page = Config("1", "a", {1});
  page.set_more_models(true);
  world.registry.Next(page);
  world.registry.Next(Config("1", "a", {2}));
  CHECK(world.Fetch().value()->models->size() == 2);
  CHECK(world.registry.Asked().at(1).models_after() == 1);
}

TEST_CASE("where a change overtakes the answer, nothing that was known counts any more") {
  World world;
  world.registry.Next(Config("1", "a"));
  CHECK(world.Fetch().ok());
  world.registry.Next(Config("1", "a"), [&] { world.Change(); });
  world.registry.Next(Config("1", "b", {1}));  // made anew, with the same revision
  const Directory::Product product = world.Fetch().value();
  CHECK(product->fleet_key == "b");
  CHECK(product->models->size() == 1);
  CHECK(world.registry.Asked().at(2).known_revision().empty());
}

TEST_CASE("a failure between two answers is that of the whole, and the next fetch begins anew") {
  World world;
  ProductConfig page = Config("1", "a", {1});
  page.set_more_models(true);
  world.registry.Next(page);
  CHECK(absl::IsNotFound(world.Fetch().status()));
  world.registry.Next(Config("2", "b", {1, 2}));
  CHECK(world.Fetch().value()->models->size() == 2);
}

}  // namespace
}  // namespace homeport::gateway
