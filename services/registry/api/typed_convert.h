#pragma once

#include "homeport/product/v1/model.pb.h"
#include "homeport/type/v1/value.pb.h"
#include "libs/json/value.h"
#include "libs/model/compatibility.h"
#include "libs/model/model.h"
#include "libs/model/titles.h"
#include "libs/shadow/document.h"

// A product's model and a shadow in its terms, as gRPC shows them. Pure.
namespace homeport::registry {

// REQUIRES: a boolean, an int64, a double or a string.
void FillValue(const json::Value& value, type::v1::Value& out);

void FillModel(const model::Model& model, const model::Titles& titles,
               product::v1::TypedModel& out);

// Properties with a value, and what is none in `other_json`. Without titles (null) none are given.
void FillShadow(const model::Model& model, const shadow::Document& document,
                const model::Titles* titles, product::v1::TypedShadow& out);

// The class, and as many differences as the message may have.
void FillUpgrade(const model::Comparison& comparison, product::v1::ModelVersion& out);

}  // namespace homeport::registry
