#pragma once

#include "homeport/history/v1/history.grpc.pb.h"
#include "services/registry/api/call.h"

namespace homeport::registry {

// The gRPC HistoryService: reads of one device each. Thread-safe.
class HistoryService final : public history::v1::HistoryService::Service {
 public:
  explicit HistoryService(const ApiParts& parts) : parts_(parts) {}

  grpc::Status ListTelemetry(grpc::ServerContext* context,
                             const history::v1::ListTelemetryRequest* request,
                             history::v1::ListTelemetryResponse* response) override;
  grpc::Status ListEvents(grpc::ServerContext* context,
                          const history::v1::ListEventsRequest* request,
                          history::v1::ListEventsResponse* response) override;
  grpc::Status AggregateTelemetry(grpc::ServerContext* context,
                                  const history::v1::AggregateTelemetryRequest* request,
                                  history::v1::AggregateTelemetryResponse* response) override;
  grpc::Status ListPropertyValues(grpc::ServerContext* context,
                                  const history::v1::ListPropertyValuesRequest* request,
                                  history::v1::ListPropertyValuesResponse* response) override;
  grpc::Status AggregateProperty(grpc::ServerContext* context,
                                 const history::v1::AggregatePropertyRequest* request,
                                 history::v1::AggregatePropertyResponse* response) override;

 private:
  const ApiParts parts_;
};

}  // namespace homeport::registry
