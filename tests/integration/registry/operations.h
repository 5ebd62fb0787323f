#pragma once

#include <memory>
#include <string>

#include "services/registry/operations/runner.h"
#include "tests/integration/registry/api.h"

// What the tests of long-running operations share.
namespace homeport::registry::testing {

inline google::longrunning::Operation AwaitDone(Api& api, google::longrunning::Operation operation,
                                                std::string_view tenant = "default") {
  google::longrunning::GetOperationRequest get;
  get.set_name(operation.name());
  CHECK(Eventually([&] {
    return api.Call("operator", *api.operations, &Operations::GetOperation, get, &operation, tenant)
               .ok() &&
           operation.done();
  }));
  return operation;
}

// Operations that stand in the table, and runners without a registry.
struct Runners {
  // One of the tenant "default".
  void Add(const std::string& id, OperationKind kind, const google::protobuf::Message& request,
           int64_t rows) {
    OperationRow row;
    row.tenant = "default";
    row.id = id;
    row.kind = kind;
    row.actor = "test";
    row.request = request.SerializeAsString();
    row.rows = rows;
    postgres::Transaction transaction(world.db());
    REQUIRE(CreateOperation(transaction, row).ok());
    REQUIRE(transaction.Commit().ok());
  }
  std::unique_ptr<OperationRunner> Runner(const std::string& pod, int64_t chunk,
                                          int64_t turn_ms = 1000) {
    return std::make_unique<OperationRunner>(
        OperationRunner::Options{.pod = pod,
                                 .limits = {.chunk_rows = chunk},
                                 .lease_ms = 300,
                                 .turn_ms = turn_ms,
                                 .poll_ms = 20,
                                 .postgres = world.postgres()},
        probe, catalog);
  }
  World world;
  metrics::Registry metrics;
  ServiceProbe probe{metrics};
  CatalogProbe catalog{metrics};
};

}  // namespace homeport::registry::testing
